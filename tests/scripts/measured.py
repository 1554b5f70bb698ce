#!/usr/bin/env python3
"""A compiler launcher: measured.py LOG COMMAND... runs COMMAND through tools/cached and appends to LOG the line `object,
processor seconds, peak MB, measured or remembered`: what the compiler took, now or when it filled the cache (peak.py).
"""
import os
import pathlib
import re
import subprocess
import sys

PEAK = re.compile(rb"^fauna peak: (\S+) s (\S+) MB by (\S+)\n", re.MULTILINE)
log, command = sys.argv[1], sys.argv[2:]
scripts = pathlib.Path(__file__).resolve().parent
this = os.urandom(8).hex()
# What CCACHE_PREFIX names stands before the compiler where ccache runs it. Found by PATH: its own may have spaces.
environment = os.environ | {"FAUNA_COMPILATION": this, "CCACHE_PREFIX": "peak.py", "PATH": f"{scripts}:{os.environ['PATH']}"}


def compile_it(**more):
    run = subprocess.run([scripts.parent.parent / "tools/cached", *command], stderr=subprocess.PIPE, env=environment | more,
                         check=False)
    return run, PEAK.search(run.stderr)


run, peak = compile_it()
if run.returncode == 0 and not peak:  # cached by a build that did not measure
    run, peak = compile_it(CCACHE_RECACHE="1")
sys.stderr.buffer.write(PEAK.sub(b"", run.stderr))
if peak and "-o" in command:
    seconds, megabytes, by = (part.decode() for part in peak.groups())
    how = "measured" if by == this else "remembered"
    with open(log, "a", encoding="utf-8") as out:
        out.write(f"{command[command.index('-o') + 1]}\t{seconds}\t{megabytes}\t{how}\n")
sys.exit(run.returncode if run.returncode >= 0 else 1)
