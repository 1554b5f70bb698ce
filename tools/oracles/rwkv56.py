#!/usr/bin/env python3
"""Tiny random models of RWKV-5.2 and 6 as torch.save writes them, and their logits by the author's own package. Run it with
torch, safetensors and rwkv at hand, and commit what it writes:

    python tools/oracles/rwkv56.py tests/golden

rwkv5.pth and rwkv6.pth have the names, shapes and bfloat16 numbers of published checkpoints; the .safetensors beside them
tokens [T] and the logits [T, vocabulary] of all of them, in f32. The package's norm has
the ε of heads of 64 columns, whatever their size. It normalises the token table as it loads it, in the type that it finds: these
numbers are in f32.
"""

import os
import pathlib
import sys

os.environ.update(RWKV_V7_ON="0", RWKV_JIT_ON="0", RWKV_CUDA_ON="0")
import torch
from rwkv.model import RWKV
from safetensors.torch import save_file

LAYERS, HEADS, SIZE, HIDDEN, VOCAB, MIX, DECAY, SEED = 2, 2, 16, 48, 24, 4, 6, 7
WIDTH = HEADS * SIZE


def tensors(version):
    generator = torch.Generator().manual_seed(SEED + version)

    def noise(*shape, by=1.0, about=0.0):
        return (by * torch.randn(shape, generator=generator) + about).bfloat16()

    def norm(name):
        return {name + ".weight": noise(WIDTH, by=0.2, about=1), name + ".bias": noise(WIDTH, by=0.2)}

    word = "mix" if version == 5 else "maa"
    yield "emb.weight", noise(VOCAB, WIDTH)
    for layer in range(LAYERS):
        block = f"blocks.{layer}."
        for name in ["ln0"] * (layer == 0) + ["ln1", "ln2", "att.ln_x"]:
            yield from norm(block + name).items()
        for mix in "kvrg" if version == 5 else "xwkvrg":
            yield block + f"att.time_{word}_{mix}", noise(1, 1, WIDTH, by=0.3, about=0.5)
        if version == 6:
            yield block + "att.time_maa_w1", noise(WIDTH, 5 * MIX, by=0.2)
            yield block + "att.time_maa_w2", noise(5, MIX, WIDTH, by=0.3)
            yield block + "att.time_decay_w1", noise(WIDTH, DECAY, by=0.2)
            yield block + "att.time_decay_w2", noise(DECAY, WIDTH, by=0.3)
        yield block + "att.time_decay", noise(*((HEADS, SIZE) if version == 5 else (1, 1, WIDTH)), about=-1)
        yield block + "att.time_faaaa", noise(HEADS, SIZE, by=0.5)
        for name in ["receptance", "key", "value", "gate", "output"]:
            yield block + f"att.{name}.weight", noise(WIDTH, WIDTH, by=0.15)
        for mix in "kr":
            yield block + f"ffn.time_{word}_{mix}", noise(1, 1, WIDTH, by=0.3, about=0.5)
        yield block + "ffn.key.weight", noise(HIDDEN, WIDTH, by=0.2)
        yield block + "ffn.receptance.weight", noise(WIDTH, WIDTH, by=0.2)
        yield block + "ffn.value.weight", noise(WIDTH, HIDDEN, by=0.1)
    yield from norm("ln_out").items()
    yield "head.weight", noise(VOCAB, WIDTH, by=0.3)


def main(folder):
    for version in (5, 6):
        path = folder / f"rwkv{version}.pth"
        first = ("emb.", "blocks.0.ln0.")
        torch.save({name: t.float() if name.startswith(first) else t for name, t in tensors(version)}, path)
        tokens = torch.randint(VOCAB, (24,), generator=torch.Generator().manual_seed(SEED + 1))
        model = RWKV(model=str(path.with_suffix("")), strategy="cpu fp32")
        logits, _ = model.forward(tokens.tolist(), None, full_output=True)
        save_file({"tokens": tokens.int(), "logits": logits.float().contiguous()}, folder / f"rwkv{version}.safetensors")


main(pathlib.Path(sys.argv[1]))
