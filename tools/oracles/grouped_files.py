#!/usr/bin/env python3
"""Linear layers whose weights are integers of groups, beside what the libraries that write them make of them:

    python -P tools/oracles/grouped_files.py tests/golden/scaled/grouped.safetensors

gptq4, gptq4_order, gptq3, gptq8, gptq2_v2: GPTQ, as gptqmodel's TorchLinear unpacks them, in f32. awq: as autoawq does.
packed4, packed4_zeros, packed3, bytes, fp8: as compressed-tensors does. scb: as bitsandbytes' formula. Of each NAME there are
the tensors of its format, and NAME.wanted. gptqmodel's and autoawq's packages want a GPU; of both the sources are enough:

    pip download --no-deps --no-build-isolation gptqmodel autoawq    # and unpack both, and name the folders:
    GPTQMODEL=gptqmodel-7.7.0 AUTOAWQ=autoawq-0.2.9 python -P tools/oracles/grouped_files.py ...
"""
import ast
import importlib.util
import os
import pathlib
import sys
import types

import torch
from compressed_tensors.compressors.pack_quantized import PackedQuantizationCompressor
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
from compressed_tensors.quantization.lifecycle.forward import dequantize
from safetensors.torch import save_file

IN, OUT, GROUP = 64, 40, 16


def module(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    m = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(m)
    return m


def stream(codes, bits):
    """Codes [n, m] along the first dimension as I32 words [n bits/32, m], the least significant first, across words."""
    n = codes.shape[0]
    words = torch.zeros((n * bits + 31) // 32, codes.shape[1], dtype=torch.int64)
    for i in range(n):
        for b in range(bits):
            at = i * bits + b
            words[at // 32] |= (codes[i].long() >> b & 1) << at % 32
    return torch.where(words >= 2**31, words - 2**32, words).to(torch.int32)


def gptq_unpacker(folder):
    """gptqmodel's own dequantize_weight of words that are not planar, without the classes around it."""
    source = (folder / "gptqmodel/nn_modules/qlinear/__init__.py").read_text()
    names = {"dequantize_weight", "_dequantize_from_codes"}
    functions = [f for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef) for f in node.body
                 if isinstance(f, ast.FunctionDef) and f.name in names]
    space = {"t": torch, "torch": torch,
             "_torch_right_shift": torch.bitwise_right_shift, "_torch_left_shift": torch.bitwise_left_shift}
    for f in functions:
        exec(ast.unparse(f), space)  # the last class that has it
    return space


def gptq(unpack, out, name, bits, v2, order=False, symmetric=False):
    groups = IN // GROUP
    codes = torch.randint(0, 2**bits, (IN, OUT_OF[bits]))
    width = codes.shape[1]
    zeros = torch.full((groups, width), 2**(bits - 1)) if symmetric else torch.randint(0, 2**bits, (groups, width))
    index = torch.randperm(IN) // GROUP if order else torch.arange(IN) // GROUP
    scales = (torch.rand(groups, width) * 0.1 + 0.01).half()
    stored = zeros if v2 else zeros - 1 & 2**bits - 1  # 0 becomes all ones
    out[name + ".qweight"] = stream(codes, bits)
    out[name + ".qzeros"] = stream(stored.T, bits).T.contiguous()
    out[name + ".scales"] = scales
    out[name + ".g_idx"] = index.int()
    layer = types.SimpleNamespace(planar=False, bits=bits, maxq=2**bits - 1, pack_factor=32 // bits, dequant_dtype=torch.int32,
                                  in_features=IN, out_features=width, g_idx=index, scales=scales.float(),
                                  qweight=out[name + ".qweight"], qzeros=stream(zeros.T, bits).T.contiguous(),
                                  _init_wf_unsqueeze_buffers=lambda: None)
    if bits == 3:  # each row's shifts, as gptqmodel has them
        wf = torch.tensor([[0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 0], [0, 1, 4, 7, 10, 13, 16, 19, 22, 25, 28, 31],
                           [0, 2, 5, 8, 11, 14, 17, 20, 23, 26, 29, 0]], dtype=torch.int32).reshape(1, 3, 12)
    else:
        wf = torch.arange(0, 32, bits, dtype=torch.int32).unsqueeze(0)
    layer.wf_unsqueeze_zero, layer.wf_unsqueeze_neg_one = wf.unsqueeze(0), wf.unsqueeze(-1)
    layer._dequantize_from_codes = lambda *a, **k: unpack["_dequantize_from_codes"](layer, *a, **k)
    out[name + ".wanted"] = unpack["dequantize_weight"](layer).T.float().contiguous()
    assert torch.equal(out[name + ".wanted"], ((codes - zeros[index]) * scales.float()[index]).T)


OUT_OF = {2: 48, 3: 64, 4: OUT, 8: OUT}


def packed(out, name, bits, zeros):
    arguments = QuantizationArgs(num_bits=bits, type="int", symmetric=not zeros, strategy="group", group_size=GROUP)
    scheme = QuantizationScheme(targets=["Linear"], weights=arguments)
    scale = (torch.rand(OUT, IN // GROUP) * 0.1 + 0.01).bfloat16()
    state = {"weight": torch.randn(OUT, IN).bfloat16(), "weight_scale": scale}
    if zeros:
        state["weight_zero_point"] = torch.randint(-2**(bits - 1), 2**(bits - 1), scale.shape).to(torch.int8)
    made = PackedQuantizationCompressor.compress(state, scheme)
    out |= {f"{name}.{key}": v.contiguous() for key, v in made.items()}
    made["weight_scale"] = made["weight_scale"].float()
    out[name + ".wanted"] = PackedQuantizationCompressor.decompress(made, scheme)["weight"].float()


def main():
    torch.manual_seed(1)
    out = {}
    unpack = gptq_unpacker(pathlib.Path(os.environ["GPTQMODEL"]))
    gptq(unpack, out, "gptq4", 4, False)
    gptq(unpack, out, "gptq4_order", 4, False, order=True)
    gptq(unpack, out, "gptq3", 3, False)
    gptq(unpack, out, "gptq8", 8, False)
    gptq(unpack, out, "gptq2_v2", 2, True, symmetric=True)

    awq = module(pathlib.Path(os.environ["AUTOAWQ"]) / "awq/utils/packing_utils.py")
    random = lambda *shape: torch.randint(-2**31, 2**31, shape).to(torch.int32)
    words, zeros, scales = random(IN, OUT // 8), random(IN // GROUP, OUT // 8), torch.rand(IN // GROUP, OUT).half()
    out |= {"awq.qweight": words, "awq.qzeros": zeros, "awq.scales": scales,
            "awq.wanted": awq.dequantize_gemm(words, zeros, scales.float(), 4, GROUP).T.contiguous()}

    packed(out, "packed4", 4, False)
    packed(out, "packed4_zeros", 4, True)
    packed(out, "packed3", 3, False)

    q, scale = torch.randint(-128, 128, (OUT, IN)).to(torch.int8), (torch.rand(OUT, 1) + 0.01).bfloat16()
    rows = QuantizationArgs(num_bits=8, type="int", symmetric=True, strategy="channel")
    out |= {"bytes.weight": q, "bytes.weight_scale": scale, "bytes.wanted": dequantize(q, scale.float(), args=rows).float()}
    codes = torch.arange(OUT * IN).remainder(256).to(torch.uint8)
    codes[codes & 127 == 127] = 0  # no number
    f, one = codes.view(torch.float8_e4m3fn).reshape(OUT, IN), torch.tensor([0.37]).bfloat16()
    whole = QuantizationArgs(num_bits=8, type="float", symmetric=True, strategy="tensor")
    out |= {"fp8.weight": f, "fp8.weight_scale": one, "fp8.wanted": dequantize(f, one.float(), args=whole).float()}
    largest = torch.rand(OUT) + 0.01
    out |= {"scb.weight": q.clone(), "scb.SCB": largest, "scb.weight_format": torch.zeros((), dtype=torch.uint8),
            "scb.wanted": q.float() * (largest / 127)[:, None]}
    save_file({k: v.contiguous() for k, v in out.items()}, sys.argv[1])


if __name__ == "__main__":
    main()
