#!/usr/bin/env python3
"""Does the reference library load what `tools/fauna export` wrote, and does it make the same logits of it?

    tools/fauna logits DIR --tokens 1,2,3 --out LOGITS.npy
    python tools/oracles/reload.py DIR LOGITS.npy --tokens 1,2,3

Loads DIR by AutoModelForCausalLM; no tensor may be missing, left over or of another shape, and no logit may differ by more
than 1e-4 of the largest: two libraries add f32 numbers in different orders. Needs PyPI's torch, transformers, numpy.
"""
import argparse
import pathlib
import sys

import numpy
import torch
from transformers import AutoModelForCausalLM

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("directory", type=pathlib.Path)
parser.add_argument("logits", type=pathlib.Path)
parser.add_argument("--tokens", required=True, help="ids with commas between them, as they were given to tools/fauna")
arguments = parser.parse_args()

model, found = AutoModelForCausalLM.from_pretrained(arguments.directory, output_loading_info=True)
wrong = {what: names for what, names in found.items() if names}
if wrong:
    sys.exit(f"reload.py: {arguments.directory} does not fit {type(model).__name__}: {wrong}")
with torch.no_grad():
    want = model.eval()(torch.tensor([[int(t) for t in arguments.tokens.split(",")]])).logits[0]
got = numpy.load(arguments.logits)
if want.dtype != torch.float32 or got.shape != tuple(want.shape):
    sys.exit(f"reload.py: logits {got.shape}, expected {tuple(want.shape)} in f32 and not {want.dtype}")
worst, largest = numpy.abs(got - want.numpy()).max(), want.abs().max().item()
print(f"{arguments.directory}: {type(model).__name__}, largest difference {worst:.2e} of {largest:.3g}, {worst / largest:.1e}")
sys.exit(not worst <= 1e-4 * largest)
