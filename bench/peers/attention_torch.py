"""Times torch's scaled_dot_product_attention, causal, forward and backward, at the shapes of bench_attention.cpp.

Prints one JSON line a figure: {"figure": name, "seconds": median}.
"""

import argparse
import json
import statistics
import time

import torch
import torch.nn.functional as F


def contiguous(batch, heads, rows, size):
    """q, k, v as [batch, heads, rows, size] of their own."""
    leaves = [torch.randn(batch, heads, rows, size, requires_grad=True) for _ in range(3)]
    return leaves, lambda: leaves


def fused(batch, heads, rows, size):
    """q, k, v as views of one projection [batch, rows, 3 * heads * size], as nanoGPT cuts them."""
    qkv = torch.randn(batch, rows, 3 * heads * size, requires_grad=True)

    def cut():
        return [x.view(batch, rows, heads, size).transpose(1, 2) for x in qkv.split(heads * size, dim=2)]

    return [qkv], cut


FIGURES = {
    "attention_f32": (contiguous, (1, 12, 1024, 64)),
    "attention_nanogpt_f32": (fused, (12, 4, 64, 32)),
    "attention_gpt2_f32": (fused, (4, 12, 64, 64)),
}


def seconds(make, shape, repeats):
    leaves, cut = make(*shape)
    gradient = torch.randn(*shape)

    def step():
        for leaf in leaves:
            leaf.grad = None
        F.scaled_dot_product_attention(*cut(), is_causal=True).backward(gradient)

    for _ in range(5):
        step()
    samples = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        samples.append(time.perf_counter() - start)
    return statistics.median(samples)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--figure", choices=sorted(FIGURES), action="append", help="only this one (may be repeated)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for name in arguments.figure or FIGURES:
        make, shape = FIGURES[name]
        print(json.dumps({"figure": name, "seconds": seconds(make, shape, arguments.repeats)}), flush=True)


if __name__ == "__main__":
    main()
