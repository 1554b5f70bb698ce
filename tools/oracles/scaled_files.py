#!/usr/bin/env python3
"""Quantised tensors whose scales lie apart, beside what transformers and torch make of them:

    python tools/oracles/scaled_files.py tests/golden/scaled

mxfp4.safetensors: experts_blocks and experts_scales as in gpt-oss's files, and `experts`, what transformers dequantises
them to. fp8.safetensors: weight in E4M3 with weight_scale_inv, and `wanted`. gpt_oss/mxfp4.safetensors and
gpt_oss/bf16.safetensors: one model twice, its experts quantised and as transformers reads these.
"""
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import GptOssConfig, GptOssForCausalLM
from transformers.integrations.mxfp4 import convert_moe_packed_tensors


def blocks(experts, rows, columns, scales=(100, 150)):
    return (torch.randint(0, 256, (experts, rows, columns // 32, 16), dtype=torch.uint8),
            torch.randint(*scales, (experts, rows, columns // 32), dtype=torch.uint8))


def main():
    out = pathlib.Path(sys.argv[1])
    (out / "gpt_oss").mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    numbers, scales = blocks(2, 7, 96, (0, 252))
    wanted = convert_moe_packed_tensors(numbers, scales).transpose(1, 2).contiguous()
    save_file({"experts_blocks": numbers, "experts_scales": scales, "experts": wanted}, out / "mxfp4.safetensors")

    rows, columns = 130, 140  # four squares, three of them cut off
    codes = torch.arange(rows * columns).remainder(256).to(torch.uint8)
    codes[codes & 127 == 127] = 0  # no number
    weight = codes.view(torch.float8_e4m3fn).reshape(rows, columns)
    scale = torch.rand(2, 2) + 0.01
    spread = scale.repeat_interleave(128, 0)[:rows].repeat_interleave(128, 1)[:, :columns]
    save_file({"weight": weight, "weight_scale_inv": scale, "wanted": weight.float() * spread}, out / "fp8.safetensors")

    model = GptOssForCausalLM(GptOssConfig(vocab_size=5, hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
                                           num_key_value_heads=1, head_dim=4, num_local_experts=2, num_experts_per_tok=2, max_position_embeddings=16))
    plain = {name: torch.randn(p.shape).bfloat16() for name, p in model.named_parameters()}
    quantised = dict(plain)
    for part in ("gate_up_proj", "down_proj"):
        name = "model.layers.0.mlp.experts." + part
        numbers, scales = blocks(2, plain[name].shape[2], 32)
        del quantised[name]
        quantised |= {name + "_blocks": numbers, name + "_scales": scales}
        plain[name] = convert_moe_packed_tensors(numbers, scales).contiguous()
        assert plain[name].shape == model.get_parameter(name).shape
    save_file(plain, out / "gpt_oss/bf16.safetensors")
    save_file(quantised, out / "gpt_oss/mxfp4.safetensors")


if __name__ == "__main__":
    main()
