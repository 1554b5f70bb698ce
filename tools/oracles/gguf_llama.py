#!/usr/bin/env python3
"""A tiny Llama as a model directory, and what the reference library makes of it in GGUF, for tests/tools/test_convert.cpp.

    python tools/oracles/gguf_llama.py tests/golden/gguf_llama

Needs the PyPI packages gguf, numpy and safetensors. Names of tensors are those of the library's own map; queries and keys
are permuted as llama.cpp's converter does it; each type's blocks are those that the library quantises.
"""
import json
import pathlib
import sys

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import LlamaFileType as File
from safetensors.numpy import load_file, save_file

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
random = np.random.default_rng(11)
layers, heads, kv_heads, head_size, width, hidden, context = 2, 2, 1, 16, 32, 32, 64
letters = ["a", "b", "c", "d", "1", "2", "\u0120"]  # a space, in the alphabet of bytes
merged = [["a", "b"], ["c", "d"], ["ab", "cd"], ["\u0120", "ab"]]
words = ["<|start|>", "<|end|>"] + letters + ["".join(m) for m in merged] + ["<think>"]
vocab = len(words) + 2  # rows beyond the tokenizer's
template = "{% for m in messages %}<|start|>{{ m['content'] }}<|end|>{% endfor %}"


def numbers(*shape):
    return (random.standard_normal(shape) * 0.3).astype(np.float32)


tensors = {"model.embed_tokens.weight": numbers(vocab, width), "model.norm.weight": 1 + numbers(width),
           "lm_head.weight": numbers(vocab, width)}
for i in range(layers):
    block = f"model.layers.{i}."
    for name, shape in {"self_attn.q_proj": (heads * head_size, width), "self_attn.k_proj": (kv_heads * head_size, width),
                        "self_attn.v_proj": (kv_heads * head_size, width), "self_attn.o_proj": (width, heads * head_size),
                        "mlp.gate_proj": (hidden, width), "mlp.up_proj": (hidden, width),
                        "mlp.down_proj": (width, hidden)}.items():
        tensors[block + name + ".weight"] = numbers(*shape)
        if name.startswith("self_attn"):
            tensors[block + name + ".bias"] = numbers(shape[0])
    for name in ("input_layernorm", "post_attention_layernorm"):
        tensors[block + name + ".weight"] = 1 + numbers(width)
save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def write(name, value):
    (folder / name).write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


write("config.json", {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "num_hidden_layers": layers,
                      "num_attention_heads": heads, "num_key_value_heads": kv_heads, "head_dim": head_size,
                      "hidden_size": width, "intermediate_size": hidden, "max_position_embeddings": context,
                      "vocab_size": vocab, "rope_theta": 500000.0, "rms_norm_eps": 1e-6, "attention_bias": True,
                      "tie_word_embeddings": False, "bos_token_id": 0, "eos_token_id": 1})
write("generation_config.json", {"eos_token_id": [1, 13]})
special = [0, 1]
write("tokenizer.json", {
    "version": "1.0", "truncation": None, "padding": None,
    "added_tokens": [{"id": i, "content": words[i], "single_word": False, "lstrip": False, "rstrip": False,
                      "normalized": False, "special": i in special} for i in special + [13]],
    "normalizer": None,
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {"type": "Digits", "individual_digits": True},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]},
    "post_processor": None, "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "vocab": {w: i for i, w in enumerate(words[:13])}, "merges": merged}})
write("tokenizer_config.json", {"bos_token": "<|start|>", "eos_token": {"content": "<|end|>"}, "chat_template": template})

names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, layers)
tensors = load_file(folder / "model.safetensors")


def permuted(x, n):
    return x.reshape(n, 2, x.shape[0] // n // 2, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)


for kind in (Type.F16, Type.BF16, Type.Q8_0, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1):
    w = gguf.GGUFWriter(folder / f"{kind.name}.gguf", "llama")
    w.add_block_count(layers)
    w.add_context_length(context)
    w.add_embedding_length(width)
    w.add_feed_forward_length(hidden)
    w.add_head_count(heads)
    w.add_head_count_kv(kv_heads)
    w.add_key_length(head_size)
    w.add_value_length(head_size)
    w.add_layer_norm_rms_eps(1e-6)
    w.add_vocab_size(vocab)
    w.add_rope_dimension_count(head_size)
    w.add_rope_freq_base(500000.0)
    plain = kind in (Type.F16, Type.BF16)
    w.add_file_type(File["MOSTLY_" + kind.name])
    if not plain:
        w.add_quantization_version(gguf.GGML_QUANT_VERSION)
    T = gguf.TokenType
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("smollm")
    w.add_token_list(words + [f"[PAD{i}]" for i in range(len(words), vocab)])
    w.add_token_types([T.CONTROL if i in special else T.USER_DEFINED if i == 13 else T.NORMAL if i < 13 else T.UNUSED
                       for i in range(vocab)])
    w.add_token_merges([" ".join(m) for m in merged])
    w.add_add_bos_token(False)
    w.add_add_eos_token(False)
    w.add_bos_token_id(0)
    w.add_eos_token_id(1)
    w.add_eot_token_id(13)
    w.add_chat_template(template)
    for name in sorted(tensors):
        x = tensors[name]
        if ".q_proj." in name:
            x = permuted(x, heads)
        if ".k_proj." in name:
            x = permuted(x, kv_heads)
        own = Type.F32 if x.ndim == 1 else Type.Q8_0 if not plain and name == "lm_head.weight" else kind
        w.add_tensor(names.get_name(name, try_suffixes=(".weight", ".bias")),
                     gguf.quantize(np.ascontiguousarray(x), own), raw_dtype=own)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
for path in folder.iterdir():
    path.chmod(0o644)
