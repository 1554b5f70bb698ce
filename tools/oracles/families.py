#!/usr/bin/env python3
"""Tiny random models of the families that fauna reads, as PyPI's transformers has and saves them, with what it makes of
some tokens. Run it with torch, transformers and safetensors at hand, and commit what it writes:

    python tools/oracles/families.py tests/golden/models [FOLDER...]

Each folder is a model directory (config.json, model.safetensors or shards) with golden.safetensors: tokens [2, T],
targets [2, T] (-1: not counted), logits [2, T, V], loss, and under each tensor's name, with "grad." before it, the
gradient of the loss, unless it is zero whatever the weights. Where two names share a tensor, the gradient stands under the first. `tools/fauna type FOLDER
>FOLDER/type.txt` then makes it a test. What stands beside the folder has a test of its own.
"""
import json
import pathlib
import re
import sys

import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F
from transformers import (FalconMambaConfig, FalconMambaForCausalLM, GPT2Config, GPT2LMHeadModel, GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig, LlamaForCausalLM,
                          Mamba2Config, Mamba2ForCausalLM, MambaConfig, MambaForCausalLM, MixtralConfig, MixtralForCausalLM, OlmoeConfig, OlmoeForCausalLM, RwkvConfig,
                          RwkvForCausalLM)
from transformers import (Cohere2Config, Cohere2ForCausalLM, Exaone4Config, Exaone4ForCausalLM, Gemma2Config, Gemma2ForCausalLM,
                          Gemma3ForCausalLM, Gemma3TextConfig, GemmaConfig, GemmaForCausalLM, Glm4Config, Glm4ForCausalLM,
                          GraniteConfig, GraniteForCausalLM, MistralConfig, MistralForCausalLM, NemotronConfig, NemotronForCausalLM,
                          Olmo2Config, Olmo2ForCausalLM, OlmoConfig, OlmoForCausalLM, Phi3Config, Phi3ForCausalLM, PhiConfig,
                          PhiForCausalLM, DeepseekV2Config, DeepseekV2ForCausalLM, DeepseekV3Config, DeepseekV3ForCausalLM, Glm4MoeConfig, Glm4MoeForCausalLM, Qwen2MoeConfig, Qwen2MoeForCausalLM, Qwen3MoeConfig, Qwen3MoeForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM, SmolLM3Config,
                          SmolLM3ForCausalLM, StableLmConfig, StableLmForCausalLM, Starcoder2Config, Starcoder2ForCausalLM)
from transformers import (BloomConfig, BloomForCausalLM, FalconConfig, FalconForCausalLM, GPTJConfig, GPTJForCausalLM, MptConfig,
                          MptForCausalLM, OPTConfig, OPTForCausalLM)
from transformers import (GraniteMoeHybridConfig, GraniteMoeHybridForCausalLM, JambaConfig, JambaForCausalLM, Lfm2Config, Lfm2ForCausalLM, RecurrentGemmaConfig,
                          RecurrentGemmaForCausalLM)
from transformers import KimiLinearConfig, KimiLinearForCausalLM, Zamba2Config, Zamba2ForCausalLM
from transformers import FalconH1Config, FalconH1ForCausalLM, Qwen3NextConfig, Qwen3NextForCausalLM, Qwen3_5ForCausalLM, Qwen3_5MoeForCausalLM, Qwen3_5MoeTextConfig, Qwen3_5TextConfig
from transformers import GptOssConfig, GptOssForCausalLM, Llama4ForCausalLM, Llama4TextConfig, Olmo3Config, Olmo3ForCausalLM
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3DecoderLayer, DeepseekV3RMSNorm

LENGTH = 11
LLAMA = {"vocab_size": 29, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "max_position_embeddings": 32,
         "rms_norm_eps": 1e-5, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": None}
GPT2 = {"vocab_size": 29, "n_embd": 24, "n_layer": 2, "n_head": 3, "n_positions": 32, "resid_pdrop": 0.0, "embd_pdrop": 0.0,
        "attn_pdrop": 0.0, "bos_token_id": 1, "eos_token_id": 2}
NEOX = {"vocab_size": 29, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 2,
        "max_position_embeddings": 32, "bos_token_id": 1, "eos_token_id": 2}
RWKV = {"vocab_size": 29, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2}
MAMBA = {"vocab_size": 29, "hidden_size": 24, "num_hidden_layers": 2, "state_size": 5, "time_step_rank": 3, "bos_token_id": 1,
         "eos_token_id": 2}
MAMBA2 = {"vocab_size": 29, "hidden_size": 24, "num_hidden_layers": 2, "state_size": 5, "num_heads": 6, "head_dim": 8, "chunk_size": 4,
          "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}

DENSE = {"vocab_size": 29, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
         "num_key_value_heads": 2, "max_position_embeddings": 32, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": None}
SIZED = {**DENSE, "head_dim": 6}  # of heads that together are wider than the model

PLAIN = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": None}

EXPERTS = {**dict.fromkeys(("mixtral", "kimi_linear"), ("block_sparse_moe", "w1", "w3", "w2")), **dict.fromkeys(
    ("olmoe", "qwen2_moe", "qwen3_moe", "glm4_moe", "deepseek_v2", "deepseek_v3", "../deepseek_v3_further", "qwen3_next", "qwen3_5_moe"), ("mlp", "gate_proj", "up_proj", "down_proj")), "jamba": ("feed_forward", "gate_proj", "up_proj", "down_proj")}  # as the hub names them

# Of the random numbers; the others' are their places among the models.
SEEDS = {"gpt_oss": 44, "../deepseek_v3_further": 45, "olmo3": 46, "llama4_scout": 47, "llama4_maverick": 48}
SPREAD = {"zamba2": 0.15}  # of weights: five layers with twice as many products, whose rounding would be seen
CENTRED = ("qwen3_next", "qwen3_5", "qwen3_5_moe")  # norms times 1 + weight, but for those of linear attention


class FurtherLayer(DeepseekV3DecoderLayer):
    """A depth of multi-token prediction, after DeepSeek-AI 2024, "DeepSeek-V3", section 2.2, under the names of its files."""

    def __init__(self, config, index):
        super().__init__(config, index)
        self.enorm = DeepseekV3RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.hnorm = DeepseekV3RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.eh_proj = torch.nn.Linear(2 * config.hidden_size, config.hidden_size, bias=False)
        self.shared_head = torch.nn.ModuleDict({"norm": DeepseekV3RMSNorm(config.hidden_size, config.rms_norm_eps)})


class Predicting(DeepseekV3ForCausalLM):
    """DeepSeek-V3 with depths behind its layers, which the reference library passes over."""

    def __init__(self, config):
        super().__init__(config)
        for depth in range(config.num_nextn_predict_layers):
            self.model.layers.append(FurtherLayer(config, config.num_hidden_layers + depth))

    def further_loss(self, tokens, targets):
        """The mean of the depths' losses. targets[:, r] is the token behind row r, targets[:, r + k] the k-th behind that one."""
        hidden, total = self.model(tokens).last_hidden_state, 0
        rows = torch.arange(tokens.shape[1])
        mask = torch.where(rows[None, :] <= rows[:, None], 0.0, -torch.inf)[None, None]
        for k, layer in enumerate(self.model.layers[self.config.num_hidden_layers:], 1):
            known, wanted = torch.zeros_like(tokens), torch.full_like(targets, -1)
            known[:, :-k], wanted[:, :-k] = targets[:, k - 1:-1], targets[:, k:]
            wanted[known == -1] = -1
            known[known == -1] = 0
            both = torch.cat([layer.enorm(self.model.embed_tokens(known)), layer.hnorm(hidden)], -1)
            turns = self.model.rotary_emb(hidden, rows[None])
            hidden = layer(layer.eh_proj(both), attention_mask=mask, position_ids=rows[None], position_embeddings=turns)
            hidden = layer.shared_head["norm"](hidden)
            total += F.cross_entropy(self.lm_head(hidden).flatten(0, 1), wanted.flatten(), ignore_index=-1)
        return total / self.config.num_nextn_predict_layers


Predicting.__name__ = "DeepseekV3ForCausalLM"  # in config.json


def models():
    """Folder, model, dtype of the file, and the most bytes of a shard."""
    yield "llama_untied", LlamaForCausalLM(LlamaConfig(**LLAMA, num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=False)), torch.float32, None
    yield "llama_tied", LlamaForCausalLM(LlamaConfig(**LLAMA, num_attention_heads=3, num_key_value_heads=1, tie_word_embeddings=True, attention_bias=True, mlp_bias=True, rope_parameters={
        "rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16})), torch.float32, None
    yield "llama_bf16", LlamaForCausalLM(LlamaConfig(**LLAMA, num_attention_heads=4, num_key_value_heads=4, head_dim=8, tie_word_embeddings=False)), torch.bfloat16, None
    yield "gpt_neox", GPTNeoXForCausalLM(GPTNeoXConfig(**NEOX, rotary_pct=0.34)), torch.float32, None
    yield "gpt_neox_sequential", GPTNeoXForCausalLM(GPTNeoXConfig(**NEOX, rotary_pct=1.0, use_parallel_residual=False, hidden_act="gelu_fast")), torch.float32, None
    yield "gpt2", GPT2LMHeadModel(GPT2Config(**GPT2)), torch.float32, None
    yield "llama_sharded", LlamaForCausalLM(LlamaConfig(**LLAMA, num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=False)), torch.float32, "20KB"
    yield "mamba", MambaForCausalLM(MambaConfig(**MAMBA)), torch.float32, None
    yield "mixtral", MixtralForCausalLM(MixtralConfig(**LLAMA, num_attention_heads=4, num_key_value_heads=2, num_local_experts=5, num_experts_per_tok=2)), torch.float32, None
    yield "olmoe", OlmoeForCausalLM(OlmoeConfig(**LLAMA, num_attention_heads=4, num_key_value_heads=2, num_experts=6, num_experts_per_tok=3)), torch.float32, None
    yield "rwkv", RwkvForCausalLM(RwkvConfig(**RWKV)), torch.float32, None

    yield "../mamba2", Mamba2ForCausalLM(Mamba2Config(**MAMBA2, n_groups=1, tie_word_embeddings=True)), torch.float32, None
    yield "mamba2_groups", Mamba2ForCausalLM(Mamba2Config(**MAMBA2, n_groups=2, use_bias=True, use_conv_bias=False)), torch.float32, None
    yield "falcon_mamba", FalconMambaForCausalLM(FalconMambaConfig(**(MAMBA | {"state_size": 12, "time_step_rank": 12}), intermediate_size=48, tie_word_embeddings=False)), torch.float32, None
    # Windows of three rows, that a text of eleven passes three times over.
    yield "mistral", MistralForCausalLM(MistralConfig(**SIZED, sliding_window=3)), torch.float32, None
    yield "qwen2", Qwen2ForCausalLM(Qwen2Config(**{**DENSE, "num_attention_heads": 2, "num_key_value_heads": 1}, tie_word_embeddings=True, rope_parameters={
        "rope_type": "yarn", "rope_theta": 20.0, "factor": 4.0, "original_max_position_embeddings": 8, "beta_fast": 2.0, "beta_slow": 0.3})), torch.float32, None
    yield "qwen3", Qwen3ForCausalLM(Qwen3Config(**SIZED)), torch.float32, None
    yield "gemma", GemmaForCausalLM(GemmaConfig(**SIZED)), torch.float32, None
    yield "gemma2", Gemma2ForCausalLM(Gemma2Config(**SIZED, sliding_window=3, query_pre_attn_scalar=9, attn_logit_softcapping=1.5, final_logit_softcapping=6.0)), torch.float32, None
    yield "gemma3", Gemma3ForCausalLM(Gemma3TextConfig(**{**SIZED, "num_hidden_layers": 4}, sliding_window=3, query_pre_attn_scalar=9, layer_types=["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"],
        rope_parameters={"sliding_attention": {"rope_type": "default", "rope_theta": 50.0}, "full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 1000.0}})), torch.float32, None
    yield "phi3", Phi3ForCausalLM(Phi3Config(**{**DENSE, "num_attention_heads": 2, "num_key_value_heads": 1}, sliding_window=5, original_max_position_embeddings=8, rope_parameters={
        "rope_type": "longrope", "rope_theta": 100.0, "partial_rotary_factor": 0.75, "short_factor": [1.0, 1.1, 1.3], "long_factor": [1.05, 2.5, 3.75]})), torch.float32, None
    yield "phi", PhiForCausalLM(PhiConfig(**DENSE)), torch.float32, None
    yield "olmo", OlmoForCausalLM(OlmoConfig(**DENSE)), torch.float32, None
    yield "olmo2", Olmo2ForCausalLM(Olmo2Config(**DENSE)), torch.float32, None
    yield "smollm3", SmolLM3ForCausalLM(SmolLM3Config(**DENSE, no_rope_layers=[1, 0])), torch.float32, None
    yield "stablelm", StableLmForCausalLM(StableLmConfig(**DENSE, use_qkv_bias=True, partial_rotary_factor=0.5)), torch.float32, None
    yield "starcoder2", Starcoder2ForCausalLM(Starcoder2Config(**DENSE, sliding_window=4)), torch.float32, None
    yield "granite", GraniteForCausalLM(GraniteConfig(**DENSE, embedding_multiplier=3.0, attention_multiplier=0.3, residual_multiplier=0.4, logits_scaling=2.5)), torch.float32, None
    yield "cohere2", Cohere2ForCausalLM(Cohere2Config(**SIZED, sliding_window=3, logit_scale=0.4, layer_types=["sliding_attention", "full_attention"])), torch.float32, None
    yield "glm4", Glm4ForCausalLM(Glm4Config(**{**SIZED, "head_dim": 8})), torch.float32, None
    yield "exaone4", Exaone4ForCausalLM(Exaone4Config(**SIZED, sliding_window=3, layer_types=["sliding_attention", "full_attention"])), torch.float32, None
    yield "nemotron", NemotronForCausalLM(NemotronConfig(**SIZED, tie_word_embeddings=False, partial_rotary_factor=0.67)), torch.float32, None
    yield "qwen3_moe", Qwen3MoeForCausalLM(Qwen3MoeConfig(**SIZED, num_experts=6, num_experts_per_tok=3, moe_intermediate_size=12, norm_topk_prob=True)), torch.float32, None
    yield "qwen2_moe", Qwen2MoeForCausalLM(Qwen2MoeConfig(**{**DENSE, "num_hidden_layers": 3}, num_experts=6, num_experts_per_tok=2, moe_intermediate_size=12, shared_expert_intermediate_size=20, mlp_only_layers=[0])), torch.float32, None
    yield "glm4_moe", Glm4MoeForCausalLM(Glm4MoeConfig(**{**DENSE, "num_hidden_layers": 3, "head_dim": 8}, num_nextn_predict_layers=0, attention_bias=True, n_routed_experts=9, n_group=3, topk_group=2, num_experts_per_tok=5,
        moe_intermediate_size=12, n_shared_experts=2, routed_scaling_factor=1.7)), torch.float32, None
    mla = {**DENSE, "num_hidden_layers": 3, "num_key_value_heads": 4, "kv_lora_rank": 12, "qk_nope_head_dim": 6, "qk_rope_head_dim": 4, "v_head_dim": 5, "first_k_dense_replace": 1,
           "moe_intermediate_size": 12, "n_routed_experts": 6, "num_experts_per_tok": 3}
    yield "deepseek_v2", DeepseekV2ForCausalLM(DeepseekV2Config(**mla, q_lora_rank=None, n_shared_experts=2, topk_method="group_limited_greedy", n_group=3, topk_group=2, routed_scaling_factor=1.5)), torch.float32, None
    yield "deepseek_v3", DeepseekV3ForCausalLM(DeepseekV3Config(**mla, q_lora_rank=8, n_shared_experts=1, n_group=2, topk_group=1, num_nextn_predict_layers=0, rope_parameters={
        "rope_type": "yarn", "rope_theta": 500.0, "factor": 4.0, "beta_fast": 4.0, "beta_slow": 1.0, "original_max_position_embeddings": 8, "mscale": 1.0, "mscale_all_dim": 0.8})), torch.float32, None

    yield "gptj", GPTJForCausalLM(GPTJConfig(vocab_size=29, n_embd=16, n_layer=2, n_head=2, n_inner=24, n_positions=32, rotary_dim=4, tie_word_embeddings=False, **PLAIN)), torch.float32, None
    yield "opt", OPTForCausalLM(OPTConfig(vocab_size=29, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, ffn_dim=24, max_position_embeddings=32, word_embed_proj_dim=16, **PLAIN)), torch.float32, None
    # Six heads: the slopes of four, and two of eight.
    yield "bloom", BloomForCausalLM(BloomConfig(vocab_size=29, hidden_size=24, n_layer=2, n_head=6, **PLAIN)), torch.float32, None
    yield "mpt", MptForCausalLM(MptConfig(vocab_size=29, d_model=24, n_layers=2, n_heads=6, max_seq_len=32, attn_config={"clip_qkv": 1.5}, **PLAIN)), torch.float32, None
    yield "falcon", FalconForCausalLM(FalconConfig(vocab_size=29, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, ffn_hidden_size=28, max_position_embeddings=32, **PLAIN)), torch.float32, None
    yield "falcon_grouped", FalconForCausalLM(FalconConfig(vocab_size=29, hidden_size=24, num_hidden_layers=2, num_attention_heads=6, num_kv_heads=2, new_decoder_architecture=True, ffn_hidden_size=28, max_position_embeddings=32, **PLAIN)), torch.float32, None
    yield "falcon_alibi", FalconForCausalLM(FalconConfig(vocab_size=29, hidden_size=24, num_hidden_layers=2, num_attention_heads=6, alibi=True, bias=True, multi_query=False, parallel_attn=False, ffn_hidden_size=28, max_position_embeddings=32, **PLAIN)), torch.float32, None

    yield "jamba", JambaForCausalLM(JambaConfig(**{**DENSE, "num_hidden_layers": 5}, attn_layer_period=3, attn_layer_offset=1, expert_layer_period=2, expert_layer_offset=1, num_experts=4, num_experts_per_tok=2,
        mamba_d_state=4, mamba_dt_rank=4)), torch.float32, None
    granite = {**DENSE, "num_hidden_layers": 3, "layer_types": ["mamba", "attention", "mamba"], "embedding_multiplier": 3.0, "attention_multiplier": 0.3, "residual_multiplier": 0.4, "logits_scaling": 2.5,
               "shared_intermediate_size": 20, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 4, "mamba_chunk_size": 4}
    yield "granite_hybrid", GraniteMoeHybridForCausalLM(GraniteMoeHybridConfig(**granite, num_local_experts=4, num_experts_per_tok=2, mamba_n_groups=2)), torch.float32, None
    yield "granite_hybrid_dense", GraniteMoeHybridForCausalLM(GraniteMoeHybridConfig(**granite, num_local_experts=0, num_experts_per_tok=0, position_embedding_type="rope", attention_bias=True, mamba_proj_bias=True,
        tie_word_embeddings=True)), torch.float32, None
    yield "lfm2", Lfm2ForCausalLM(Lfm2Config(**{**DENSE, "num_hidden_layers": 4, "intermediate_size": 36}, block_multiple_of=4, conv_bias=True, full_attn_idxs=[1, 3])), torch.float32, None
    # A width whose root is no number of bfloat16.
    yield "recurrent_gemma", RecurrentGemmaForCausalLM(RecurrentGemmaConfig(**{**DENSE, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 5, "num_attention_heads": 2, "num_key_value_heads": 1},
        lru_width=32, attention_window_size=3, logits_soft_cap=6.0, attention_bias=True)), torch.float32, None
    h1 = {**DENSE, "mamba_d_ssm": 24, "mamba_n_heads": 4, "mamba_d_state": 4, "mamba_n_groups": 2, "mamba_chunk_size": 4, "tie_word_embeddings": False}
    yield "falcon_h1", FalconH1ForCausalLM(FalconH1Config(**h1, embedding_multiplier=1.7, lm_head_multiplier=0.8, key_multiplier=0.6, attention_in_multiplier=1.2, attention_out_multiplier=0.9, ssm_in_multiplier=1.25, ssm_out_multiplier=0.7,
        ssm_multipliers=[0.7, 1.3, 0.8, 1.5, 0.6], mlp_multipliers=[0.85, 0.6])), torch.float32, None
    yield "falcon_h1_normed", FalconH1ForCausalLM(FalconH1Config(**h1, mamba_rms_norm=True, mamba_norm_before_gate=False, attention_bias=True, mlp_bias=True, mamba_proj_bias=True, projectors_bias=True, key_multiplier=1.4, mlp_multipliers=[1.1, 0.9])), torch.float32, None
    # Two value heads for each of two key heads; a full layer between two others.
    delta = {"num_hidden_layers": 3, "full_attention_interval": 2, "head_dim": 8, "linear_num_value_heads": 4, "linear_num_key_heads": 2, "linear_key_head_dim": 4, "linear_value_head_dim": 8}
    yield "qwen3_next", Qwen3NextForCausalLM(Qwen3NextConfig(**DENSE | delta, num_experts=6, num_experts_per_tok=3, moe_intermediate_size=8, shared_expert_intermediate_size=12)), torch.float32, None
    yield "qwen3_5", Qwen3_5ForCausalLM(Qwen3_5TextConfig(**DENSE | delta | {"num_hidden_layers": 2}, tie_word_embeddings=True, rope_parameters={
        "rope_type": "default", "rope_theta": 50.0, "partial_rotary_factor": 0.5, "mrope_section": [1, 1, 0], "mrope_interleaved": True})), torch.float32, None
    yield "qwen3_5_moe", Qwen3_5MoeForCausalLM(Qwen3_5MoeTextConfig(**{k: v for k, v in DENSE.items() if k != "intermediate_size"} | delta | {"num_hidden_layers": 2}, num_experts=6, num_experts_per_tok=3, moe_intermediate_size=8, shared_expert_intermediate_size=12)), torch.float32, None

    yield "kimi_linear", KimiLinearForCausalLM(KimiLinearConfig(**DENSE | {"num_hidden_layers": 3, "num_key_value_heads": 4}, moe_intermediate_size=8, num_local_experts=6, num_experts_per_tok=3, n_group=2, topk_group=1, kv_lora_rank=12,
        qk_nope_head_dim=8, qk_rope_head_dim=4, v_head_dim=8, linear_head_dim=4, linear_num_heads=4, layer_types=["linear_attention", "full_attention", "linear_attention"])), torch.float32, None

    # A limit that a third of the numbers are beyond; YaRN whose bounds are no whole columns.
    yield "gpt_oss", GptOssForCausalLM(GptOssConfig(**{**SIZED, "num_hidden_layers": 3, "head_dim": 8, "intermediate_size": 12}, sliding_window=3, num_local_experts=4, num_experts_per_tok=3, swiglu_limit=0.8,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"], rope_parameters={"rope_type": "yarn", "rope_theta": 500.0, "factor": 4.0, "beta_fast": 2.0, "beta_slow": 0.3, "truncate": False,
        "original_max_position_embeddings": 8})), torch.float32, None

    yield "../deepseek_v3_further", Predicting(DeepseekV3Config(**{**mla, "num_hidden_layers": 2}, q_lora_rank=None, n_shared_experts=1, n_group=1, topk_group=1, num_nextn_predict_layers=2)), torch.float32, None

    yield "olmo3", Olmo3ForCausalLM(Olmo3Config(**DENSE, sliding_window=3, layer_types=["sliding_attention", "full_attention"], rope_parameters={"sliding_attention": {"rope_type": "default", "rope_theta": 50.0},
        "full_attention": {"rope_type": "yarn", "rope_theta": 50.0, "factor": 4.0, "original_max_position_embeddings": 8, "beta_fast": 2.0, "beta_slow": 0.3}})), torch.float32, None

    # Chunks of four rows; queries that grow after every five; experts in every layer, and in every other one.
    llama4 = {**SIZED, "num_hidden_layers": 4, "intermediate_size": 12, "intermediate_size_mlp": 20, "num_local_experts": 3, "no_rope_layer_interval": 2, "attention_chunk_size": 4, "floor_scale": 5, "attn_scale": 0.5}
    yield "llama4_scout", Llama4ForCausalLM(Llama4TextConfig(**{**llama4, "num_hidden_layers": 2}, rope_parameters={"rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 1.0,
        "original_max_position_embeddings": 16})), torch.float32, None
    yield "llama4_maverick", Llama4ForCausalLM(Llama4TextConfig(**{**llama4, "no_rope_layer_interval": 4, "num_experts_per_tok": 2}, interleave_moe_layer_step=2, use_qk_norm=False)), torch.float32, None

    # Two blocks that three layers share; no step is as short as the one that prefills do not go below.
    yield "zamba2", Zamba2ForCausalLM(Zamba2Config(**DENSE | {"num_hidden_layers": 5, "num_attention_heads": 2, "num_key_value_heads": 2}, layers_block_type=["mamba", "hybrid", "mamba", "hybrid", "hybrid"], num_mem_blocks=2, adapter_rank=4,
        use_shared_attention_adapter=True, use_mem_rope=True, mamba_d_state=4, mamba_ngroups=2, n_mamba_heads=4, chunk_size=4, time_step_min=1e-9)), torch.float32, None


def hub_gradients(name, key, gradient):
    """Gradients under the names of the files: transformers 5 has a layer's experts in one tensor, the hub has them apart."""
    if "neox" in name:
        yield key.replace("lm_head", "embed_out"), gradient
    elif "block_sparse_moe." in key:  # of Granite, whose files have other names
        for ours, file in (("experts.gate_up_proj", "input_linear.weight"), ("experts.down_proj", "output_linear.weight"), ("router.weight", "router.layer.weight")):
            key = key.replace("block_sparse_moe." + ours, "block_sparse_moe." + file)
        yield key, gradient
    elif name == "kimi_linear" and "self_attn.conv1d" in key:
        for part, g in zip("qkv", gradient.chunk(3)):
            yield key.replace("conv1d", part + "_conv1d"), g
    elif name == "kimi_linear" and (".forget_gate." in key or ".shared_experts." in key):
        yield key.replace("forget_gate.", "").replace(".mlp.", ".block_sparse_moe."), gradient
    elif name == "opt" and key.endswith("k_proj.bias"):
        return  # zero: it adds the same to all scores of a row
    elif name in EXPERTS and any(part in key for part in (".mlp.experts.", ".mlp.gate.", ".feed_forward.experts.")):
        layer, part = key.split(".feed_forward." if "feed_forward" in key else ".mlp.")
        moe, gate, up, down = EXPERTS[name]
        if part == "gate.weight":
            yield f"{layer}.{moe}.gate.weight", gradient
        for expert, g in enumerate(gradient if part != "gate.weight" else ()):
            files = {down: g} if part == "experts.down_proj" else dict(zip((gate, up), g.chunk(2)))
            for file, one in files.items():
                yield f"{layer}.{moe}.experts.{expert}.{file}.weight", one
    else:
        yield key, gradient


def main():
    out = pathlib.Path(sys.argv[1])
    only = sys.argv[2:]
    for number, (name, model, dtype, shard) in enumerate(models()):
        if only and name not in only:
            continue
        torch.manual_seed(SEEDS.get(name, number))
        model.eval()
        with torch.no_grad():
            for key, p in model.named_parameters():
                norm = any(word in key for word in ("norm", ".ln_", ".ln1", ".ln2", "_ln."))
                around = 1.0 if norm and key.endswith("weight") and not (name in CENTRED and "linear_attn" not in key) else 0.0
                value = torch.randn_like(p) * (0.1 if norm else SPREAD.get(name, 0.3)) + around
                if key.endswith("recurrent_param"):
                    value -= 3  # states that last
                p.copy_(value.to(dtype).float())
            for key, p in model.named_buffers():
                if key.endswith("e_score_correction_bias"):
                    p.copy_(torch.randn_like(p) * 0.05)
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        model.to(dtype).save_pretrained(folder, **({"max_shard_size": shard} if shard else {}))
        (folder / "generation_config.json").unlink(missing_ok=True)
        if name == "kimi_linear":  # transformers 5.24 writes MLPs under the experts' name, and reads either
            file = folder / "model.safetensors"
            save_file({re.sub(r"block_sparse_moe\.(gate|up|down)_proj", r"mlp.\1_proj", key): t for key, t in load_file(file).items()}, file, {"format": "pt"})
        model = type(model).from_pretrained(folder, dtype=torch.float32).eval()  # .float() would keep rounded frequencies
        vocab = model.config.vocab_size
        tokens = torch.randint(0, vocab, (2, LENGTH))
        targets = torch.randint(0, vocab, (2, LENGTH))
        targets[0, 3] = targets[1, -1] = -1
        logits = model(tokens, **({"use_cache": False} if name in ("rwkv", "recurrent_gemma") else {})).logits  # its state is written in place
        loss = F.cross_entropy(logits.reshape(-1, vocab), targets.reshape(-1), ignore_index=-1)
        if hasattr(model, "further_loss"):
            loss = loss + 0.3 * model.further_loss(tokens, targets)
        loss.backward()
        golden = {"tokens": tokens.int(), "targets": targets.int(), "logits": logits.detach().contiguous(), "loss": loss.detach()}
        golden |= {"grad." + file: g.contiguous() for key, p in model.named_parameters() for file, g in hub_gradients(name, key, p.grad)}
        save_file(golden, folder / "golden.safetensors")
        print(name, float(loss.detach()), json.dumps(model.config.to_dict().get("rope_parameters")))


if __name__ == "__main__":
    main()
