#!/usr/bin/env python3
"""A small GGUF file that the reference library wrote, for tests/io/test_gguf.cpp.

    python tools/oracles/gguf_file.py tests/golden

Needs the PyPI packages gguf and numpy. For each type of tensor, one of numbers that the library quantised, and where it
is in blocks one of random blocks, which has what no quantising makes; beside each, as NAME.f32, what the library reads.
Types that it does not quantise have random blocks alone. Numbers to be quantised lie in `numbers`: also blocks of zeros, of
one number, of equal distances from 0 and from halves, subnormal and large ones; NAME is what the library makes of them.
"""
import pathlib
import sys

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGUFValueType as Value

random = np.random.default_rng(7)
path = pathlib.Path(sys.argv[1]) / "blocks.gguf"
writer = gguf.GGUFWriter(path, "none")
for name, value, kind in [
        ("u8", 200, Value.UINT8), ("i8", -3, Value.INT8), ("u16", 60000, Value.UINT16), ("i16", -300, Value.INT16),
        ("u32", 4000000000, Value.UINT32), ("i32", -70000, Value.INT32), ("f32", 1.5, Value.FLOAT32),
        ("u64", 1 << 40, Value.UINT64), ("i64", -(1 << 40), Value.INT64), ("f64", 1e300, Value.FLOAT64),
        ("bool", True, Value.BOOL), ("string", "caf\u00e9", Value.STRING)]:
    writer.add_key_value("test." + name, value, kind)
writer.add_array("test.strings", ["a", "", "bcd"])
writer.add_array("test.integers", [3, -1, 4])
writer.add_custom_alignment(64)


def add(name, kind, data):
    writer.add_tensor(name, data, raw_dtype=kind)
    writer.add_tensor(name + ".f32", gguf.dequantize(data, kind).astype(np.float32))


numbers = random.standard_normal((6, 64)).astype(np.float32)
numbers[1, :32] = 0
numbers[1, 32:] = 0.7
numbers[2] = np.tile(np.float32([-1.5, 1.5, 0.5, 0]), 16)
numbers[3, :32] *= np.float32(1e-7)
numbers[3, 32:] *= np.float32(1e4)
numbers[4] = np.abs(numbers[4]) + 1
numbers[5, :32] = np.arange(32) - np.float32(15.5)
numbers[5, 32:] = np.float32(127) * np.linspace(-1, 1, 32, dtype=np.float32)
writer.add_tensor("numbers", numbers)

# Where the halves d and m of a block are.
scales = {Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2], Type.Q8_0: [0], Type.MXFP4: [],
          Type.Q2_K: [80, 82], Type.Q3_K: [108], Type.Q4_K: [0, 2], Type.Q5_K: [0, 2], Type.Q6_K: [208],
          Type.IQ4_NL: [0], Type.IQ4_XS: [0]}
quantised = [Type.F16, Type.BF16, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0, Type.MXFP4]
for kind in quantised:
    add(kind.name, kind, gguf.quantize(numbers, kind))
for kind, halves in scales.items():
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (16 if elements == 32 else 3, size), dtype=np.uint8)
    for at in halves:
        blocks[:, at + 1] &= 0xbb  # neither infinite nor NaN
    if kind == Type.MXFP4:
        blocks[:3, 0] = [0, 1, 2]
        blocks[3:, 0] = blocks[3:, 0] % 120 + 60
    add(kind.name + ".blocks", kind, blocks)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
path.chmod(0o644)
