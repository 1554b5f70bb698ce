#!/usr/bin/env python3
"""benches.py SOURCE [--all] COMPILER [FLAG...]: every benchmark program compiles, without a warning. Those that are known to
(known_good.py) are left out, but for --all. Exit 77 where Google Benchmark is not installed.
"""
import concurrent.futures
import os
import pathlib
import subprocess
import sys

import known_good

source, command = pathlib.Path(sys.argv[1]), [word for word in sys.argv[2:] if word != "--all"]
command += ["-std=c++20", f"-I{source}/include", f"-I{source}/bench", f'-DFAUNA_SOURCE_DIR="{source}"', "-Wall", "-Wextra", "-Wpedantic",
            "-Wconversion", "-Werror", "-fsyntax-only"]
if subprocess.run([*command, "-x", "c++", "-"], input="#include <benchmark/benchmark.h>\n", capture_output=True, text=True, check=False).returncode:
    print("left out: Google Benchmark is not installed (tools/setup bench)")
    sys.exit(77)
known = known_good.KnownGood(source, ignore="--all" in sys.argv)
version = known_good.version(command[0])


def compile_one(file):
    """The file, and what is wrong with it."""
    said = []

    def run():
        done = subprocess.run([*command, str(file)], capture_output=True, text=True, check=False)
        if done.returncode:
            said.append(done.stderr)
        return not said

    known.check(["bench", version, *command[1:], file.name], lambda: known_good.dependencies([*command, str(file)]), run)
    return file, said


files, failed = sorted((source / "bench").glob("*.cpp")), 0
if subprocess.run([*command, "-x", "c++", "-"], input="#include <mpi.h>\n", capture_output=True, text=True, check=False).returncode:
    print("left out, as MPI is not installed (tools/setup mpi): reduce.cpp")
    files.remove(source / "bench/reduce.cpp")
with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
    for name, errors in pool.map(compile_one, files):
        if errors:
            failed += 1
            print(f"== {name}\n" + "\n".join(errors[0].splitlines()[:20]))
print(f"{len(files)} benchmarks: {failed} do not compile, {known}")
sys.exit(1 if failed or not files else 0)
