#!/usr/bin/env python3
"""tidy.py SOURCE WORK CLANG_TIDY [--all] [FLAG...]: clang-tidy on the headers that changed in the last day of history,
or on all. A good result that is known (known_good.py) is not computed again, but for --all.

One translation unit includes every header, so that the standard library is read once; remarks on the headers that did
not change are left out.
"""
import json
import pathlib
import subprocess
import sys

import known_good

source, work, clang_tidy, flags = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3], sys.argv[4:]
root = source / "include"


def git(*arguments):
    run = subprocess.run(["git", "-C", source, *arguments], capture_output=True, text=True, check=False)
    return run.stdout.split() if run.returncode == 0 else []


headers = sorted(root.rglob("*.hpp"))
if not any("mpi" in flag for flag in flags):
    headers = [file for file in headers if "#include <mpi.h>" not in file.read_text(encoding="utf-8")]
if not headers:
    sys.exit(f"no headers under {root}")
chosen = headers
base = git("rev-list", "-1", "--before=1 day ago", "HEAD")
if base and "--all" not in flags:
    changed = {source / name for name in git("diff", "--name-only", *base)}
    changed |= {source / name for name in git("ls-files", "--others", "--exclude-standard")}
    chosen = [file for file in headers if file in changed]
print(f"{len(chosen)} of {len(headers)} headers changed" if chosen != headers else f"all {len(headers)} headers")
if not chosen:
    sys.exit(0)

work.mkdir(parents=True, exist_ok=True)
unit = work / "every_header.cpp"
unit.write_text("".join(f"#include <{file.relative_to(root)}>\n" for file in headers), encoding="utf-8")
lines = json.dumps([{"name": str(file.relative_to(source))} for file in chosen])
config = source / ".clang-tidy"
compilation = ["-std=c++20", f"-I{root}", *(flag for flag in flags if flag != "--all")]
command = [clang_tidy, "--quiet", f"--config-file={config}", "--header-filter=/include/fauna/", f"--line-filter={lines}", unit,
           "--", *compilation]


def clean():
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    print(run.stdout)
    if run.returncode:
        print(run.stderr[-2000:])
    return run.returncode == 0


def files():
    read = known_good.dependencies(["clang++", *compilation, unit])
    return read and [*read, config]


known = known_good.KnownGood(source, ignore="--all" in flags)
good = known.check([known_good.version(clang_tidy), *command], files, clean)
print(known)
sys.exit(0 if good else 1)
