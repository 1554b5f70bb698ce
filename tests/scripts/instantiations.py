#!/usr/bin/env python3
"""instantiations.py BUDGET WORK CLANGXX SOURCE [FLAG...]: SOURCE instantiates no more templates than BUDGET allows.

Counts clang's Instantiate* events with granularity 0, so that the number is the same on every run. BUDGET is a file
whose last line is the number. When a change needs more, raise it there, in the same commit, where a reader sees it.
"""
import pathlib
import re
import subprocess
import sys

budget_file, work, clang, source, flags = sys.argv[1], pathlib.Path(sys.argv[2]), *sys.argv[3:5], sys.argv[5:]
work.mkdir(parents=True, exist_ok=True)
subprocess.run([clang, *flags, "-std=c++20", "-O0", "-ftime-trace", "-ftime-trace-granularity=0", "-c", source, "-o",
                str(work / "corpus.o")], check=True)
trace = (work / "corpus.json").read_text(encoding="utf-8", errors="replace")
kinds = {kind: len(re.findall(rf'"name":"Instantiate{kind}"', trace)) for kind in ("Class", "Function")}
count = sum(kinds.values())
with open(budget_file, encoding="utf-8") as file:
    budget = int(file.read().split()[-1])
print(f"{count} instantiations ({kinds['Class']} classes, {kinds['Function']} functions), budget {budget}")
if count < 0.9 * budget:
    print(f"the budget can be lowered, to about {count * 105 // 100}")
if count == 0:
    print("the trace names no instantiation: has the compiler changed its format?")
sys.exit(0 if 0 < count <= budget else 1)
