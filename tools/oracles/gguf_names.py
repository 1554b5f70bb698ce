#!/usr/bin/env python3
"""Holds what `fauna convert` writes against PyPI's gguf: names of tensors, keys, and that its reader takes the file.

    python tools/oracles/gguf_names.py tests/golden/models WORK

Writes a GGUF file of each family's golden directory to WORK, and checks of each: every tensor has the name that the
library's own map has for the hub's, every key is one that the library knows, every tensor of the directory is there.
"""
import json
import pathlib
import re
import subprocess
import sys

import gguf
from safetensors.numpy import load_file, save_file

root = pathlib.Path(__file__).resolve().parents[2]
golden, work = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
# What is changed in a config so that the keys can say it.
families = {"llama_tied": {}, "llama_untied": {}, "mistral": {"use_sliding_window": False}, "qwen2": {}, "qwen3": {},
            "smollm3": {"no_rope_layers": None}, "granite": {}, "olmo": {}, "olmo2": {}, "stablelm": {}, "starcoder2": {},
            "phi": {}, "phi3": {"rope_parameters": {"rope_type": "default", "rope_theta": 100.0,
                                                    "partial_rotary_factor": 0.75}}, "glm4": {},
            "cohere2": {"layer_types": None}, "gemma": {}, "gemma2": {"query_pre_attn_scalar": 6},
            "gemma3": {"layer_types": None, "query_pre_attn_scalar": 6, "rope_parameters": {
                "full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 1000.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}}, "gpt2": {},
            "gpt_neox": {}, "falcon": {}, "falcon_grouped": {}, "mixtral": {}, "olmoe": {}, "qwen3_moe": {},
            "qwen2_moe": {"mlp_only_layers": [], "num_hidden_layers": 2, "layer_types": None}}


def known_keys(owner):
    for name, value in vars(owner).items():
        if isinstance(value, type):
            yield from known_keys(value)
        elif isinstance(value, str) and not name.startswith("_"):
            yield value


keys = set(known_keys(gguf.Keys))
wrong = 0
for name, changes in families.items():
    folder, file = work / name, work / f"{name}.gguf"
    folder.mkdir(parents=True, exist_ok=True)
    config = json.loads((golden / name / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(config))
    hub = load_file(golden / name / "model.safetensors")
    if "mlp_only_layers" in changes:  # without the first layer, which alone has no experts
        hub = {re.sub(r"(?<=layers\.)\d+", lambda n: str(int(n[0]) - 1), t): x for t, x in hub.items() if ".layers.0." not in t}
    save_file(hub, folder / "model.safetensors", {"format": "pt"})
    subprocess.run([root / "tools/fauna", "convert", folder, file, "--type", "F32"], check=True, capture_output=True)
    reader = gguf.GGUFReader(file)
    architecture = reader.fields["general.architecture"].contents()
    arch = next(a for a, text in gguf.MODEL_ARCH_NAMES.items() if text == architecture)
    names = gguf.get_tensor_name_map(arch, 16)
    found = {t.name for t in reader.tensors}
    said = []
    for tensor in hub:
        expert = re.sub(r"\.experts\.\d+\.", ".experts.", tensor)
        want = names.get_name(expert, try_suffixes=(".weight", ".bias"))
        if tensor.endswith((".attn.bias", ".attn.masked_bias")) or (tensor == "lm_head.weight" and "output.weight" not in found):
            continue
        if want is None or want not in found:
            said.append(f"{tensor}: the library calls it {want}, the file does not have that")
    allowed = {a.replace("{arch}", architecture) for a in keys}
    said += [f"key {k}" for k in reader.fields if not k.startswith("GGUF.") and k not in allowed]
    print(f"{name}: {architecture}, {len(reader.tensors)} tensors, {len(reader.fields)} fields" + "".join("\n  " + s for s in said))
    wrong += len(said)
sys.exit(wrong > 0)
