#!/usr/bin/env python3
"""docs_blocks.py SOURCE WORK [--all] COMPILER [FLAG...]: the ```cpp blocks of README.md, CONTRIBUTING.md and docs/ are true.

The word after `cpp` says what a block claims:
    ```cpp           it compiles without a warning and, as a program, runs and ends with 0
    ```cpp no-run    it compiles
    ```cpp fails     it does not compile
A line that ends in `// illegal: words` is left out; then it is put back, alone, and the program must not compile.
A block without `main` is compiled after `#include <fauna/fauna.hpp>`, as a fragment at namespace scope.
Programs run in WORK, where input.txt is a text to train on. What compiles comes from the compiler cache where that has it;
what does not compile is not tried again where that is known (known_good.py), but for --all.
"""
import os
import pathlib
import re
import subprocess
import sys

import known_good

source, work = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
compiler, *flags = (word for word in sys.argv[3:] if word != "--all")
command = [compiler, *flags, "-std=c++20", f"-I{source / 'include'}", "-Wall", "-Wextra", "-Werror"]
known = known_good.KnownGood(source, ignore="--all" in sys.argv)
version = known_good.version(compiler)
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


def run_in_work(*words):
    return subprocess.run([*words], cwd=work, capture_output=True, text=True, check=False)


def messages(code):
    """What the compiler says of code that it does not compile to WORK/block.o; None where it does."""
    (work / "block.cpp").write_text(code, encoding="utf-8")
    run = run_in_work(source / "tools/cached", *command, "-c", "block.cpp", "-o", "block.o")
    return run.stderr if run.returncode else None


def does_not_compile(code):
    from_text = [*command, "-fsyntax-only", "-x", "c++", "-"]
    return known.check([version, *command, code], lambda: known_good.dependencies(from_text, code),
                       lambda: subprocess.run(from_text, input=code, capture_output=True, text=True, check=False).returncode != 0)


def check(mark, code):
    """What is wrong with the block, or None."""
    is_program = re.search(r"\bint main\(", code) is not None
    if not is_program:
        code = "#include <fauna/fauna.hpp>\n" + code
    legal = ILLEGAL.sub("", code)
    if mark == "fails":
        return None if does_not_compile(legal) else "compiles, and is marked as failing"
    said = messages(legal)
    if said:
        return "does not compile\n" + "\n".join(said.splitlines()[:20])
    for line in ILLEGAL.findall(code):
        alone = ILLEGAL.sub(lambda found, line=line: found.group(0) if found.group(0) == line else "", code)
        if not does_not_compile(alone):
            return f"compiles with the illegal line\n{line}"
    if mark == "run" and is_program:
        run = run_in_work(compiler, *flags, "block.o", "-o", "block")
        if run.returncode:
            return f"does not link\n{run.stderr[-1000:]}"
        run = run_in_work("./block")
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
print(f"{count} blocks, {failed} untrue; of what does not compile {known}")
sys.exit(1 if failed or not count else 0)
