#!/usr/bin/env python3
"""Model directories without safetensors, as torch.save writes their weights: the goldens of families.py in other files. Run it
with torch and safetensors at hand, and commit what it writes:

    python tools/oracles/torch_files.py tests/golden

torch/mamba2 is as mamba_ssm saves Mamba-2: its own config.json, its name for the token table, one pytorch_model.bin with the
tied head beside the table in one storage. torch/mamba has the names of transformers in two shards and their index.
"""

import collections
import json
import pathlib
import shutil
import sys

import torch
from safetensors.torch import load_file


def state_dict(tensors):
    """With what a module's own has beside its tensors."""
    state = collections.OrderedDict(tensors)
    state._metadata = collections.OrderedDict({"": {"version": 1}})
    return state


def main():
    golden = pathlib.Path(sys.argv[1])
    one, two = golden / "torch" / "mamba2", golden / "torch" / "mamba"
    for folder in (one, two):
        folder.mkdir(parents=True, exist_ok=True)

    tensors = load_file(golden / "mamba2" / "model.safetensors")
    tensors = {key.replace("embeddings", "embedding"): value for key, value in tensors.items()}
    tensors["lm_head.weight"] = tensors["backbone.embedding.weight"]
    torch.save(state_dict(tensors), one / "pytorch_model.bin")
    config = {"d_model": 24, "d_intermediate": 0, "n_layer": 2, "vocab_size": 27, "ssm_cfg": {"layer": "Mamba2", "d_state": 5, "headdim": 8},
              "attn_layer_idx": [], "attn_cfg": {}, "rms_norm": True, "residual_in_fp32": True, "fused_add_norm": True,
              "pad_vocab_size_multiple": 29, "tie_embeddings": True}
    (one / "config.json").write_text(json.dumps(config, indent=4))

    shutil.copy(golden / "models" / "mamba" / "config.json", two)
    tensors = load_file(golden / "models" / "mamba" / "model.safetensors")
    places = {key: f"pytorch_model-0000{1 + (i > len(tensors) // 2)}-of-00002.bin" for i, key in enumerate(sorted(tensors))}
    for file in set(places.values()):
        torch.save(state_dict({key: tensors[key] for key in tensors if places[key] == file}), two / file)
    size = sum(t.numel() * t.element_size() for t in tensors.values())
    (two / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {"total_size": size}, "weight_map": places}, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
