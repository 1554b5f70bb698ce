#!/usr/bin/env python3
"""tool_configs.py FAUNA WORK MODELS: what tools/fauna's program FAUNA makes of a config.json, field by field, and of
directories that are no models. MODELS has directories of every family. Nothing is compiled.
"""
import json
import pathlib
import shutil
import sys

from fauna_tool import Tool

work, models = pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
tool = Tool(sys.argv[1], work)
failed = 0


def expect(what, words, status, *arguments):
    global failed
    got, said = tool.all_said(*arguments)
    missing = [w for w in words if w not in said]
    if missing or (got == 0) != (status == 0):
        print(f"{what}: ends with {got} and says '{said}', not {missing or 'a failure'}")
        failed += 1


def config(family, change):
    fields = json.loads((models / family / "config.json").read_text())
    fields.update({k: v for k, v in change.items() if v is not ...})
    return {k: v for k, v in fields.items() if change.get(k) is not ...}


def write(text):
    (work / "one").mkdir(exist_ok=True)
    (work / "one/config.json").write_text(text)


def refused(family, change, words):
    """The error names the field and its value, and says `words`. `...` removes a field."""
    write(json.dumps(config(family, change)))
    expect(f"{family} with {change}", words if isinstance(words, tuple) else (words,), 1, "type", work / "one")


def taken(family, change, *words):
    write(json.dumps(config(family, change)))
    expect(f"{family} with {change}", words, 0, "type", work / "one")


def unknown(family):
    """A field that nobody knows is an error that says how to go on, and then a note; in generation_config.json too."""
    words = ("to_be_invented = 1, expected no such field", "--ignore-unknown-config passes over it")
    refused(family, {"to_be_invented": 1}, words)
    expect("an unknown field, ignored", ["to_be_invented = 1 is ignored", "fauna::"], 0, "type", work / "one", "--ignore-unknown-config")
    write(json.dumps(config(family, {"quantization_config": {"bits": 4}})))
    expect("a known one, not ignored", ["quantization_config = "], 1, "type", work / "one", "--ignore-unknown-config")
    write(json.dumps(config(family, {})))
    generation = work / "one/generation_config.json"
    for fields, wanted, status, flags in (({"eos_token_id": [-1], "do_sample": True, "top_p": 0.9}, ["fauna::"], 0, []),
                                          ({"to_be_invented": 1}, words, 1, []),
                                          ({"to_be_invented": 1}, ["fauna::"], 0, ["--ignore-unknown-config"])):
        generation.write_text(json.dumps(fields))
        expect(f"generation_config.json with {fields}", wanted, status, "type", work / "one", *flags)
    generation.unlink()


def rope(**fields):
    return {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0} | fields}


OLD = {"rope_parameters": ..., "rope_theta": 500000.0}
LLAMA3 = {"factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}


def any_family():
    refused("llama_untied", {"model_type": "t5"}, 'model_type = "t5", expected one of bloom, cohere2, ')
    refused("llama_untied", {"model_type": ...}, "model_type = nothing, expected one of bloom, cohere2, ")
    refused("llama_untied", {"architectures": ["LlamaForSequenceClassification"]},
            ("architectures = ", 'expected ["LlamaForCausalLM"]'))
    for family, width in (("llama_untied", "hidden_size"), ("gpt_neox", "hidden_size"), ("gpt2", "n_embd")):
        for value in ("24", -24, 0, 1.5, 10**10, True):
            refused(family, {width: value}, f"{width} = {json.dumps(value)}, expected a whole number")
        refused(family, {width: ...}, f"{width} = nothing, expected a whole number")
        refused(family, {"num_experts": 8}, ("num_experts = 8, expected no such field", "not implemented"))
        refused(family, {"sliding_window": 4096}, "sliding_window = 4096, expected null")
        refused(family, {"sliding_window": 4096, "use_sliding_window": True}, "sliding_window = 4096, expected null")
        taken(family, {"sliding_window": 4096, "use_sliding_window": False, "max_window_layers": 1}, "fauna::")
        refused(family, {"layer_types": ["full_attention", "sliding_attention"]}, ("layer_types = [", "expected full_attention throughout"))
        refused(family, {"layer_types": "full_attention_too"}, "expected full_attention throughout")
        refused(family, {"pruned_heads": {"0": [1]}}, ('pruned_heads = {"0":[1]}, expected {}'))
        for harmless in ({"layer_types": ["full_attention", "full_attention"]}, {"pruned_heads": {}, "torchscript": False},
                         {"auto_map": {"AutoModel": "x.X"}}, {"_attn_implementation_autoset": True, "_attn_implementation": "sdpa"},
                         {"unsloth_version": "2026.8.1", "unsloth_fixed": True, "axolotl_version": "1"}, {"tokenizer_class": "X"},
                         {"do_sample": True, "temperature": 0.7, "top_k": 50, "max_length": 20}, {"eos_token_id": -1},
                         {"gradient_checkpointing": False, "use_bfloat16": False, "output_past": True}):
            taken(family, harmless, "fauna::")
        unknown(family)
        refused(family, {"quantization_config": {"bits": 4}}, 'quantization_config = {"bits":4}, expected quant_method mxfp4, fp8, gptq')
        for wrong, text in (({"quant_method": "awq", "bits": 4, "version": "gemv"}, 'version = "gemv", expected "gemm"'),
                            ({"quant_method": "gptq", "checkpoint_format": "marlin"}, 'checkpoint_format = "marlin", expected gptq'),
                            ({"quant_method": "gptq", "checkpoint_format": "gptq_v2", "sym": False}, "sym = false, expected true"),
                            ({"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized"}, "expected pack-quantized")):
            refused(family, {"quantization_config": wrong}, text)
        for right in ({"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": True, "sym": False},
                      {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True, "version": "gemm"},
                      {"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": {}, "ignore": ["lm_head"]},
                      {"quant_method": "bitsandbytes", "load_in_8bit": True, "llm_int8_threshold": 6.0},
                      {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}):
            taken(family, {"quantization_config": right}, "fauna::")
        refused(family, {"quantization_config": {"quant_method": "fp8", "weight_block_size": [64, 64]}}, "weight_block_size = [64,64], expected [128,128]")
        taken(family, {"quantization_config": {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}}, "fauna::")
        refused(family, {"is_encoder_decoder": True}, "is_encoder_decoder = true, expected false")
        refused(family, {"eos_token_id": "x"}, 'eos_token_id = "x", expected a token id or a list')
        refused(family, {"tie_word_embeddings": 1}, "tie_word_embeddings = 1, expected true")
        taken(family, {"sliding_window": None, "torch_dtype": "bfloat16", "eos_token_id": [1, 2]}, "fauna::")
    write('{"model_type": "llama", "model_type": "gpt2"}')
    expect("a field twice", ['has "model_type" twice'], 1, "type", work / "one")
    write("[1]")
    expect("a list", ["config.json is no object"], 1, "type", work / "one")
    write('{"model_type": ')
    expect("half a file", ["config.json is no JSON"], 1, "type", work / "one")


def llama():
    f = "llama_untied"
    taken(f, {}, "fauna::Llama<fauna::LlamaConfig{.layers = 2, .heads = 4, .kv_heads = 2, .head_size = 6, .width = 24, "
          ".hidden = 40, .context = 32, .vocab = 29}>")
    taken(f, {"num_key_value_heads": None, "head_dim": ...}, ".kv_heads = 4, .head_size = 6,")
    taken(f, {"mlp_bias": True, "attention_bias": True}, ".attention_bias = true, .mlp_bias = true")
    taken(f, {"hidden_act": "gelu_new", "tie_word_embeddings": True}, ".tied = true", "activation::gelu_tanh")
    taken(f, OLD | {"rope_scaling": None, "rms_norm_eps": 1e-6}, ".vocab = 29, .base = 500000.0, .epsilon = 1e-06F}>")
    taken(f, OLD | {"rope_scaling": {"type": "linear", "factor": 2}}, ".base = 500000.0, .scaling = {.kind", "::linear, .factor = 2.0, .original = 8192}}>")
    wanted = "::llama3, .factor = 32.0, .original = 8192}"
    taken(f, OLD | {"rope_scaling": {"rope_type": "llama3"} | LLAMA3}, ".base = 500000.0, .scaling", wanted)
    taken(f, rope(rope_type="llama3", **LLAMA3 | {"low_freq_factor": 2}), ".vocab = 29, .scaling", ".factor = 32.0, .low = 2.0, .orig")
    taken(f, rope(rope_type="yarn", factor=4.0, beta_fast=16), ".kind = fauna::rope_scaling::yarn, .factor = 4.0, .high = 16.0, .original = 32}")
    for kind in ("dynamic", "longrope", "ntk"):
        refused(f, rope(rope_type=kind, factor=4.0), f'rope_parameters.rope_type = "{kind}", expected one of default, linear, llama3')
        refused(f, OLD | {"rope_scaling": {"type": kind, "factor": 4.0}}, f'rope_scaling.type = "{kind}", expected one of')
    refused(f, rope(rope_type="linear"), "rope_parameters.factor = nothing, expected a number above 0")
    refused(f, rope(rope_type="linear", factor=2, beta_fast=32), "rope_parameters.beta_fast = 32, expected no such field")
    refused(f, rope(rope_type=5), "rope_parameters.rope_type = 5, expected a text")
    refused(f, rope(rope_theta="x"), 'rope_parameters.rope_theta = "x", expected a number')
    refused(f, rope(rope_theta=0), "rope_parameters.rope_theta = 0, expected a number above 0")
    refused(f, rope(rope_type="llama3", type="linear", **LLAMA3), 'rope_parameters.type = "linear", expected the same')
    refused(f, rope(rope_type="llama3", **LLAMA3 | {"original_max_position_embeddings": 81.5}),
            "original_max_position_embeddings = 81.5, expected a whole number")
    refused(f, rope(partial_rotary_factor=0.5), "a partial_rotary_factor of 1, the only one")
    refused(f, {"partial_rotary_factor": 0.5}, "partial_rotary_factor = 0.5, expected a partial_rotary_factor of 1")
    refused(f, {"rope_theta": 500000.0}, ("rope_theta = 10000.0, expected the 500000", "of rope_theta"))
    refused(f, {"rope_parameters": 7}, "rope_parameters = 7, expected an object")
    refused(f, {"rope_scaling": {"type": "linear", "factor": 2}}, ("rope_scaling = {", "expected nothing, beside rope_parameters"))
    refused(f, {"rope_interleaved": True}, "rope_interleaved = true, expected false")
    refused(f, {"hidden_act": "tanh"}, ('hidden_act = "tanh", expected one of gelu', "silu"))
    refused(f, {"attention_bias": "yes"}, 'attention_bias = "yes", expected true or false')
    refused(f, {"mlp_bias": 1}, "mlp_bias = 1, expected true or false")
    refused(f, {"num_key_value_heads": 3}, "num_key_value_heads = 3, expected a number that divides the 4 heads")
    refused(f, {"head_dim": 7}, "head_dim = 7, expected an even number")
    refused(f, {"num_attention_heads": 10, "head_dim": ...}, "num_attention_heads = 10, expected a number that divides the width of 24")
    taken(f, {"pretraining_tp": 2}, "fauna::")
    refused(f, {"rms_norm_eps": 0}, "rms_norm_eps = 0, expected a number above 0")
    refused(f, {"layer_types": ["sliding_attention"]}, 'layer_types = ["sliding_attention"], expected full_attention throughout')


def gpt_neox():
    f = "gpt_neox"
    taken(f, {}, "fauna::GptNeoX<fauna::GptNeoXConfig{.layers = 2, .heads = 2, .width = 24, .hidden = 40, .context = 32, "
          ".vocab = 29, .rotary = 4}>")
    wide = {"hidden_size": 64}
    taken(f, wide | {"rope_parameters": ..., "rotary_pct": 0.5, "rotary_emb_base": 77}, ".rotary = 16, .base = 77.0}>")
    taken(f, wide | {"rope_parameters": ...}, ".rotary = 8}>")
    taken(f, wide | rope(), ".rotary = 8}>")  # the family's own quarter
    taken(f, {"use_parallel_residual": False, "hidden_act": "gelu_fast"}, ".parallel = false", "gelu_tanh")
    for part in (0.01, 0.25, 2):
        refused(f, {"rope_parameters": ..., "rotary_pct": part}, (f"rotary_pct = {part}, expected a part of the 12 columns", "turn in pairs"))
    refused(f, rope(rope_type="linear", factor=2), ("rope_parameters = {", "rope_type default, the only one that is implemented for gpt_neox"))
    refused(f, {"attention_bias": False}, "attention_bias = false, expected true, the only value that is implemented")
    refused(f, {"num_attention_heads": 5}, "num_attention_heads = 5, expected a number that divides the width of 24")
    refused(f, {"layer_norm_eps": "1e-5"}, 'layer_norm_eps = "1e-5", expected a number')


def gpt2():
    f = "gpt2"
    taken(f, {"n_inner": 96}, "fauna::Gpt<fauna::GptConfig{.layers = 2, .heads = 3, .width = 24, .context = 32, .vocab = 29, "
          ".act = fauna::activation::gelu_tanh}>")
    taken(f, {"activation_function": "gelu"}, ".vocab = 29}>")
    for field, value, known in [("scale_attn_by_inverse_layer_idx", True, "false"), ("scale_attn_weights", False, "true"),
                                ("reorder_and_upcast_attn", True, "false"), ("tie_word_embeddings", False, "true"),
                                ("add_cross_attention", True, "false"), ("n_inner", 64, "96"), ("layer_norm_epsilon", 1e-6, "1e-05")]:
        refused(f, {field: value}, f"{field} = {json.dumps(value)}, expected {known}, the only value that is implemented")
    taken(f, {"resid_pdrop": 0.25, "embd_pdrop": 0.25, "attn_pdrop": None}, ".dropout = 0.25F,")
    taken(f, {"resid_pdrop": 0.25, "embd_pdrop": 0.1, "attn_pdrop": 0.25}, "gelu_tanh}>")  # inference has none
    refused(f, {"resid_pdrop": 1}, "resid_pdrop = 1, expected a number from 0 to below 1")
    refused(f, {"activation_function": "relu"}, 'activation_function = "relu", expected one of gelu, gelu_fast')
    refused(f, {"n_head": 5}, "n_head = 5, expected a number that divides the width of 24")


def training():
    """What changes nothing in inference can change training."""
    text = work / "text.txt"
    text.write_text("to be or not to be " * 50)
    for family, field, value, known in (("llama_untied", "attention_dropout", 0.1, "0"), ("gpt_neox", "hidden_dropout", 0.1, "0"),
                                        ("llama_untied", "initializer_range", 0.01, "0.02")):
        write(json.dumps(config(family, {field: value})))
        expect(f"training {family} with {field}", [f"{field} = {value}, expected {known}, the only value that is implemented"], 1,
               "train", "--model", work / "one", "--data", text)
        taken(family, {field: value}, "fauna::")
    write(json.dumps(config("gpt2", {"resid_pdrop": 0.25, "embd_pdrop": 0.1})))
    expect("training gpt2 with two dropouts", ["embd_pdrop = 0.1, expected the same as resid_pdrop"], 1, "train", "--model", work / "one",
           "--data", text)


def directories():
    """No config, no weights, half the shards: said before anything is compiled."""
    logits = ("--tokens", "1,2", "--out", work / "y.npy")
    (work / "empty").mkdir()
    expect("no config.json", ["empty has no config.json"], 1, "logits", work / "empty", *logits)
    expect("no directory", ["nowhere has no config.json"], 1, "logits", work / "nowhere", *logits)
    expect("type of an empty folder", ["empty has no config.json"], 1, "type", work / "empty")
    shutil.copy(models / "llama_untied/config.json", work / "empty")
    expect("no weights", ["empty has no weights", "model.safetensors.index.json"], 1, "logits", work / "empty", *logits)
    shutil.copytree(models / "llama_sharded", work / "shards")
    (work / "shards/model-00002-of-00003.safetensors").unlink()
    expect("a shard missing", ["the shard", "model-00002-of-00003.safetensors is missing"], 1, "logits", work / "shards", *logits)
    whole = (models / "llama_untied/model.safetensors").read_bytes()
    (work / "empty/model.safetensors").write_bytes(whole[: len(whole) // 2])
    expect("half a file", ["was it copied or downloaded in full?"], 1, "logits", work / "empty", *logits)
    expect("no tokens", ["no --tokens"], 1, "logits", models / "llama_untied", "--out", work / "y.npy")
    expect("no file to write", ["no --out"], 1, "logits", models / "llama_untied", "--tokens", "1")
    expect("no such dtype", ["--dtype f16, expected one of f32, bf16"], 1, "logits", models / "llama_untied", *logits, "--dtype", "f16")
    expect("no such flag", ["unknown flag --token: did you mean --tokens?"], 1, "logits", models / "llama_untied", "--token", "1")
    expect("no tokenizer", ["no tokenizer.json"], 1, "generate", models / "llama_untied")
    expect("no such text", ["there is no file none.txt"], 1, "perplexity", models / "llama_untied", "none.txt")


for part in (any_family, llama, gpt_neox, gpt2, training, directories):
    part()
sys.exit(failed > 0)
