#!/usr/bin/env python3
"""compile_fail.py CHECKOUT [--all] SOURCE COMPILER [FLAG...]: SOURCE must not compile, and the compiler must say why in a few lines.

Every word of the source's `// expect: word word` lines must stand in a message itself, not merely in the lines of code
that a compiler quotes below its messages; the whole output may have 20 lines.
Where that is known (known_good.py), nothing is compiled, but for --all.
"""
import re
import subprocess
import sys

import known_good

MOST_LINES = 20


def messages(output):
    """The output without quoted code: g++ marks it with `|`, clang++ puts a line of carets below it."""
    kept = []
    for line in output.splitlines():
        if re.match(r"^\s*[~^ ]*\^[~^ ]*$", line):
            kept = kept[:-1]
        elif not re.match(r"^\s*\d*\s*\|", line):
            kept.append(re.sub(r"^\S+?:\d+:\d+:|^In file included from .*|^\s+from .*", "", line))
    return "\n".join(kept)


checkout, source, *command = (word for word in sys.argv[1:] if word != "--all")
with open(source, encoding="utf-8") as file:
    words = [word for line in re.findall(r"^// expect: (.*)$", file.read(), re.MULTILINE) for word in line.split()]
if not words:
    sys.exit(f"{source} has no `// expect:` line")

command += ["-std=c++20", "-fsyntax-only", source]


def fails_as_expected():
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    faults = []
    if run.returncode == 0:
        faults.append("it compiles")
    said = messages(run.stderr)
    faults += [f"no message says `{word}`" for word in words if word not in said]
    length = len(run.stderr.splitlines())
    if length > MOST_LINES:
        faults.append(f"the compiler prints {length} lines, {MOST_LINES} are allowed")
    print(run.stderr, end="")
    print(f"-- {length} lines; {', '.join(faults) if faults else 'as expected'}")
    return not faults


known = known_good.KnownGood(checkout, ignore="--all" in sys.argv)
good = known.check([known_good.version(command[0]), *command], lambda: known_good.dependencies(command), fails_as_expected)
print(known)
sys.exit(0 if good else 1)
