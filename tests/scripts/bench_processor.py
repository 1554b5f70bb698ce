#!/usr/bin/env python3
"""bench_processor.py TOOLS_BENCH: which results file tools/bench chooses for a processor."""
import importlib.machinery
import importlib.util
import sys

loader = importlib.machinery.SourceFileLoader("bench", sys.argv[1])
bench = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench", loader))
loader.exec_module(bench)

failed = False
for vendor, family, model, flags, name in [
        ("AuthenticAMD", "25", "1", "fma avx2", "zen3"), ("AuthenticAMD", "25", "17", "avx2 avx512f avx512_bf16", "zen4"),
        ("AuthenticAMD", "26", "2", "avx2 avx512f avx512_bf16", "zen5"), ("AuthenticAMD", "23", "49", "avx2", "amd-23-49"),
        ("GenuineIntel", "6", "143", "avx2 avx512f avx512_bf16", "intel-6-143")]:
    said = bench.processor({"vendor_id": vendor, "cpu family": family, "model": model, "flags": flags})
    if said != name:
        failed = True
        print(f"{vendor} family {family} model {model} is {said}, not {name}")
sys.exit(failed)
