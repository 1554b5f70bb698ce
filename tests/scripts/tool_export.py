#!/usr/bin/env python3
"""tool_export.py FAUNA WORK MODELS: what `fauna export` writes has the logits of what it was made from, bit for bit: model
directories, in shards and in bf16, and a checkpoint, whose missing biases become zeros. Small models are compiled.
"""
import json
import pathlib
import shutil
import struct
import sys

from fauna_tool import Tool, read_tensors, write_tensors

work, models = pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
tool = Tool(sys.argv[1], work)


def succeeds(*words):
    status, said = tool.all_said(*words)
    assert status == 0, said
    return said


def logits(model):
    """A whole .npy file: shape and bits."""
    out = work / "logits.npy"
    out.unlink(missing_ok=True)
    succeeds("logits", model, "--tokens", "3,1,4,1,5,9,2,6", "--out", out)
    return out.read_bytes()


def exports(model):
    """The folder that a model is exported to, and what tensors it has: f32 throughout."""
    out = work / (model.name + "_exported")
    said = succeeds("export", model, out)
    assert f"wrote {out}: config.json, model.safetensors" in said, said
    metadata, tensors = read_tensors(out / "model.safetensors")
    assert metadata["format"] == "pt" and {t[0] for t in tensors.values()} == {"F32"}, (metadata, tensors.keys())
    return out, tensors


def same_logits(model):
    assert logits(work / (model.name + "_exported")) == logits(model), f"{model}: exported, it has other logits"


shutil.copytree(models / "gpt_neox", work / "neox")
for name in ("tokenizer.json", "generation_config.json"):
    (work / "neox" / name).write_text("{}")
out, tensors = exports(work / "neox")
assert tensors == read_tensors(models / "gpt_neox/model.safetensors")[1]
assert sorted(p.name for p in out.iterdir()) == ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json"]
tool.refused("to itself, expected a new folder", "export", out, out)

shutil.copytree(models / "llama_sharded", work / "shards")
exports(work / "shards")
same_logits(work / "shards")

# A model rounded to bf16 (towards zero), with two tensors that old files carry and no model needs.
half = work / "half"
shutil.copytree(models / "llama_untied", half)
(half / "config.json").write_text((half / "config.json").read_text().replace('"dtype": "float32"', '"torch_dtype": "bfloat16"'))
_, whole = read_tensors(half / "model.safetensors")
rounded = {n: ("BF16", shape, b"".join(v[i + 2 : i + 4] for i in range(0, len(v), 4))) for n, (_, shape, v) in whole.items()}
write_tensors(half / "model.safetensors", rounded | {"model.layers.0.self_attn.rotary_emb.inv_freq": ("F32", [1], bytes(4)),
                                             "optimizer.exp_avg.model.norm.weight": ("F32", [1], bytes(4))})
out, tensors = exports(half)
same_logits(half)
assert tensors.keys() == whole.keys()
config = json.loads((out / "config.json").read_text())
assert config["dtype"] == "float32" and "torch_dtype" not in config, config

# A mixture of experts out of a dense model: its logits, up to rounding, whatever its routers say. Weights stay as they are.
shutil.copytree(models / "llama_untied", work / "dense")
said = succeeds("upcycle", "dense", "sparse", "--experts", 4, "--top-k", 2)
assert "wrote sparse: mixtral of 2 layers with 4 experts each" in said, said
before, after = (struct.unpack(f"<{(len(b) - 128) // 4}f", b[128:]) for b in (logits(work / "dense"), logits(work / "sparse")))
assert len(before) > 100 and max(abs(a - b) for a, b in zip(before, after)) <= 1e-5 * max(map(abs, before))
_, copied = read_tensors(work / "sparse/model.safetensors")
experts = [copied[f"model.layers.1.block_sparse_moe.experts.{e}.w2.weight"] for e in range(4)]
assert experts == [read_tensors(models / "llama_untied/model.safetensors")[1]["model.layers.1.mlp.down_proj.weight"]] * 4
for wrong, words in ((("dense", "x", "--top-k", 1), "--top-k 1, expected 2 to"), (("dense", "dense"), "to itself"),
                     (("neox", "x"), "of model_type gpt_neox, expected one of llama, mistral, qwen3"),
                     (("sparse", "x"), "of model_type mixtral")):
    tool.refused(words, "upcycle", *wrong)

# A checkpoint: 30 characters, no biases.
text = "".join(chr(33 + i * i * 7 % 30) + chr(33 + i % 30) for i in range(2000))
(work / "text.txt").write_text(text)
succeeds("train", "--data", "text.txt", "--out-dir", "run", "--n-layer", 1, "--n-head", 2, "--n-embd", 16, "--block-size", 16,
         "--dropout", 0.1, "--max-iters", 20, "--batch-size", 4, "--learning-rate", 1e-2, "--eval-interval", 10, "--eval-iters", 2)
out, tensors = exports(work / "run")
same_logits(work / "run")
metadata, kept = read_tensors(work / "run/best.safetensors")
assert read_tensors(out / "model.safetensors")[0]["alphabet"] == metadata["fauna.alphabet"] == "".join(sorted(set(text)))
biases = {n.replace("weight", "bias"): (t[0], t[1][-1:], bytes(4 * t[1][-1])) for n, t in kept.items()
          if n.startswith("transformer.") and n.split(".")[1] in ("h", "ln_f")}
weights = {n: t for n, t in kept.items() if n.startswith("transformer.")}
assert len(biases) == 7 and tensors == weights | biases, tensors.keys() ^ (weights | biases).keys()
assert json.loads((out / "config.json").read_text()) == {
    "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "dtype": "float32", "n_layer": 1, "n_head": 2, "n_embd": 16,
    "n_positions": 16, "vocab_size": 30, "activation_function": "gelu", "layer_norm_epsilon": 1e-5, "tie_word_embeddings": True,
    "resid_pdrop": 0.1, "embd_pdrop": 0.1, "attn_pdrop": 0.1, "bos_token_id": None, "eos_token_id": None}
# Its characters are a tokenizer.json, which the reference's library reads alike (tools/oracles/reload.py).
vocab = json.loads((out / "tokenizer.json").read_text())["model"]["vocab"]
assert vocab == {c: i for i, c in enumerate(sorted(set(text)))}, vocab
assert succeeds("perplexity", out, "text.txt").splitlines()[-1].strip(), out
assert logits(work / "run/last.safetensors") != logits(work / "run")  # of other steps: these bits can differ

# A family that a config.json names: trained, gone on with, sampled from, and exported as the model that it is.
tiny = work / "tiny"
tiny.mkdir()
(tiny / "config.json").write_text(json.dumps({
    "model_type": "llama", "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "hidden_size": 16,
    "intermediate_size": 24, "max_position_embeddings": 16, "vocab_size": 999, "mlp_bias": True, "rope_theta": 500.5,
    "rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1.5, "high_freq_factor": 3,
                     "original_max_position_embeddings": 8}}))


def train(out, *words):
    return succeeds("train", "--data", "text.txt", "--out-dir", out, "--batch-size", 4, "--eval-interval", 10, "--eval-iters", 2, *words)


def trained(out):
    """Weights and moments, bit for bit."""
    return {n: t for n, t in read_tensors(work / out / "last.safetensors")[1].items() if not n.startswith("loss.")}


def goes_on(out):
    """25 updates, and 21 of them with 4 more after a resume, leave the same behind."""
    said = train(out, "--model", tiny, "--max-iters", 20)
    assert "30 different ones: the vocabulary" in said and "21 updates" in said, said
    assert "25 updates" in train(out, "--init-from", "resume", "--max-iters", 24)
    train("straight", "--model", tiny, "--max-iters", 24, "--overwrite")
    assert len(trained(out)) > 20 and trained(out) == trained("straight"), out


goes_on("llama")
for words, text_of_error in ((("--model", tiny), "no --model: llama/last.safetensors says which model it holds"),
                             (("--n-layer", 2), "--n-layer for llama/last.safetensors")):
    tool.refused(text_of_error, "train", "--data", "text.txt", "--out-dir", "llama", "--init-from", "resume", *words)
assert len(succeeds("sample", "llama", "--num-samples", 1, "--max-new-tokens", 7, "--start", text[0])) >= 8
exports(work / "llama")
same_logits(work / "llama")
(tiny / "config.json").write_text(json.dumps({
    "model_type": "gpt_neox", "num_hidden_layers": 1, "num_attention_heads": 1, "hidden_size": 22, "intermediate_size": 24,
    "max_position_embeddings": 16, "vocab_size": 999, "rotary_pct": 0.7273, "use_parallel_residual": False}))
goes_on("neox_run")
exports(work / "neox_run")
described = succeeds("type", work / "neox_run")
assert described == succeeds("type", work / "neox_run_exported") and ".rotary = 16, .parallel = false}" in described, described
described = succeeds("type", work / "llama")
assert described == succeeds("type", work / "llama_exported") and ".vocab = 30, .base = 500.5, .scaling = {" in described, described

damaged = bytearray((work / "run/last.safetensors").read_bytes())
damaged[-1] ^= 1
(work / "damaged.safetensors").write_bytes(damaged)
tool.refused("is damaged", "export", work / "damaged.safetensors", work / "none")
tool.refused("no checkpoint of fauna", "export", out / "model.safetensors", work / "none")
tool.refused("has no config.json", "export", work, work / "none")
assert not (work / "none").exists()
