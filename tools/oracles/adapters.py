#!/usr/bin/env python3
"""LoRA adapters as PyPI's peft has them. Needs torch, transformers, safetensors, numpy and peft.

    python tools/oracles/adapters.py make tests/golden/models tests/golden/adapters

makes random adapters on models that tools/oracles/families.py made. Each folder is an adapter (adapter_config.json,
adapter_model.safetensors) with golden.safetensors: logits, loss, and after "grad." the gradient under each of the adapter's
names, all on the tokens and targets of the model's own golden.safetensors; and base.txt, the model's folder.

    tools/fauna logits DIR --adapter ADAPTER --tokens 1,2,3 --out LOGITS.npy
    python tools/oracles/adapters.py check DIR ADAPTER LOGITS.npy --tokens 1,2,3

loads an adapter that tools/fauna wrote on the model that it was trained on: no tensor may be missing or left over, and no
logit may differ by more than 1e-4 of the largest: two libraries add f32 numbers in different orders.
"""
import argparse
import json
import pathlib
import sys
import warnings

import numpy
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch.nn import functional as F
from transformers import AutoModelForCausalLM

ADAPTERS = {
    "llama_tied": ("llama_tied", LoraConfig(r=3, lora_alpha=4.5, target_modules="all-linear")),
    "llama_bf16": ("llama_bf16", LoraConfig(r=2, lora_alpha=8, target_modules=["q_proj", "v_proj"])),
    "gpt2": ("gpt2", LoraConfig(r=2, lora_alpha=3, target_modules=["c_attn", "c_fc"], fan_in_fan_out=True)),
    "gpt_neox_rslora": ("gpt_neox", LoraConfig(r=4, lora_alpha=3, target_modules=["query_key_value"], use_rslora=True)),
    "llama_dora": ("llama_bf16", LoraConfig(r=2, lora_alpha=6, target_modules=["q_proj", "down_proj"], use_dora=True)),
    "gpt2_dora": ("gpt2", LoraConfig(r=2, lora_alpha=4, target_modules=["c_attn"], fan_in_fan_out=True, use_dora=True)),
    "llama_ends": ("llama_bf16", LoraConfig(r=2, lora_alpha=6, target_modules=["q_proj", "embed_tokens", "lm_head"])),
    "llama_whole": ("llama_bf16", LoraConfig(r=2, lora_alpha=6, target_modules=["v_proj"], modules_to_save=["embed_tokens", "lm_head"])),
}


def make(models, out):
    for number, (name, (base, config)) in enumerate(ADAPTERS.items()):
        torch.manual_seed(100 + number)
        config.task_type = "CAUSAL_LM"
        config.init_lora_weights = False
        model = get_peft_model(AutoModelForCausalLM.from_pretrained(models / base, dtype=torch.float32), config).eval()
        with torch.no_grad():
            for key, p in model.named_parameters():
                if p.requires_grad and "magnitude" in key:
                    p.mul_(1 + 0.3 * torch.randn_like(p))
                elif p.requires_grad and "modules_to_save" in key:
                    p.add_(torch.randn_like(p) * 0.1)
                elif p.requires_grad:
                    p.copy_(torch.randn_like(p) * (0.3 if "lora_A" in key else 0.2))
        folder = out / name
        model.save_pretrained(folder)
        (folder / "README.md").unlink(missing_ok=True)
        said = json.loads((folder / "adapter_config.json").read_text())
        said["base_model_name_or_path"] = base
        said["target_modules"] = sorted(said["target_modules"])
        (folder / "adapter_config.json").write_text(json.dumps(said, indent=2, sort_keys=True) + "\n")
        (folder / "base.txt").write_text(base + "\n")
        own = load_file(models / base / "golden.safetensors")
        logits = model(own["tokens"].long()).logits
        loss = F.cross_entropy(logits.flatten(0, 1), own["targets"].long().flatten(), ignore_index=-1)
        loss.backward()
        golden = {"logits": logits.detach().contiguous(), "loss": loss.detach()}
        golden |= {"grad." + key.replace("vector.default.weight", "vector").replace(".modules_to_save.default", "").replace(".default", ""): p.grad.contiguous() for key, p in model.named_parameters() if p.requires_grad}
        assert {k[5:] for k in golden if k.startswith("grad.")} == {k for k in load_file(folder / "adapter_model.safetensors") if ".base_layer." not in k}
        save_file(golden, folder / "golden.safetensors")
        print(name, float(loss.detach()))


def check(directory, adapter, logits, tokens):
    base = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    ids = torch.tensor([[int(t) for t in tokens.split(",")]])
    with torch.no_grad():
        plain = base(ids).logits[0]
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # peft warns of missing and unexpected keys
            model = PeftModel.from_pretrained(base, adapter).eval()
        want = model(ids).logits[0]
    got = numpy.load(logits)
    if got.shape != tuple(want.shape):
        sys.exit(f"adapters.py: logits {got.shape}, expected {tuple(want.shape)}")
    worst, largest = numpy.abs(got - want.numpy()).max(), want.abs().max().item()
    moved = (want - plain).abs().max().item()
    print(f"{adapter}: largest difference {worst:.2e} of {largest:.3g}, {worst / largest:.1e}; the adapter moves logits by up to {moved:.3g}")
    sys.exit(not worst <= 1e-4 * largest)


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
verbs = parser.add_subparsers(dest="verb", required=True)
maker = verbs.add_parser("make")
maker.add_argument("models", type=pathlib.Path)
maker.add_argument("out", type=pathlib.Path)
checker = verbs.add_parser("check")
for name in ("directory", "adapter", "logits"):
    checker.add_argument(name, type=pathlib.Path)
checker.add_argument("--tokens", required=True, help="ids with commas between them, as they were given to tools/fauna")
arguments = parser.parse_args()
if arguments.verb == "make":
    make(arguments.models, arguments.out)
else:
    check(arguments.directory, arguments.adapter, arguments.logits, arguments.tokens)
