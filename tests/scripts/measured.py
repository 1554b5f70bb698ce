#!/usr/bin/env python3
"""A compiler launcher: measured.py LOG COMMAND... runs COMMAND and appends `object, seconds, peak MB` to LOG."""
import os
import resource
import sys
import time

log, command = sys.argv[1], sys.argv[2:]
start = time.monotonic()
status = os.spawnvp(os.P_WAIT, command[0], command)
if "-o" in command:
    # The driver waits for the compiler proper, so the children's peak is the compiler's.
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    with open(log, "a", encoding="utf-8") as out:
        out.write(f"{command[command.index('-o') + 1]}\t{time.monotonic() - start:.1f}\t{peak:.0f}\n")
sys.exit(status if status >= 0 else 1)
