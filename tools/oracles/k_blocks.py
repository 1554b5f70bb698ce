#!/usr/bin/env python3
"""Numbers, random and at the edges, and the blocks that ggml's own code makes of them, for tests/io/test_quants.cpp:

    python tools/oracles/k_blocks.py LIBRARY tests/golden/k_blocks.safetensors

LIBRARY is ggml's (libggml-base.so as llama-cpp-python 0.3.36 builds it, or ggml-quants.c alone), compiled with -ffp-contract=off: its K
types change by some bits where products are fused.
"""

import ctypes
import sys

import numpy as np
from safetensors.numpy import save_file

ggml = ctypes.CDLL(sys.argv[1])
random = np.random.default_rng(5)
ROW = 256
rows = [random.standard_normal(ROW) * 10.0 ** e for e in (-6, -3, -2, -1, 0, 0, 0, 1, 3)]
rows += [random.standard_t(3, ROW), np.abs(random.standard_normal(ROW)), -np.abs(random.standard_normal(ROW)), random.uniform(1, 2, ROW)]
rows += [np.zeros(ROW), np.full(ROW, 0.5), np.full(ROW, -3.0), np.full(ROW, 1e-20), random.integers(-3, 4, ROW).astype(float)]
spike = np.zeros(ROW)
spike[77] = -2.5
tiny = random.standard_normal(ROW)
tiny[64:128] *= 1e-9
tiny[128:160] = 0
rows += [spike, tiny, random.standard_normal(ROW) * 1e-12, random.standard_normal(ROW) * 15000, np.linspace(-1, 1, ROW), random.standard_normal(ROW) ** 3]
x = np.array(rows, dtype=np.float32)
x = x[:, :].clip(-60000, 60000)
save = {"x": x}
for name, quantize, elements, size in [
    ("Q2_K", "quantize_row_q2_K_ref", 256, 84), ("Q3_K", "quantize_row_q3_K_ref", 256, 110), ("Q4_K", "quantize_row_q4_K_ref", 256, 144),
    ("Q5_K", "quantize_row_q5_K_ref", 256, 176), ("Q6_K", "quantize_row_q6_K_ref", 256, 210), ("IQ4_NL", "quantize_iq4_nl", 32, 18),
]:  # fmt: skip
    out = np.zeros(x.size // elements * size, dtype=np.uint8)
    source, to = x.ctypes.data_as(ctypes.c_void_p), out.ctypes.data_as(ctypes.c_void_p)
    if name == "IQ4_NL":  # the one that files are made with; quantize_row_iq4_nl_ref tries a single scale
        getattr(ggml, quantize).restype = ctypes.c_size_t
        getattr(ggml, quantize)(source, to, ctypes.c_int64(len(x)), ctypes.c_int64(ROW), None)
    else:
        getattr(ggml, quantize)(source, to, ctypes.c_int64(x.size))
    save[name] = out
save_file(save, sys.argv[2])
