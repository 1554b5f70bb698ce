#!/usr/bin/env python3
"""Golden numbers of Muon: three steps of torch.optim.Muon on a wide, a tall and a square matrix. Its iteration, which torch
runs in bf16, is that of its source with float64 in place of bfloat16. Run it with torch 2.9 or later:

    python tools/oracles/muon.py tests/golden

muon.bin  SHAPE.value, SHAPE.gradient.T for T = 1, 2, 3, and what is left: SHAPE.value.T, and SHAPE.m.3. The format is
          gpt.py's.
"""

import inspect
import pathlib
import sys

import torch
from gpt import write

LR, DECAY, MOMENTUM, STEPS, SEED = 0.02, 0.1, 0.95, 3, 11
SHAPES = {"wide": (5, 12), "tall": (12, 5), "square": (8, 8)}


def in_double():
    module = torch.optim._muon
    source = inspect.getsource(module._zeropower_via_newtonschulz).replace("bfloat16", "float64")
    exec(compile(source, "newtonschulz", "exec"), module.__dict__)


def main(folder):
    in_double()
    generator = torch.Generator().manual_seed(SEED)
    draw = lambda *shape: torch.randn(*shape, generator=generator).float().double()  # what a golden file can hold
    tensors = []
    for name, shape in SHAPES.items():
        w = torch.nn.Parameter(draw(*shape))
        tensors.append((f"{name}.value", w.detach().clone()))
        optimizer = torch.optim.Muon([w], lr=LR, weight_decay=DECAY, momentum=MOMENTUM, adjust_lr_fn="match_rms_adamw")
        for t in range(1, STEPS + 1):
            w.grad = draw(*shape)
            tensors.append((f"{name}.gradient.{t}", w.grad.clone()))
            optimizer.step()
            tensors.append((f"{name}.value.{t}", w.detach().clone()))
        tensors.append((f"{name}.m.{STEPS}", optimizer.state[w]["momentum_buffer"]))
    meta = {"torch": torch.__version__, "lr": LR, "weight_decay": DECAY, "momentum": MOMENTUM, "steps": STEPS}
    write(pathlib.Path(folder) / "muon.bin", meta, tensors)


main(sys.argv[1])
