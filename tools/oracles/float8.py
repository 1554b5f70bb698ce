#!/usr/bin/env python3
"""Golden numbers of eight-bit casts and scales, from torch's dtypes and torchao. Run it with torch 2.12 and torchao 0.18 or
later, and commit what it writes:

    python tools/oracles/float8.py tests/golden

float8.bin  e4m3.values, e5m2.values          the value of each of the 256 codes
            x, e4m3.codes, e5m2.codes         numbers and what they are cast to, saturated
            matrix [9, 96]                    and as it is after scale, cast and scale back:
            tensorwise.e4m3, tensorwise.e5m2  one scale
            rowwise.rows, rowwise.columns     powers of two along rows, and along columns
            mx.rows                           E8M0 of 32 numbers along rows, RCEIL
            amax, mx.bytes                    largest numbers of blocks, and their E8M0
The format is gpt.py's; NaN are left out of x.
"""

import importlib.metadata
import pathlib
import sys

import torch
from gpt import write
from torchao.float8.float8_utils import amax_to_scale, tensor_to_scale, to_fp8_saturated
from torchao.prototype.mx_formats.config import ScaleCalculationMode
from torchao.prototype.mx_formats.mx_tensor import to_dtype, to_mx

E4M3, E5M2, SEED = torch.float8_e4m3fn, torch.float8_e5m2, 17


def numbers(generator):
    """Halves between neighbours, what is beside them, and numbers of all sizes."""
    all = []
    for dtype in (E4M3, E5M2):
        values = torch.arange(256, dtype=torch.uint8).view(dtype).float()
        values = values[values.isfinite() & (values >= 0)].sort().values
        ties = (values[1:] + values[:-1]) / 2
        up, down = torch.tensor(float("inf")), torch.tensor(0.0)
        all += [ties, torch.nextafter(ties, up), torch.nextafter(ties, down)]
    sizes = torch.randn(400, generator=generator) * torch.exp2(torch.randint(-20, 18, (400,), generator=generator).float())
    edges = torch.tensor([0.0, 448, 463.99, 464, 465, 479, 480, 1e9, 57344, 61439, 61440, 61441, 1e30, 1e-30, 2**-10, 2**-17])
    x = torch.cat(all + [sizes, edges])
    return torch.cat([x, -x])


def codes(x, dtype):
    return to_fp8_saturated(x, dtype).view(torch.uint8).int()


def scaled(x, scale, dtype):
    return to_fp8_saturated(x * scale, dtype).float() / scale


def by_rows(x):
    scale = amax_to_scale(x.abs().amax(dim=1, keepdim=True), E4M3, round_scales_to_power_of_2=True)
    return scaled(x, scale, E4M3)


def main(folder):
    generator = torch.Generator().manual_seed(SEED)
    x = numbers(generator)
    tensors = []
    for name, dtype in (("e4m3", E4M3), ("e5m2", E5M2)):
        tensors.append((f"{name}.values", torch.arange(256, dtype=torch.uint8).view(dtype).float()))
        tensors.append((f"{name}.codes", codes(x, dtype)))
    matrix = torch.randn(9, 96, generator=generator) * torch.exp2(torch.randint(-12, 4, (9, 96), generator=generator).float())
    matrix[4] = 0
    matrix[5, :32] = 3
    tensors += [("x", x), ("matrix", matrix)]
    for name, dtype in (("e4m3", E4M3), ("e5m2", E5M2)):
        tensors.append((f"tensorwise.{name}", scaled(matrix, tensor_to_scale(matrix, dtype), dtype)))
    tensors += [("rowwise.rows", by_rows(matrix)), ("rowwise.columns", by_rows(matrix.T.contiguous()).T)]
    mode = ScaleCalculationMode.RCEIL
    scale, data = to_mx(matrix, E4M3, 32, mode)
    tensors.append(("mx.rows", to_dtype(data, scale, E4M3, 32, torch.float32)))
    amax = torch.tensor([448, 449, 1.0, 1.75, 1.7501, 1.9, 2.0, 0, 1e-3, 1e4, 1e-30, 1e38])
    blocks = torch.zeros(len(amax), 32)
    blocks[:, 7] = amax
    tensors += [("amax", amax), ("mx.bytes", to_mx(blocks, E4M3, 32, mode)[0].view(torch.uint8).int())]
    meta = {"torch": torch.__version__, "torchao": importlib.metadata.version("torchao")}
    write(pathlib.Path(folder) / "float8.bin", meta, tensors)


main(sys.argv[1])
