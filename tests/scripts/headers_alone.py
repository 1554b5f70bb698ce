#!/usr/bin/env python3
"""headers_alone.py INCLUDE_DIR COMPILER [FLAG...]: every header compiles alone, twice over, without a warning: each .hpp,
and each .cuh that needs no CUDA toolkit.
"""
import concurrent.futures
import os
import pathlib
import subprocess
import sys

root, command = pathlib.Path(sys.argv[1]), sys.argv[2:]


def compile_alone(header):
    source = f"#include <{header}>\n#include <{header}>\n"
    run = subprocess.run([*command, "-std=c++20", f"-I{root}", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion",
                          "-Werror", "-fsyntax-only", "-x", "c++", "-"], input=source, capture_output=True, text=True, check=False)
    return header, run.returncode, run.stderr


NVCC_ONLY = ("cuda.cuh", "fauna.cuh")
headers = sorted(str(file.relative_to(root)) for file in root.rglob("*")
                 if file.suffix in (".hpp", ".cuh") and file.name not in NVCC_ONLY)
failed = 0
with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
    for header, status, said in pool.map(compile_alone, headers):
        if status:
            failed += 1
            print(f"== {header}\n" + "\n".join(said.splitlines()[:20]))
print(f"{len(headers)} headers with {' '.join(command)}, {failed} do not compile alone")
sys.exit(1 if failed or not headers else 0)
