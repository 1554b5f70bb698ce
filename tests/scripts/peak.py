#!/usr/bin/env python3
"""peak.py COMMAND...: runs a compiler and adds to its messages the seconds and the megabytes that it took.

The cache keeps a compiler's messages with the object and repeats them, so that measured.py learns what an object cost
also when this runs no more. In a process of its own, it is the compiler that is measured and not the cache around it.
"""
import os
import resource
import sys

status = os.spawnvp(os.P_WAIT, sys.argv[1], sys.argv[1:])
# The driver waits for the compiler proper, so the children's peak is the compiler's.
took = resource.getrusage(resource.RUSAGE_CHILDREN)
seconds, peak = took.ru_utime + took.ru_stime, took.ru_maxrss / 1024
print(f"fauna peak: {seconds:.1f} s {peak:.0f} MB by {os.environ['FAUNA_COMPILATION']}", file=sys.stderr)
sys.exit(status if status >= 0 else 1)
