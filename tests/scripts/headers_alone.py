#!/usr/bin/env python3
"""headers_alone.py SOURCE [--all] COMPILER [FLAG...]: every header compiles alone, twice over, without a warning: each .hpp,
and each .cuh that needs no CUDA toolkit; dist/mpi.hpp where a flag names a folder with MPI's header. Those that are known to
(known_good.py) are left out, but for --all.
"""
import concurrent.futures
import os
import pathlib
import subprocess
import sys

import known_good

source, command = pathlib.Path(sys.argv[1]), [word for word in sys.argv[2:] if word != "--all"]
root = source / "include"
command += ["-std=c++20", f"-I{root}", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", "-fsyntax-only", "-x", "c++", "-"]
known = known_good.KnownGood(source, ignore="--all" in sys.argv)
version = known_good.version(command[0])


def compile_alone(header):
    """The header, and what is wrong with it."""
    text, said = f"#include <{header}>\n#include <{header}>\n", []

    def run():
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        if done.returncode:
            said.append(done.stderr)
        return not said

    known.check([version, *command, text], lambda: known_good.dependencies(command, text), run)
    return header, said


LEFT_OUT = ["cuda.cuh", "fauna.cuh", "nccl.cuh"]  # for nvcc alone
if not any((pathlib.Path(flag.removeprefix("-isystem")) / "mpi.h").exists() for flag in command):
    LEFT_OUT.append("mpi.hpp")
headers = sorted(str(file.relative_to(root)) for file in root.rglob("*")
                 if file.suffix in (".hpp", ".cuh") and file.name not in LEFT_OUT)
failed = 0
with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
    for header, said in pool.map(compile_alone, headers):
        if said:
            failed += 1
            print(f"== {header}\n" + "\n".join(said[0].splitlines()[:20]))
print(f"{len(headers)} headers with {' '.join(command)}: {failed} do not compile alone, {known}")
sys.exit(1 if failed or not headers else 0)
