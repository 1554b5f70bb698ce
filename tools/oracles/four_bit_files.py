#!/usr/bin/env python3
"""Weights in four bits as PyPI's bitsandbytes (0.50) saves them, and as it reads them on a CPU. Needs torch, safetensors and bitsandbytes.

    python tools/oracles/four_bit_files.py tests/golden/scaled/four_bit.safetensors

Of each NAME there are NAME.weight and what belongs to it, and NAME.wanted, the numbers.
"""
import sys

import torch
from bitsandbytes import functional as F
from safetensors.torch import save_file

CASES = {"nf4": ("nf4", torch.float32, 64, False, (24, 40)), "nf4_nested": ("nf4", torch.bfloat16, 64, True, (40, 500)),
         "fp4": ("fp4", torch.float16, 128, False, (7, 13)), "fp4_nested": ("fp4", torch.float32, 64, True, (9, 70)),
         "nf4_f16": ("nf4", torch.float16, 256, False, (16, 33))}

torch.manual_seed(2)
out = {}
for name, (kind, dtype, block, nested, shape) in CASES.items():
    w = (torch.randn(shape) * 10.0 ** torch.randint(-3, 2, (shape[0], 1))).to(dtype)
    codes, state = F.quantize_4bit(w, blocksize=block, quant_type=kind, compress_statistics=nested)
    out[name + ".weight"] = codes
    out |= {f"{name}.weight.{key}": value for key, value in state.as_dict(packed=True).items()}
    out[name + ".wanted"] = F.dequantize_4bit(codes, state).float()
    assert out[name + ".wanted"].shape == shape
# The same bytes as numbers of another type (bnb_4bit_quant_storage).
out |= {key.replace("nf4.", "stored.", 1): value.clone() for key, value in out.items() if key.startswith("nf4.")}
out["stored.weight"] = out["nf4.weight"].flatten().view(torch.bfloat16).reshape(-1, 1)
save_file({key: value.clone().contiguous() for key, value in out.items()}, sys.argv[1])
print({key: list(value.shape) for key, value in out.items()})
