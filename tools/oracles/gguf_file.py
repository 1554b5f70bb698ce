#!/usr/bin/env python3
"""A small GGUF file that the reference library wrote, for tests/io/test_gguf.cpp.

    python tools/oracles/gguf_file.py tests/golden

Needs the PyPI packages gguf and numpy. For each type of tensor, one of numbers that the library quantised, and where it
is in blocks one of random blocks, which has what no quantising makes; beside each, as NAME.f32, what the library reads.
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


for kind in [Type.F16, Type.BF16, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0]:
    name = kind.name
    add(name, kind, gguf.quantize(random.standard_normal((3, 64)).astype(np.float32), kind))
    if kind in (Type.F16, Type.BF16):
        continue
    size = gguf.GGML_QUANT_SIZES[kind][1]
    blocks = random.integers(0, 256, (16, size), dtype=np.uint8)
    for at in (1, 3) if kind in (Type.Q4_1, Type.Q5_1) else (1,):
        blocks[:, at] &= 0xbb  # the upper halves of d and m: neither infinite nor NaN
    add(name + ".blocks", kind, blocks)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
path.chmod(0o644)
