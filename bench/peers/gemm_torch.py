"""Peer of the gemm figures: torch's matrix product, into memory that is there already.

It writes {"ready": true, "torch": ..., "threads": ..., "figures": [...]}, then for every line `segment N FIGURE` it reads
{"figure": ..., "seconds": for all N, "iterations": N, "flop": of one product}.

    echo 'segment 20 gemm_f32_1024' | python gemm_torch.py
"""

import argparse
import json
import sys
import time

import torch

# name: dtype, then m, n, k of C[m, n] = A[m, k] B[k, n] and which of A and B lies transposed in memory. The layer's
# products are y = x W^T (weights are [out, in]), dX = dY W and dW = dY^T X over 768 rows.
FIGURES = {}
for size in (1024, 2048):
    FIGURES[f"gemm_f32_{size}"] = (torch.float32, size, size, size, "n", "n")
    FIGURES[f"gemm_bf16_{size}"] = (torch.bfloat16, size, size, size, "n", "n")
for fan_in, fan_out in ((128, 512), (512, 128), (128, 384)):
    for name, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
        base = f"gemm_small_{name}_{fan_in}_{fan_out}"
        FIGURES[base + "_forward"] = (dtype, 768, fan_out, fan_in, "n", "t")
        FIGURES[base + "_dx"] = (dtype, 768, fan_in, fan_out, "n", "n")
        FIGURES[base + "_dw"] = (dtype, fan_out, fan_in, 768, "t", "n")


def operand(rows, columns, dtype, order):
    stored = torch.randn((columns, rows) if order == "t" else (rows, columns)).to(dtype)
    return stored.t() if order == "t" else stored


def product(figure):
    """A function that runs the product once, and its floating-point operations."""
    dtype, m, n, k, a_order, b_order = FIGURES[figure]
    a, b = operand(m, k, dtype, a_order), operand(k, n, dtype, b_order)
    c = torch.empty(m, n, dtype=dtype)
    return (lambda: torch.mm(a, b, out=c)), 2 * m * n * k


def say(**fields):
    print(json.dumps(fields), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    say(ready=True, torch=torch.__version__, threads=options.threads, figures=list(FIGURES))
    made = {}
    for line in sys.stdin:
        words = line.split()
        if words == ["quit"]:
            return
        if len(words) != 3 or words[0] != "segment" or not words[1].isdigit() or words[2] not in FIGURES:
            sys.exit(f"expected `segment N FIGURE` or `quit`, found {line.strip()!r}")
        count, figure = int(words[1]), words[2]
        if figure not in made:
            made[figure] = product(figure)
            made[figure][0]()  # the first call plans and allocates
        run, flop = made[figure]
        start = time.perf_counter()
        for _ in range(count):
            run()
        say(figure=figure, seconds=time.perf_counter() - start, iterations=count, flop=flop)


if __name__ == "__main__":
    main()
