#!/usr/bin/env python3
"""Checks who includes whom in include/fauna against the layering that docs/architecture.md draws.

    include_edges.py INCLUDE_DIR     every breach is printed as file:line; exit 1 if there is one
    include_edges.py --self-test     the rules reject what they must reject
"""
import pathlib
import re
import sys

# A folder may include itself and these.
BELOW = {
    "core": set(),
    "backend": {"core"},
    "ops": {"core", "backend"},
    "compose": {"core", "backend", "ops"},
    "blocks": {"core", "backend", "ops", "compose"},
    "models": {"core", "backend", "ops", "compose", "blocks"},
    "text": {"core", "io"},
    "io": {"core"},
    "decode": {"core", "backend", "ops", "compose", "blocks", "models", "text", "io"},
    "train": {"core", "backend", "ops", "compose", "blocks", "models", "text", "io", "decode"},
    "dist": {"core", "backend", "ops", "compose", "blocks", "models", "text", "io", "decode", "train"},
    "interop": {"core"},
    "check": {"core"},
}

# Included by name alone: what wants MPI or Eigen, and what tests.
BESIDE = {"dist", "interop", "check"}

# Slow to compile, or rejected by one of the compilers.
FORBIDDEN = {"algorithm", "chrono", "filesystem", "format", "functional", "iostream", "memory", "ranges", "regex",
             "source_location", "thread"}

# What only some folders may reach beside the C++ standard library.
SYSTEM = {
    "immintrin.h": {"backend", "ops"}, "x86intrin.h": {"backend", "ops"}, "omp.h": {"backend"},
    "unistd.h": {"backend", "io"}, "fcntl.h": {"backend", "io"}, "signal.h": {"backend", "io"},
    "sys/mman.h": {"backend", "io"}, "sys/stat.h": {"backend", "io"}, "sys/resource.h": {"backend", "io"},
    "sys/types.h": {"backend", "io"}, "time.h": {"backend", "io"}, "dirent.h": {"backend", "io"},
    "sys/file.h": {"backend", "io"}, "pthread.h": {"io"},
    "cpuid.h": {"backend"}, "mpi.h": {"dist"}, "Eigen/Core": {"interop"}, "Eigen/Dense": {"interop"},
}
CUDA = re.compile(r"^(cuda|cublas|curand|nccl|mma)")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def reaches_backend(root, target, seen):
    """Does <target>, or anything it includes, lie in backend/?"""
    if target in seen:
        return False
    seen.add(target)
    if target.startswith("fauna/backend/"):
        return True
    file = root / target
    found = (INCLUDE.match(line) for line in file.read_text(encoding="utf-8").splitlines()) if file.exists() else ()
    return any(reaches_backend(root, match.group(2), seen) for match in found if match)


def breaches(root, path, lines):
    """Yields (line number, sentence) for the header at root/fauna/path."""
    parts = pathlib.PurePath(path).parts
    area, name = (parts[0], parts[-1]) if len(parts) > 1 else ("", parts[0])
    cuda = name.endswith(".cuh")
    if area and area not in BELOW:
        yield 0, f"folder {area}/ is not in the layering"
        return
    for number, line in enumerate(lines, 1):
        found = INCLUDE.match(line)
        if not found:
            continue
        bracket, target = found.groups()
        if bracket == '"':
            yield number, f'"{target}": headers are included as <fauna/...>'
        elif target.startswith("fauna/"):
            inner = pathlib.PurePath(target).parts[1:]
            to, file = (inner[0], inner[-1]) if len(inner) > 1 else ("", inner[0])
            if not area:
                if not cuda and file.endswith(".cuh"):
                    yield number, f"<{target}>: the host umbrella reaches no CUDA header"
                if to in BESIDE:
                    yield number, f"<{target}>: an umbrella reaches nothing that other libraries or tests are for ({to}/)"
                continue
            if not to:
                yield number, f"<{target}>: no header includes an umbrella"
            elif to != area and to not in BELOW[area]:
                yield number, f"<{target}>: {area} may not include {to}"
            elif area == "ops" and name in ("op.hpp", "ref.hpp") and reaches_backend(root, target, set()):
                yield number, f"<{target}>: contracts and references reach core only, not the backend"
            elif area == "ops" and name == "op.hpp" and file == "ref.hpp":
                yield number, f"<{target}>: a contract does not include a reference"
            elif area in ("blocks", "compose", "models") and to == "ops" and file != "op.hpp":
                yield number, f"<{target}>: {area} include an op's contract (op.hpp), never an implementation"
            elif area in ("blocks", "compose", "models") and to == "backend":
                yield number, f"<{target}>: {area} never name a backend"
            elif cuda and file == "cpu.hpp":
                yield number, f"<{target}>: a CUDA header never reaches a cpu.hpp"
            elif not cuda and file.endswith(".cuh"):
                yield number, f"<{target}>: a host header reaches no CUDA header"
        elif target in FORBIDDEN:
            yield number, f"<{target}> is not used in include/fauna: it is slow to compile, or a compiler lacks it"
        elif target in SYSTEM or "/" in target or target.endswith(".h"):
            if cuda and CUDA.match(target):
                continue
            if area not in SYSTEM.get(target, set()):
                yield number, f"<{target}> is no part of the C++ standard library, and not for {area or 'an umbrella'}"


def self_test():
    root = pathlib.Path(__file__).resolve().parents[2] / "include"
    cases = [
        ("core/view.hpp", "<fauna/ops/gemm/op.hpp>", True), ("core/view.hpp", "<fauna/core/version.hpp>", False),
        ("ops/gemm/op.hpp", "<fauna/backend/cpu.hpp>", True), ("ops/gemm/cpu.hpp", "<fauna/backend/cpu.hpp>", False),
        ("ops/norm/ref.hpp", "<fauna/ops/gemm/cpu.hpp>", True), ("ops/norm/ref.hpp", "<fauna/ops/gemm/ref.hpp>", False),
        ("ops/norm/op.hpp", "<fauna/ops/gemm/ref.hpp>", True), ("ops/norm/op.hpp", "<fauna/ops/gemm/op.hpp>", False),
        ("blocks/linear.hpp", "<fauna/ops/gemm/op.hpp>", False),
        ("blocks/linear.hpp", "<fauna/ops/gemm/cpu.hpp>", True), ("blocks/linear.hpp", "<fauna/train/loop.hpp>", True),
        ("blocks/linear.hpp", "<fauna/backend/cpu.hpp>", True), ("blocks/linear.hpp", "<fauna/fauna.hpp>", True),
        ("blocks/linear.hpp", '"op.hpp"', True), ("text/chars.hpp", "<fauna/train/loop.hpp>", True),
        ("text/chars.hpp", "<algorithm>", True), ("text/chars.hpp", "<unistd.h>", True),
        ("io/file.hpp", "<unistd.h>", False), ("ops/gemm/cpu.hpp", "<immintrin.h>", False),
        ("core/view.hpp", "<Eigen/Core>", True), ("interop/eigen.hpp", "<Eigen/Core>", False),
        ("ops/gemm/cuda.cuh", "<fauna/ops/gemm/cpu.hpp>", True), ("ops/gemm/cuda.cuh", "<cublasLt.h>", False),
        ("ops/gemm/cpu.hpp", "<cublasLt.h>", True), ("fauna.hpp", "<fauna/ops/gemm/cuda.cuh>", True),
        ("extra/x.hpp", "<vector>", True), ("fauna.hpp", "<fauna/models/gpt.hpp>", False),
        ("fauna.hpp", "<fauna/dist/mpi.hpp>", True), ("fauna.hpp", "<fauna/interop/eigen.hpp>", True),
        ("train/train.hpp", "<fauna/dist/solo.hpp>", True), ("train/train.hpp", "<mpi.h>", True),
        ("dist/data_parallel.hpp", "<fauna/train/trained.hpp>", False), ("dist/mpi.hpp", "<mpi.h>", False),
    ]
    wrong = [case for case in cases if bool(list(breaches(root, case[0], [f"#include {case[1]}"]))) != case[2]]
    for path, target, bad in wrong:
        print(f"{path} including {target} should be {'a breach' if bad else 'allowed'}")
    return 1 if wrong else 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    root = pathlib.Path(sys.argv[1])
    fauna = root / "fauna"
    files = sorted([*fauna.rglob("*.hpp"), *fauna.rglob("*.cuh")])
    count = 0
    for file in files:
        for number, sentence in breaches(root, file.relative_to(fauna), file.read_text(encoding="utf-8").splitlines()):
            print(f"{file}:{number}: {sentence}")
            count += 1
    print(f"{len(files)} headers, {count} breaches of the layering")
    return 1 if count or not files else 0


sys.exit(main())
