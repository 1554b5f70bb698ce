#!/usr/bin/env python3
"""A small file that the reference library wrote, for tests/io/test_safetensors.cpp.

    python tools/oracles/safetensors_file.py tests/golden

Needs the PyPI packages torch and safetensors. Every layout that a reader can stumble over: a scalar, an empty tensor,
names and metadata that JSON escapes, elements of 1 to 8 bytes, and so data at odd addresses.
"""
import pathlib
import sys

import torch
from safetensors.torch import save_file

tensors = {
    "f64": torch.tensor([1.5, -2.25, 1e-300], dtype=torch.float64),
    "f32": torch.arange(6, dtype=torch.float32).reshape(2, 3) / 4,
    "f16": torch.tensor([0.5, -65504.0, 6e-8], dtype=torch.float16),
    "bf16": torch.tensor([1.0, -3.0, 3e38], dtype=torch.bfloat16),
    "i64": torch.tensor([-1, 2], dtype=torch.int64),
    "flag": torch.tensor([True, False, True]),
    "scalar": torch.tensor(7.0),
    "empty": torch.zeros(0, 4),
    "caf\u00e9 \"\\\n\u4e2d\U0001f98a": torch.tensor([3], dtype=torch.uint8),
}
path = pathlib.Path(sys.argv[1]) / "python.safetensors"
save_file(tensors, path, metadata={"format": "pt", "quote": "\"\u00e9\n"})
path.chmod(0o644)
