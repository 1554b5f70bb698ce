#!/usr/bin/env python3
"""docs_blocks.py SOURCE WORK COMPILER [FLAG...]: the ```cpp blocks of README.md, CONTRIBUTING.md and docs/ are true.

The word after `cpp` says what a block claims:
    ```cpp           it compiles without a warning and, as a program, runs and ends with 0
    ```cpp no-run    it compiles
    ```cpp fails     it does not compile
A line that ends in `// illegal: words` is left out; then it is put back, alone, and the program must not compile.
A block without `main` is compiled after `#include <fauna/fauna.hpp>`, as a fragment at namespace scope.
Programs run in WORK, where input.txt is a text to train on.
"""
import os
import pathlib
import re
import subprocess
import sys

source, work, command = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:]
FENCE = re.compile(r"^( *)```cpp *(no-run|fails)?$(.*?)^\1```$", re.MULTILINE | re.DOTALL)
ILLEGAL = re.compile(r"^.*// illegal: .*$", re.MULTILINE)


def blocks():
    for page in [source / "README.md", source / "CONTRIBUTING.md", *sorted((source / "docs").rglob("*.md"))]:
        if not page.exists():
            continue
        text = page.read_text(encoding="utf-8")
        if len(re.findall(r"^ *```cpp", text, re.MULTILINE)) != len(FENCE.findall(text)):
            sys.exit(f"{page}: a ```cpp block has an unknown mark or does not end")
        for found in FENCE.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            yield f"{page.relative_to(source)}:{line}", found.group(2) or "run", found.group(3)


def compiles(code, *, program):
    """Compiles to WORK/block when it is a program to run, else only checks. Returns the messages, or None."""
    (work / "block.cpp").write_text(code, encoding="utf-8")
    what = ["-o", str(work / "block")] if program else ["-fsyntax-only"]
    run = subprocess.run([*command, "-std=c++20", f"-I{source / 'include'}", "-Wall", "-Wextra", "-Werror",
                          str(work / "block.cpp"), *what], capture_output=True, text=True, check=False)
    return run.stderr if run.returncode else None


def check(mark, code):
    """What is wrong with the block, or None."""
    is_program = re.search(r"\bint main\(", code) is not None
    if not is_program:
        code = "#include <fauna/fauna.hpp>\n" + code
    legal = ILLEGAL.sub("", code)
    messages = compiles(legal, program=mark == "run" and is_program)
    if mark == "fails":
        return None if messages else "compiles, and is marked as failing"
    if messages:
        return "does not compile\n" + "\n".join(messages.splitlines()[:20])
    for line in ILLEGAL.findall(code):
        alone = ILLEGAL.sub(lambda found, line=line: found.group(0) if found.group(0) == line else "", code)
        if compiles(alone, program=False) is None:
            return f"compiles with the illegal line\n{line}"
    if mark == "run" and is_program:
        run = subprocess.run([str(work / "block")], cwd=work, capture_output=True, text=True, check=False)
        if run.returncode:
            return f"ends with {run.returncode}\n{run.stdout[-1000:]}{run.stderr[-1000:]}"
    return None


work.mkdir(parents=True, exist_ok=True)
shared = pathlib.Path(os.environ.get("FAUNA_SHARED_DIR", "/nowhere")) / "data/tinyshakespeare/input.txt"
# As many different characters as Tiny Shakespeare has, 65, since a vocabulary is part of a model's type.
upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
sample = "".join(f"ROMEO: {upper} {i * i} quick brown foxes jump over the lazy dog\n" for i in range(4000))
(work / "input.txt").write_text(shared.read_text(encoding="utf-8") if shared.exists() else sample, encoding="utf-8")

count = failed = 0
for place, mark, code in blocks():
    count += 1
    fault = check(mark, code)
    print(f"{place}: {mark}: {'as claimed' if fault is None else fault}")
    failed += fault is not None
print(f"{count} blocks, {failed} untrue")
sys.exit(1 if failed else 0)
