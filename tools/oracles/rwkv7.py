#!/usr/bin/env python3
"""A tiny random RWKV-7 as torch.save writes it, and its logits by the author's own package. Run it with torch, safetensors
and rwkv at hand, and commit what it writes:

    python tools/oracles/rwkv7.py tests/golden

rwkv7.pth has the names, shapes and bfloat16 numbers of published checkpoints, with the three tensors of the first layer that
no inference reads; rwkv7.safetensors has tokens [T] and the logits [T, vocabulary] of all of them, in f32.
"""

import os
import pathlib
import sys

os.environ.update(RWKV_V7_ON="1", RWKV_JIT_ON="0", RWKV_CUDA_ON="0")
import torch
from rwkv.model import RWKV
from safetensors.torch import save_file

LAYERS, HEADS, SIZE, VOCAB, SEED = 3, 2, 16, 40, 7
WIDTH = HEADS * SIZE
RANKS = {"w": 8, "a": 6, "v": 4, "g": 10}


def tensors():
    generator = torch.Generator().manual_seed(SEED)

    def noise(*shape, by=1.0, about=0.0):
        return (by * torch.randn(shape, generator=generator) + about).bfloat16()

    def norm(name):
        return {name + ".weight": noise(WIDTH, by=0.2, about=1), name + ".bias": noise(WIDTH, by=0.2)}

    yield from {"emb.weight": noise(VOCAB, WIDTH)}.items()
    for layer in range(LAYERS):
        block = f"blocks.{layer}."
        for name in ["ln0"] * (layer == 0) + ["ln1", "ln2", "att.ln_x"]:
            yield from norm(block + name).items()
        for mix in "rwkvag":
            yield block + "att.x_" + mix, noise(1, 1, WIDTH, by=0.3, about=0.5)
        for letter, rank in RANKS.items():
            if letter != "g":
                yield block + f"att.{letter}0", noise(1, 1, WIDTH)
            yield block + f"att.{letter}1", noise(WIDTH, rank, by=0.3)
            yield block + f"att.{letter}2", noise(rank, WIDTH, by=0.3)
        yield block + "att.k_k", noise(1, 1, WIDTH, by=0.2, about=0.7)
        yield block + "att.k_a", noise(1, 1, WIDTH, by=0.2, about=1)
        yield block + "att.r_k", noise(HEADS, SIZE, by=0.2)
        for name in ["receptance", "key", "value", "output"]:
            yield block + f"att.{name}.weight", noise(WIDTH, WIDTH, by=0.2)
        yield block + "ffn.x_k", noise(1, 1, WIDTH, by=0.3, about=0.5)
        yield block + "ffn.key.weight", noise(4 * WIDTH, WIDTH, by=0.2)
        yield block + "ffn.value.weight", noise(WIDTH, 4 * WIDTH, by=0.1)
    yield from norm("ln_out").items()
    yield "head.weight", noise(VOCAB, WIDTH, by=0.3)


def main(folder):
    path = folder / "rwkv7.pth"
    torch.save(dict(tensors()), path)
    tokens = torch.randint(VOCAB, (24,), generator=torch.Generator().manual_seed(SEED + 1))
    logits, _ = RWKV(model=str(path.with_suffix("")), strategy="cpu fp32").forward(tokens.tolist(), None, full_output=True)
    save_file({"tokens": tokens.int(), "logits": logits.float().contiguous()}, folder / "rwkv7.safetensors")


main(pathlib.Path(sys.argv[1]))
