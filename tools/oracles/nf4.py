#!/usr/bin/env python3
"""NF4 as PyPI's bitsandbytes (0.50) has it on a CPU. Needs torch, numpy, safetensors and bitsandbytes.

    python tools/oracles/nf4.py tests/golden/nf4.safetensors

x: numbers of many sizes in blocks of 64, an odd number of them, one block of zeros, one of a single number that is none, ties between
two codes. codes and absmax: what they are quantised to; values: what these are dequantised to. With double quantisation the same
absmax as bytes, nested_absmax and offset (the import compiles, which takes minutes); map: what the bytes mean; absmax2: what they stand for.
"""
import sys

import torch
from bitsandbytes import functional as F
from safetensors.torch import save_file

torch.manual_seed(4)
blocks = [torch.randn(64) * 10.0 ** torch.randint(-6, 5, (1,)) for _ in range(300)]
blocks += [torch.zeros(64), torch.cat([torch.zeros(40), torch.tensor([-3.0]), torch.zeros(23)]), torch.full((64,), 7.0), torch.randn(64) * 1e-30]
plain, state = F.quantize_4bit(torch.eye(8), blocksize=64, quant_type="nf4", compress_statistics=False)
between = (state.code[1:] + state.code[:-1]) / 2
blocks += [torch.cat([torch.ones(1), between, state.code, torch.rand(32) * 2 - 1]), torch.randn(27)]
x = torch.cat(blocks)
codes, state = F.quantize_4bit(x, blocksize=64, quant_type="nf4", compress_statistics=False)
values = F.dequantize_4bit(codes, state)
codes2, nested = F.quantize_4bit(x, blocksize=64, quant_type="nf4", compress_statistics=True)
assert torch.equal(codes, codes2)
absmax2 = F.dequantize_blockwise(nested.absmax, nested.state2) + nested.offset
save_file({"x": x, "codes": codes.flatten(), "absmax": state.absmax, "values": values, "bytes": nested.absmax, "map": nested.state2.code,
           "nested_absmax": nested.state2.absmax, "offset": nested.offset.reshape(1), "absmax2": absmax2}, sys.argv[1])
print(len(x), float((values - x).abs().max()))
