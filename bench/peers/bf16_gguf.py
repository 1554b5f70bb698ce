#!/usr/bin/env python3
"""A GGUF file with every quantized tensor unpacked to BF16, for a peer that is to run the same weights as fauna.

    bf16_gguf.py FROM.gguf TO.gguf
"""
import pathlib
import sys

import numpy
from gguf import GGMLQuantizationType as Type
from gguf import GGUFReader, GGUFValueType, GGUFWriter
from gguf.quants import dequantize, quantize


def main():
    source, target = map(pathlib.Path, sys.argv[1:3])
    if target.exists():
        return
    reader = GGUFReader(source)
    part = target.with_suffix(".part")
    writer = GGUFWriter(part, reader.fields["general.architecture"].contents())
    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key in ("general.architecture", "general.file_type"):
            continue
        kind = field.types[0]
        writer.add_key_value(key, field.contents(), kind, field.types[-1] if kind == GGUFValueType.ARRAY else None)
    writer.add_file_type(32)  # mostly BF16
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32)
        if values.ndim > 1:
            writer.add_tensor(tensor.name, quantize(values, Type.BF16), raw_dtype=Type.BF16)
        else:
            writer.add_tensor(tensor.name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    part.rename(target)


if __name__ == "__main__":
    main()
