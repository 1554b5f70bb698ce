#!/usr/bin/env python3
"""format.py SOURCE CLANG_FORMAT: every C++ and CUDA file is as .clang-format has it."""
import pathlib
import subprocess
import sys

source, clang_format = pathlib.Path(sys.argv[1]), sys.argv[2]
files = sorted(file for folder in ("include", "tests", "examples", "bench", "tools")
               for file in (source / folder).rglob("*") if file.suffix in (".hpp", ".cuh", ".cpp", ".cu"))
run = subprocess.run([clang_format, "--dry-run", "-Werror", *files], capture_output=True, text=True, check=False)
bad = sorted({line.split(":")[0] for line in run.stderr.splitlines() if "clang-format-violations" in line})
for file in bad:
    print(f"{file}: run clang-format -i on it")
print(f"{len(files)} files, {len(bad)} not formatted")
sys.exit(1 if run.returncode or not files else 0)
