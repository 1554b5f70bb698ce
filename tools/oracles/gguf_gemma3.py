#!/usr/bin/env python3
"""The tiny Gemma 3 of tests/golden/models/gemma3, as GGUF, for tests/models/test_gguf_gemma3.cpp
and tests/tools/test_convert.cpp:

    python tools/oracles/gguf_gemma3.py tests/golden

Needs the PyPI packages gguf, numpy and safetensors. Names of tensors are those of the library's own map; norms are written with 1
added, as llama.cpp's converter does it.
"""

import json
import pathlib
import sys

import gguf
import numpy as np
from safetensors.numpy import load_file

golden = pathlib.Path(sys.argv[1])
folder = golden / "models/gemma3"
config = json.loads((folder / "config.json").read_text())
names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.GEMMA3, config["num_hidden_layers"])
rope = config["rope_parameters"]
w = gguf.GGUFWriter(golden / "gguf_gemma3.gguf", "gemma3")
w.add_block_count(config["num_hidden_layers"])
w.add_context_length(config["max_position_embeddings"])
w.add_embedding_length(config["hidden_size"])
w.add_feed_forward_length(config["intermediate_size"])
w.add_head_count(config["num_attention_heads"])
w.add_head_count_kv(config["num_key_value_heads"])
w.add_key_length(config["head_dim"])
w.add_value_length(config["head_dim"])
w.add_layer_norm_rms_eps(config["rms_norm_eps"])
w.add_rope_freq_base(rope["full_attention"]["rope_theta"])
w.add_float32("gemma3.rope.freq_base_swa", rope["sliding_attention"]["rope_theta"])
w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
w.add_rope_scaling_factor(rope["full_attention"]["factor"])
w.add_sliding_window(config["sliding_window"])
w.add_uint32("gemma3.attention.sliding_window_pattern", 3)
w.add_float64("gemma3.attention.scale", config["query_pre_attn_scalar"] ** -0.5)
for name, x in load_file(folder / "model.safetensors").items():
    if name.endswith("norm.weight"):
        x = x + np.float32(1)
    w.add_tensor(names.get_name(name, try_suffixes=(".weight",)), x)
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()
