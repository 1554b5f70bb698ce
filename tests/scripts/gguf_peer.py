#!/usr/bin/env python3
"""gguf_peer.py FAUNA GOLDEN [ONLY...]: GGUF files that tools/fauna convert writes, of the small models in GOLDEN that transformers
made, load in llama.cpp (PyPI: llama-cpp-python), which gives transformers' logits from them; and PyPI's gguf reads each of their
tensors. ONLY: names of models. Left out, with exit 77, where a package is missing.
"""
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

try:
    import gguf
    import llama_cpp
    import numpy
except ImportError as missing:
    print(f"left out: there is no Python package {missing.name} here (pip install llama-cpp-python gguf)")
    sys.exit(77)

fauna, golden, *only = sys.argv[1:]
# How far llama.cpp's logits may be: its sums are in another order, its GELU is a table of halves, and beside weights in BF16 it has
# activations in BF16; the norms inside FalconMamba's mixers have the layers' epsilon there.
BOUND, OF_EPSILON, OF_GELU, OF_BF16 = 1e-5, 1e-4, 1e-2, 1e-1
BOUNDS = {"falcon": OF_GELU, "falcon_grouped": OF_GELU, "gemma": OF_GELU, "gpt2": OF_GELU, "gpt_neox": OF_GELU, "phi": OF_GELU, "bloom": OF_GELU, "mpt": OF_GELU,
          "falcon_mamba": OF_EPSILON, "llama_bf16": OF_BF16}
# Models with what llama.cpp does not read or wants to be as in the published ones.
OTHERWISE = {"mistral": "windows", "starcoder2": "windows", "exaone4": "windows, in other than 64 layers", "smollm3": "which layers have no positions", "cohere2": "which layers have windows",
             "phi3": "frequencies of LongRoPE", "deepseek_v2": "queries without latents, in other than 27 layers",
             "olmoe": "norms of fewer heads of keys than of queries"}
# What the keys of an architecture cannot say of a model, as these have it; logits are compared with those of tools/fauna then.
# llama.cpp rounds where YaRN stretches, which gpt-oss does not.
CHANGES = {"gpt_oss": {"swiglu_limit": 7.0, "rope_parameters": [{"rope_type": "default", "rope_theta": 500.0}]}, "lfm2": {"conv_bias": False}, "deepseek_v3": {"rope_parameters": {"mscale": 0.8}}}


def tensors(path):
    """The arrays of a safetensors file in F32 and I32."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    kinds = {"F32": numpy.float32, "I32": numpy.int32}
    return {name: numpy.frombuffer(data[t["data_offsets"][0]:t["data_offsets"][1]], kinds[t["dtype"]]).reshape(t["shape"])
            for name, t in header.items() if name != "__metadata__" and t["dtype"] in kinds}


def copy_without_biases(source, target):
    """A safetensors file but for the biases of convolutions and of what is around them."""
    with open(source, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    kept, parts, at = {}, [], 0
    for name, t in header.items():
        if name == "__metadata__" or ".conv." in name and name.endswith(".bias"):
            continue
        begin, end = t["data_offsets"]
        kept[name] = {**t, "data_offsets": [at, at + end - begin]}
        parts.append(data[begin:end])
        at += end - begin
    text = json.dumps(kept).encode()
    target.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))


def logits_of(path, tokens, vocab, config):
    """llama.cpp's, of one text. It reads YaRN's betas in the files of few architectures only."""
    rotary = config.get("rope_parameters") or {}
    model = llama_cpp.Llama(path, n_ctx=64, logits_all=True, verbose=False, n_threads=1, n_gpu_layers=0,
                            type_k=0, type_v=0,  # keys and values in f32
                            yarn_attn_factor=-1, yarn_beta_fast=rotary.get("beta_fast", -1), yarn_beta_slow=rotary.get("beta_slow", -1))
    model.eval([int(t) for t in tokens])
    return numpy.array(model.scores[:len(tokens), :vocab])


def check(name, work):
    """The line that is said of a model, and whether all is well."""
    source = pathlib.Path(golden) / name
    folder = pathlib.Path(work) / name
    folder.mkdir()
    config = json.loads((source / "config.json").read_text())
    for field, values in CHANGES.get(name, {}).items():
        if isinstance(values, dict):
            config[field].update(values)
        else:
            config[field] = values[0] if isinstance(values, list) else values
    (folder / "config.json").write_text(json.dumps(config))
    for file in source.glob("model*.safetensors*"):
        if name == "lfm2":
            copy_without_biases(file, folder / file.name)
        else:
            (folder / file.name).symlink_to(file.resolve())
    path = str(folder) + ".gguf"
    run = subprocess.run([fauna, "convert", str(folder), path], capture_output=True, text=True, check=False)
    if run.returncode:
        refused = "a family that GGUF is written of", "the format's keys have no word for"
        return "no GGUF, which is said", any(why in run.stderr for why in refused)
    for t in gguf.GGUFReader(path).tensors:
        if not numpy.isfinite(gguf.dequantize(t.data, t.tensor_type)).all():
            return f"{t.name} is not finite", False
    golden_tensors = tensors(source / "golden.safetensors")
    ids, want = golden_tensors["tokens"][0], golden_tensors["logits"][0]
    if name in CHANGES:
        subprocess.run([fauna, "logits", str(folder), "--tokens", ",".join(map(str, ids)), "--out", path + ".npy"], check=True, capture_output=True)
        want = numpy.load(path + ".npy")
    try:
        is_ = logits_of(path, ids, want.shape[-1], config)
    except ValueError as error:
        return f"llama.cpp: {error}", False
    furthest = float(numpy.abs(is_ - want).max())
    return f"logits within {furthest:.1e}", furthest < BOUNDS.get(name, BOUND)


bad, said = [], 0
with tempfile.TemporaryDirectory() as temporary:
    for model in sorted(os.listdir(golden)):
        if only and model not in only or not (pathlib.Path(golden) / model / "golden.safetensors").exists():
            continue
        if model in OTHERWISE:
            print(f"{model:20} left out: {OTHERWISE[model]}")
            continue
        line, good = check(model, temporary)
        print(f"{model:20} {line}", flush=True)
        said += "logits" in line
        bad += [] if good else [model]
if not said:
    sys.exit("no model was compared")
print(f"{said} models compared, {len(bad)} differ{': ' + ', '.join(bad) if bad else ''}")
sys.exit(1 if bad else 0)
