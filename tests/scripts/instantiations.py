#!/usr/bin/env python3
"""instantiations.py CHECKOUT [--all] BUDGET WORK CLANGXX SOURCE [FLAG...]: SOURCE instantiates no more templates than BUDGET allows.

Counts clang's Instantiate* events with granularity 0, so that the number is the same on every run. BUDGET is a file
whose last line is the number. When a change needs more, raise it there, in the same commit, where a reader sees it.
Where the answer is known to be good (known_good.py), nothing is compiled, but for --all.
"""
import pathlib
import re
import subprocess
import sys

import known_good

checkout, budget_file, work, *command = (word for word in sys.argv[1:] if word != "--all")
work = pathlib.Path(work)
command += ["-std=c++20", "-O0"]


def within_budget():
    work.mkdir(parents=True, exist_ok=True)
    subprocess.run([*command, "-ftime-trace", "-ftime-trace-granularity=0", "-c", "-o", str(work / "corpus.o")], check=True)
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
    return 0 < count <= budget


def files():
    read = known_good.dependencies(command)
    return read and [*read, budget_file]


known = known_good.KnownGood(checkout, ignore="--all" in sys.argv)
good = known.check([known_good.version(command[0]), *command], files, within_budget)
print(known)
sys.exit(0 if good else 1)
