// What llama.cpp's converter calls the tensors of each architecture, and what it does to them, as a table: a family of
// models is some lines of it (gguf-py's tensor_mapping.py, and convert_hf_to_gguf.py for the changes).
#pragma once
#include <cmath>
#include <span>
#include <string>
#include <string_view>

#include <fauna/core/error.hpp>

namespace fauna::inline v0 {

/// How a tensor of GGUF is otherwise than the hub's.
enum class gguf_change : int {
  none,
  queries,      ///< columns of a head that rotate together are neighbours: row 2i + s is row s w/2 + i of w rows a head
  keys,         ///< the same, with the heads of keys
  grouped,      ///< queries, then keys, then values of all heads; on the hub those of each key head together
  one_more,     ///< weights of norms with 1 added
  transposed,   ///< [out, in], or several of these; on the hub [in, out]
  one_row,      ///< a matrix of one row without that size, which llama.cpp drops
  stacked,      ///< a layer's experts, or other parts with a letter each, in one tensor; on the hub one each
  middle,       ///< [a, b]; on the hub [a, 1, b]
  column,       ///< [n, 1]; on the hub [n]
  cube,         ///< [n]; on the hub [1, 1, n]
  by_heads,     ///< [n]; on the hub [heads, n / heads]
  rescaled,     ///< of layer i divided by 2^(i / n), where a key says n; on the hub it is not
  groups,       ///< [groups, n / groups]; on the hub [n]
  rates,        ///< A; on the hub log -A
  rate_column,  ///< both: A [n, 1]; on the hub log -A [n]
  latent_keys,  ///< [heads, latents, keys], a part of the hub's [heads (keys + values), latents]
  latent_values,  ///< [heads, values, latents], the other part
  first_half,     ///< a matrix, or each of several, of which the hub's has these rows first
  second_half,    ///< and these behind them
  // gpt-oss's experts, as plain numbers turned round on the hub, under names without _blocks:
  even_rows,  ///< a matrix, or each of several, of which the hub's has these rows and
  odd_rows,   ///< these in turn
  upright,    ///< the other matrix of an expert
};
/// The end of the names of tensors in blocks, as MXFP4's files have them.
inline constexpr std::string_view in_blocks_end = "_blocks";
/// Does a change put rows in another order?
constexpr bool moves_rows(gguf_change c) {
  return c == gguf_change::queries || c == gguf_change::keys || c == gguf_change::grouped;
}
/// Does a change put other numbers there?
constexpr bool changes_values(gguf_change c) {
  return c == gguf_change::one_more || c == gguf_change::rates || c == gguf_change::rate_column;
}
/// A number of the hub's as GGUF has it.
inline float gguf_value(gguf_change c, float hub) {
  return c == gguf_change::one_more ? hub + 1 : static_cast<float>(-std::exp(static_cast<double>(hub)));
}
/// And back.
inline float hub_value(gguf_change c, float gguf) {
  return c == gguf_change::one_more ? gguf - 1 : static_cast<float>(std::log(-static_cast<double>(gguf)));
}

/// A tensor's names without their ends .weight and .bias. % is the number of a layer, # that of an expert, or one of
/// the letters, in the order in which the parts lie in one tensor.
struct GgufRule {
  std::string_view gguf, hub;
  gguf_change change = gguf_change::none;
  std::string_view letters{};
};

namespace gguf_detail {

using enum gguf_change;

inline constexpr GgufRule decoder[] = {{"token_embd", "model.embed_tokens"},
                                       {"output_norm", "model.norm"},
                                       {"output", "lm_head"},
                                       {"blk.%.attn_norm", "model.layers.%.input_layernorm"},
                                       {"blk.%.attn_q", "model.layers.%.self_attn.q_proj"},
                                       {"blk.%.attn_k", "model.layers.%.self_attn.k_proj"},
                                       {"blk.%.attn_v", "model.layers.%.self_attn.v_proj"},
                                       {"blk.%.attn_output", "model.layers.%.self_attn.o_proj"},
                                       {"blk.%.attn_q_norm", "model.layers.%.self_attn.q_norm"},
                                       {"blk.%.attn_k_norm", "model.layers.%.self_attn.k_norm"},
                                       {"blk.%.ffn_norm", "model.layers.%.post_attention_layernorm"},
                                       {"blk.%.ffn_gate", "model.layers.%.mlp.gate_proj"},
                                       {"blk.%.ffn_up", "model.layers.%.mlp.up_proj"},
                                       {"blk.%.ffn_down", "model.layers.%.mlp.down_proj"}};
// What follows stands before it, in the families that have it.
inline constexpr GgufRule turned_heads[] = {{"blk.%.attn_q", "model.layers.%.self_attn.q_proj", queries},
                                            {"blk.%.attn_k", "model.layers.%.self_attn.k_proj", keys}};
inline constexpr GgufRule mixtral[] = {{"blk.%.ffn_gate_inp", "model.layers.%.block_sparse_moe.gate"},
                                       {"blk.%.ffn_gate_exps", "model.layers.%.block_sparse_moe.experts.#.w1", stacked},
                                       {"blk.%.ffn_down_exps", "model.layers.%.block_sparse_moe.experts.#.w2", stacked},
                                       {"blk.%.ffn_up_exps", "model.layers.%.block_sparse_moe.experts.#.w3", stacked}};
inline constexpr GgufRule experts[] = {{"blk.%.ffn_gate_inp", "model.layers.%.mlp.gate"},
                                       {"blk.%.ffn_gate_exps", "model.layers.%.mlp.experts.#.gate_proj", stacked},
                                       {"blk.%.ffn_down_exps", "model.layers.%.mlp.experts.#.down_proj", stacked},
                                       {"blk.%.ffn_up_exps", "model.layers.%.mlp.experts.#.up_proj", stacked},
                                       {"blk.%.ffn_gate_inp_shexp", "model.layers.%.mlp.shared_expert_gate", one_row},
                                       {"blk.%.ffn_gate_shexp", "model.layers.%.mlp.shared_expert.gate_proj"},
                                       {"blk.%.ffn_down_shexp", "model.layers.%.mlp.shared_expert.down_proj"},
                                       {"blk.%.ffn_up_shexp", "model.layers.%.mlp.shared_expert.up_proj"}};
inline constexpr GgufRule gemma[] = {{"output_norm", "model.norm", one_more},
                                     {"blk.%.attn_norm", "model.layers.%.input_layernorm", one_more},
                                     {"blk.%.ffn_norm", "model.layers.%.post_attention_layernorm", one_more}};
inline constexpr GgufRule gemma2[] = {
    {"output_norm", "model.norm", one_more},
    {"blk.%.attn_norm", "model.layers.%.input_layernorm", one_more},
    {"blk.%.attn_q_norm", "model.layers.%.self_attn.q_norm", one_more},
    {"blk.%.attn_k_norm", "model.layers.%.self_attn.k_norm", one_more},
    {"blk.%.post_attention_norm", "model.layers.%.post_attention_layernorm", one_more},
    {"blk.%.ffn_norm", "model.layers.%.pre_feedforward_layernorm", one_more},
    {"blk.%.post_ffw_norm", "model.layers.%.post_feedforward_layernorm", one_more}};
inline constexpr GgufRule norms_after[] = {{"blk.%.post_attention_norm", "model.layers.%.post_attention_layernorm"},
                                           {"blk.%.post_ffw_norm", "model.layers.%.post_feedforward_layernorm"}};
inline constexpr GgufRule phi2[] = {{"output_norm", "model.final_layernorm"},
                                    {"blk.%.attn_output", "model.layers.%.self_attn.dense"},
                                    {"blk.%.ffn_up", "model.layers.%.mlp.fc1"},
                                    {"blk.%.ffn_down", "model.layers.%.mlp.fc2"}};
inline constexpr GgufRule phi3[] = {{"blk.%.attn_qkv", "model.layers.%.self_attn.qkv_proj"},
                                    {"blk.%.ffn_up", "model.layers.%.mlp.gate_up_proj"}};
inline constexpr GgufRule glm4[] = {{"blk.%.post_attention_norm", "model.layers.%.post_self_attn_layernorm"},
                                    {"blk.%.post_ffw_norm", "model.layers.%.post_mlp_layernorm"},
                                    {"blk.%.ffn_up", "model.layers.%.mlp.gate_up_proj"}};
inline constexpr GgufRule starcoder2[] = {{"blk.%.ffn_up", "model.layers.%.mlp.c_fc"},
                                          {"blk.%.ffn_down", "model.layers.%.mlp.c_proj"}};
inline constexpr GgufRule gpt2[] = {{"token_embd", "transformer.wte"},
                                    {"position_embd", "transformer.wpe"},
                                    {"output_norm", "transformer.ln_f"},
                                    {"output", "lm_head"},
                                    {"blk.%.attn_norm", "transformer.h.%.ln_1"},
                                    {"blk.%.attn_qkv", "transformer.h.%.attn.c_attn", transposed},
                                    {"blk.%.attn_output", "transformer.h.%.attn.c_proj", transposed},
                                    {"blk.%.ffn_norm", "transformer.h.%.ln_2"},
                                    {"blk.%.ffn_up", "transformer.h.%.mlp.c_fc", transposed},
                                    {"blk.%.ffn_down", "transformer.h.%.mlp.c_proj", transposed}};
inline constexpr GgufRule gptneox[] = {{"token_embd", "gpt_neox.embed_in"},
                                       {"output_norm", "gpt_neox.final_layer_norm"},
                                       {"output", "embed_out"},
                                       {"blk.%.attn_norm", "gpt_neox.layers.%.input_layernorm"},
                                       {"blk.%.attn_qkv", "gpt_neox.layers.%.attention.query_key_value", grouped},
                                       {"blk.%.attn_output", "gpt_neox.layers.%.attention.dense"},
                                       {"blk.%.ffn_norm", "gpt_neox.layers.%.post_attention_layernorm"},
                                       {"blk.%.ffn_up", "gpt_neox.layers.%.mlp.dense_h_to_4h"},
                                       {"blk.%.ffn_down", "gpt_neox.layers.%.mlp.dense_4h_to_h"}};
inline constexpr GgufRule falcon[] = {{"token_embd", "transformer.word_embeddings"},
                                      {"output_norm", "transformer.ln_f"},
                                      {"output", "lm_head"},
                                      {"blk.%.attn_norm", "transformer.h.%.input_layernorm"},
                                      {"blk.%.attn_norm", "transformer.h.%.ln_mlp"},
                                      {"blk.%.attn_norm_2", "transformer.h.%.ln_attn"},
                                      {"blk.%.attn_qkv", "transformer.h.%.self_attention.query_key_value", grouped},
                                      {"blk.%.attn_output", "transformer.h.%.self_attention.dense"},
                                      {"blk.%.ffn_up", "transformer.h.%.mlp.dense_h_to_4h"},
                                      {"blk.%.ffn_down", "transformer.h.%.mlp.dense_4h_to_h"}};
inline constexpr GgufRule bloom[] = {{"token_embd", "transformer.word_embeddings"},
                                     {"token_embd_norm", "transformer.word_embeddings_layernorm"},
                                     {"output_norm", "transformer.ln_f"},
                                     {"output", "lm_head"},
                                     {"blk.%.attn_norm", "transformer.h.%.input_layernorm"},
                                     {"blk.%.attn_qkv", "transformer.h.%.self_attention.query_key_value", grouped},
                                     {"blk.%.attn_output", "transformer.h.%.self_attention.dense"},
                                     {"blk.%.ffn_norm", "transformer.h.%.post_attention_layernorm"},
                                     {"blk.%.ffn_up", "transformer.h.%.mlp.dense_h_to_4h"},
                                     {"blk.%.ffn_down", "transformer.h.%.mlp.dense_4h_to_h"}};
inline constexpr GgufRule mpt[] = {{"token_embd", "transformer.wte"},
                                   {"output_norm", "transformer.norm_f"},
                                   {"output", "lm_head"},
                                   {"blk.%.attn_norm", "transformer.blocks.%.norm_1"},
                                   {"blk.%.attn_qkv", "transformer.blocks.%.attn.Wqkv"},
                                   {"blk.%.attn_output", "transformer.blocks.%.attn.out_proj"},
                                   {"blk.%.ffn_norm", "transformer.blocks.%.norm_2"},
                                   {"blk.%.ffn_up", "transformer.blocks.%.ffn.up_proj"},
                                   {"blk.%.ffn_down", "transformer.blocks.%.ffn.down_proj"}};
inline constexpr GgufRule mamba[] = {{"token_embd", "backbone.embeddings"},
                                     {"token_embd", "backbone.embedding"},
                                     {"output_norm", "backbone.norm_f"},
                                     {"output", "lm_head"},
                                     {"blk.%.attn_norm", "backbone.layers.%.norm"},
                                     {"blk.%.ssm_in", "backbone.layers.%.mixer.in_proj"},
                                     {"blk.%.ssm_conv1d", "backbone.layers.%.mixer.conv1d", middle},
                                     {"blk.%.ssm_x", "backbone.layers.%.mixer.x_proj"},
                                     {"blk.%.ssm_dt", "backbone.layers.%.mixer.dt_proj"},
                                     {"blk.%.ssm_a", "backbone.layers.%.mixer.A_log", rates},
                                     {"blk.%.ssm_d", "backbone.layers.%.mixer.D"},
                                     {"blk.%.ssm_out", "backbone.layers.%.mixer.out_proj"}};
// What follows stands before it.
inline constexpr GgufRule mamba2[] = {{"blk.%.ssm_dt.bias", "backbone.layers.%.mixer.dt_bias"},
                                      {"blk.%.ssm_a", "backbone.layers.%.mixer.A_log", rate_column},
                                      {"blk.%.ssm_d", "backbone.layers.%.mixer.D", column},
                                      {"blk.%.ssm_norm", "backbone.layers.%.mixer.norm", groups}};
inline constexpr GgufRule deepseek2[] = {{"blk.%.attn_q_a", "model.layers.%.self_attn.q_a_proj"},
                                         {"blk.%.attn_q_a_norm", "model.layers.%.self_attn.q_a_layernorm"},
                                         {"blk.%.attn_q_b", "model.layers.%.self_attn.q_b_proj"},
                                         {"blk.%.attn_kv_a_mqa", "model.layers.%.self_attn.kv_a_proj_with_mqa"},
                                         {"blk.%.attn_kv_a_norm", "model.layers.%.self_attn.kv_a_layernorm"},
                                         {"blk.%.attn_k_b", "model.layers.%.self_attn.kv_b_proj", latent_keys},
                                         {"blk.%.attn_v_b", "model.layers.%.self_attn.kv_b_proj", latent_values},
                                         {"blk.%.attn_kv_b", "model.layers.%.self_attn.kv_b_proj"}};  // of older files
// Experts that are shared, and a bias of the others by which they are chosen, as DeepSeek has them.
inline constexpr GgufRule shared_experts[] = {
    {"blk.%.exp_probs_b.bias", "model.layers.%.mlp.gate.e_score_correction_bias"},
    {"blk.%.ffn_gate_shexp", "model.layers.%.mlp.shared_experts.gate_proj"},
    {"blk.%.ffn_down_shexp", "model.layers.%.mlp.shared_experts.down_proj"},
    {"blk.%.ffn_up_shexp", "model.layers.%.mlp.shared_experts.up_proj"}};
inline constexpr GgufRule glm4_moe[] = {{"blk.%.post_attention_norm", "model.layers.%.post_attention_layernorm"}};
inline constexpr GgufRule gpt_oss[] = {
    {"blk.%.post_attention_norm", "model.layers.%.post_attention_layernorm"},
    {"blk.%.attn_sinks.weight", "model.layers.%.self_attn.sinks"},
    {"blk.%.ffn_gate_inp", "model.layers.%.mlp.router"},
    {"blk.%.ffn_gate_exps.weight", "model.layers.%.mlp.experts.gate_up_proj_blocks", even_rows},
    {"blk.%.ffn_up_exps.weight", "model.layers.%.mlp.experts.gate_up_proj_blocks", odd_rows},
    {"blk.%.ffn_down_exps.weight", "model.layers.%.mlp.experts.down_proj_blocks", upright},
    {"blk.%.ffn_gate_exps.bias", "model.layers.%.mlp.experts.gate_up_proj_bias", even_rows},
    {"blk.%.ffn_up_exps.bias", "model.layers.%.mlp.experts.gate_up_proj_bias", odd_rows},
    {"blk.%.ffn_down_exps.bias", "model.layers.%.mlp.experts.down_proj_bias"},
    {"blk.%.ffn_gate_exps.weight", "model.layers.%.mlp.experts.gate_up_proj", even_rows},
    {"blk.%.ffn_down_exps.weight", "model.layers.%.mlp.experts.down_proj", upright}};
inline constexpr GgufRule lfm2[] = {{"token_embd_norm", "model.embedding_norm"},
                                    {"blk.%.attn_norm", "model.layers.%.operator_norm"},
                                    {"blk.%.attn_q_norm", "model.layers.%.self_attn.q_layernorm"},
                                    {"blk.%.attn_k_norm", "model.layers.%.self_attn.k_layernorm"},
                                    {"blk.%.attn_output", "model.layers.%.self_attn.out_proj"},
                                    {"blk.%.shortconv.conv", "model.layers.%.conv.conv", middle},
                                    {"blk.%.shortconv.in_proj", "model.layers.%.conv.in_proj"},
                                    {"blk.%.shortconv.out_proj", "model.layers.%.conv.out_proj"},
                                    {"blk.%.ffn_norm", "model.layers.%.ffn_norm"},
                                    {"blk.%.ffn_gate", "model.layers.%.feed_forward.w1"},
                                    {"blk.%.ffn_down", "model.layers.%.feed_forward.w2"},
                                    {"blk.%.ffn_up", "model.layers.%.feed_forward.w3"}};
inline constexpr GgufRule jamba[] = {
    {"output_norm", "model.final_layernorm"},
    {"blk.%.ssm_in", "model.layers.%.mamba.in_proj"},
    {"blk.%.ssm_conv1d", "model.layers.%.mamba.conv1d", middle},
    {"blk.%.ssm_x", "model.layers.%.mamba.x_proj"},
    {"blk.%.ssm_dt", "model.layers.%.mamba.dt_proj"},
    {"blk.%.ssm_a", "model.layers.%.mamba.A_log", rates},
    {"blk.%.ssm_d", "model.layers.%.mamba.D"},
    {"blk.%.ssm_out", "model.layers.%.mamba.out_proj"},
    {"blk.%.ssm_dt_norm", "model.layers.%.mamba.dt_layernorm"},
    {"blk.%.ssm_b_norm", "model.layers.%.mamba.b_layernorm"},
    {"blk.%.ssm_c_norm", "model.layers.%.mamba.c_layernorm"},
    {"blk.%.ffn_norm", "model.layers.%.pre_ff_layernorm"},
    {"blk.%.ffn_gate", "model.layers.%.feed_forward.gate_proj"},
    {"blk.%.ffn_down", "model.layers.%.feed_forward.down_proj"},
    {"blk.%.ffn_up", "model.layers.%.feed_forward.up_proj"},
    {"blk.%.ffn_gate_inp", "model.layers.%.feed_forward.router"},
    {"blk.%.ffn_gate_exps", "model.layers.%.feed_forward.experts.#.gate_proj", stacked},
    {"blk.%.ffn_down_exps", "model.layers.%.feed_forward.experts.#.down_proj", stacked},
    {"blk.%.ffn_up_exps", "model.layers.%.feed_forward.experts.#.up_proj", stacked}};

inline constexpr GgufRule rwkv[] = {{"token_embd", "emb"},
                                    {"token_embd_norm", "blocks.0.ln0"},
                                    {"output_norm", "ln_out"},
                                    {"output", "head"},
                                    {"blk.%.attn_norm", "blocks.%.ln1"},
                                    {"blk.%.attn_norm_2", "blocks.%.ln2"},
                                    {"blk.%.time_mix_receptance", "blocks.%.att.receptance"},
                                    {"blk.%.time_mix_key", "blocks.%.att.key"},
                                    {"blk.%.time_mix_value", "blocks.%.att.value"},
                                    {"blk.%.time_mix_gate", "blocks.%.att.gate"},
                                    {"blk.%.time_mix_output", "blocks.%.att.output", rescaled},
                                    {"blk.%.time_mix_ln", "blocks.%.att.ln_x"},
                                    {"blk.%.channel_mix_key", "blocks.%.ffn.key"},
                                    {"blk.%.channel_mix_value", "blocks.%.ffn.value", rescaled},
                                    {"blk.%.channel_mix_receptance", "blocks.%.ffn.receptance"}};
// What follows stands before it. The hub's names of vectors and small matrices end with neither .weight nor .bias.
inline constexpr GgufRule rwkv6[] = {
    {"blk.%.time_mix_lerp_x.weight", "blocks.%.att.time_maa_x", cube},
    {"blk.%.time_mix_lerp_fused.weight", "blocks.%.att.time_maa_#", stacked, "wkvrg"},
    {"blk.%.time_mix_lerp_w.weight", "blocks.%.att.time_maa_w", cube},  // of older files
    {"blk.%.time_mix_lerp_k.weight", "blocks.%.att.time_maa_k", cube},
    {"blk.%.time_mix_lerp_v.weight", "blocks.%.att.time_maa_v", cube},
    {"blk.%.time_mix_lerp_r.weight", "blocks.%.att.time_maa_r", cube},
    {"blk.%.time_mix_lerp_g.weight", "blocks.%.att.time_maa_g", cube},
    {"blk.%.time_mix_w1.weight", "blocks.%.att.time_maa_w1", transposed},
    {"blk.%.time_mix_w2.weight", "blocks.%.att.time_maa_w2", transposed},
    {"blk.%.time_mix_decay.weight", "blocks.%.att.time_decay", cube},
    {"blk.%.time_mix_decay_w1.weight", "blocks.%.att.time_decay_w1", transposed},
    {"blk.%.time_mix_decay_w2.weight", "blocks.%.att.time_decay_w2", transposed},
    {"blk.%.time_mix_first.weight", "blocks.%.att.time_faaaa"},
    {"blk.%.channel_mix_lerp_k.weight", "blocks.%.ffn.time_maa_k", cube},
    {"blk.%.channel_mix_lerp_r.weight", "blocks.%.ffn.time_maa_r", cube}};
inline constexpr GgufRule rwkv7[] = {{"blk.%.time_mix_lerp_fused.weight", "blocks.%.att.x_#", stacked, "rwkvag"},
                                     {"blk.%.time_mix_w0.weight", "blocks.%.att.w0", cube},
                                     {"blk.%.time_mix_w1.weight", "blocks.%.att.w1", transposed},
                                     {"blk.%.time_mix_w2.weight", "blocks.%.att.w2", transposed},
                                     {"blk.%.time_mix_a0.weight", "blocks.%.att.a0", cube},
                                     {"blk.%.time_mix_a1.weight", "blocks.%.att.a1", transposed},
                                     {"blk.%.time_mix_a2.weight", "blocks.%.att.a2", transposed},
                                     {"blk.%.time_mix_v0.weight", "blocks.%.att.v0", cube},
                                     {"blk.%.time_mix_v1.weight", "blocks.%.att.v1", transposed},
                                     {"blk.%.time_mix_v2.weight", "blocks.%.att.v2", transposed},
                                     {"blk.%.time_mix_g1.weight", "blocks.%.att.g1", transposed},
                                     {"blk.%.time_mix_g2.weight", "blocks.%.att.g2", transposed},
                                     {"blk.%.time_mix_k_k.weight", "blocks.%.att.k_k", cube},
                                     {"blk.%.time_mix_k_a.weight", "blocks.%.att.k_a", cube},
                                     {"blk.%.time_mix_r_k.weight", "blocks.%.att.r_k", by_heads},
                                     {"blk.%.channel_mix_lerp_k.weight", "blocks.%.ffn.x_k", cube}};

// flash-linear-attention's names of RWKV-7, whose matrices are not turned round. They stand behind the author's.
inline constexpr GgufRule rwkv7_fla[] = {
    {"token_embd", "model.embeddings"},
    {"token_embd_norm", "model.layers.0.pre_norm"},
    {"output_norm", "model.norm"},
    {"output", "lm_head"},
    {"blk.%.attn_norm", "model.layers.%.attn_norm"},
    {"blk.%.attn_norm_2", "model.layers.%.ffn_norm"},
    {"blk.%.time_mix_lerp_fused.weight", "model.layers.%.attn.x_#", stacked, "rwkvag"},
    {"blk.%.time_mix_w0.weight", "model.layers.%.attn.w_lora.lora.2.bias"},
    {"blk.%.time_mix_w1", "model.layers.%.attn.w_lora.lora.0"},
    {"blk.%.time_mix_w2", "model.layers.%.attn.w_lora.lora.2"},
    {"blk.%.time_mix_a0.weight", "model.layers.%.attn.a_lora.lora.2.bias"},
    {"blk.%.time_mix_a1", "model.layers.%.attn.a_lora.lora.0"},
    {"blk.%.time_mix_a2", "model.layers.%.attn.a_lora.lora.2"},
    {"blk.%.time_mix_v0.weight", "model.layers.%.attn.v_lora.lora.2.bias"},
    {"blk.%.time_mix_v1", "model.layers.%.attn.v_lora.lora.0"},
    {"blk.%.time_mix_v2", "model.layers.%.attn.v_lora.lora.2"},
    {"blk.%.time_mix_g1", "model.layers.%.attn.g_lora.lora.0"},
    {"blk.%.time_mix_g2", "model.layers.%.attn.g_lora.lora.2"},
    {"blk.%.time_mix_k_k.weight", "model.layers.%.attn.k_k"},
    {"blk.%.time_mix_k_a.weight", "model.layers.%.attn.k_a"},
    {"blk.%.time_mix_r_k.weight", "model.layers.%.attn.r_k", by_heads},
    {"blk.%.time_mix_receptance", "model.layers.%.attn.r_proj"},
    {"blk.%.time_mix_key", "model.layers.%.attn.k_proj"},
    {"blk.%.time_mix_value", "model.layers.%.attn.v_proj"},
    {"blk.%.time_mix_output", "model.layers.%.attn.o_proj"},
    {"blk.%.time_mix_ln", "model.layers.%.attn.g_norm"},
    {"blk.%.channel_mix_lerp_k.weight", "model.layers.%.ffn.x_k"},
    {"blk.%.channel_mix_key", "model.layers.%.ffn.key"},
    {"blk.%.channel_mix_value", "model.layers.%.ffn.value"}};

// Granite 4: the mixers, and what its forms with and without experts have behind them.
inline constexpr GgufRule granite_hybrid[] = {
    {"blk.%.ssm_in", "model.layers.%.mamba.in_proj"},      {"blk.%.ssm_conv1d", "model.layers.%.mamba.conv1d", middle},
    {"blk.%.ssm_dt.bias", "model.layers.%.mamba.dt_bias"}, {"blk.%.ssm_a", "model.layers.%.mamba.A_log", rate_column},
    {"blk.%.ssm_d", "model.layers.%.mamba.D", column},     {"blk.%.ssm_norm", "model.layers.%.mamba.norm", groups},
    {"blk.%.ssm_out", "model.layers.%.mamba.out_proj"}};
inline constexpr GgufRule granite_experts[] = {
    {"blk.%.ffn_gate_inp", "model.layers.%.block_sparse_moe.router.layer"},
    {"blk.%.ffn_gate_exps", "model.layers.%.block_sparse_moe.input_linear", first_half},
    {"blk.%.ffn_up_exps", "model.layers.%.block_sparse_moe.input_linear", second_half},
    {"blk.%.ffn_down_exps", "model.layers.%.block_sparse_moe.output_linear"},
    {"blk.%.ffn_gate_shexp", "model.layers.%.shared_mlp.input_linear", first_half},
    {"blk.%.ffn_up_shexp", "model.layers.%.shared_mlp.input_linear", second_half},
    {"blk.%.ffn_down_shexp", "model.layers.%.shared_mlp.output_linear"}};
inline constexpr GgufRule granite_dense[] = {{"blk.%.ffn_gate", "model.layers.%.shared_mlp.input_linear", first_half},
                                             {"blk.%.ffn_up", "model.layers.%.shared_mlp.input_linear", second_half},
                                             {"blk.%.ffn_down", "model.layers.%.shared_mlp.output_linear"}};

/// Of its form with a norm before the MLP as well.
inline constexpr GgufRule falcon_grouped[] = {{"blk.%.attn_norm", "transformer.h.%.ln_mlp"}};

}  // namespace gguf_detail

/// An architecture's rules: the first one that fits counts.
struct GgufArchitecture {
  std::string_view name;
  std::span<const GgufRule> rules[4];
  std::string_view sign{};  ///< a tensor that files of this form have, where there is another form
};
/// A tensor that a mixture of experts has.
inline constexpr std::string_view gguf_of_experts = "blk.0.ffn_gate_inp.weight";
inline constexpr GgufArchitecture gguf_architectures[] = {
    {"llama", {gguf_detail::turned_heads, gguf_detail::mixtral, gguf_detail::decoder}},
    {"smollm3", {gguf_detail::turned_heads, gguf_detail::decoder}},
    {"granite", {gguf_detail::turned_heads, gguf_detail::decoder}},
    {"olmo", {gguf_detail::turned_heads, gguf_detail::decoder}},
    {"qwen2", {gguf_detail::decoder}},
    {"qwen3", {gguf_detail::decoder}},
    {"stablelm", {gguf_detail::decoder}},
    {"qwen2moe", {gguf_detail::experts, gguf_detail::decoder}},
    {"qwen3moe", {gguf_detail::experts, gguf_detail::decoder}},
    {"olmoe", {gguf_detail::experts, gguf_detail::decoder}},
    {"gemma", {gguf_detail::gemma, gguf_detail::decoder}},
    {"gemma2", {gguf_detail::gemma2, gguf_detail::decoder}},
    {"gemma3", {gguf_detail::gemma2, gguf_detail::decoder}},
    {"olmo2", {gguf_detail::norms_after, gguf_detail::decoder}},
    {"phi2", {gguf_detail::phi2, gguf_detail::decoder}},
    {"phi3", {gguf_detail::phi3, gguf_detail::decoder}},
    {"glm4", {gguf_detail::glm4, gguf_detail::decoder}},
    {"starcoder2", {gguf_detail::starcoder2, gguf_detail::decoder}},
    {"cohere2", {gguf_detail::decoder}},
    {"gpt2", {gguf_detail::gpt2}},
    {"gptneox", {gguf_detail::gptneox}},
    {"falcon", {gguf_detail::falcon_grouped, gguf_detail::falcon}, "blk.0.attn_norm_2.weight"},
    {"falcon", {gguf_detail::falcon}},
    {"bloom", {gguf_detail::bloom}},
    {"mpt", {gguf_detail::mpt}},
    {"nemotron", {gguf_detail::gemma, gguf_detail::decoder}},
    {"exaone4", {gguf_detail::norms_after, gguf_detail::decoder}},
    {"mamba", {gguf_detail::mamba}},
    {"mamba2", {gguf_detail::mamba2, gguf_detail::mamba}},
    {"rwkv6", {gguf_detail::rwkv6, gguf_detail::rwkv}},
    {"rwkv7", {gguf_detail::rwkv7, gguf_detail::rwkv, gguf_detail::rwkv7_fla}},
    {"deepseek2", {gguf_detail::deepseek2, gguf_detail::shared_experts, gguf_detail::experts, gguf_detail::decoder}},
    {"glm4moe", {gguf_detail::glm4_moe, gguf_detail::shared_experts, gguf_detail::experts, gguf_detail::decoder}},
    {"gpt-oss", {gguf_detail::gpt_oss, gguf_detail::decoder}},
    {"lfm2", {gguf_detail::lfm2, gguf_detail::decoder}},
    {"jamba", {gguf_detail::jamba, gguf_detail::decoder}},
    {"granitehybrid",
     {gguf_detail::granite_hybrid, gguf_detail::granite_experts, gguf_detail::turned_heads, gguf_detail::decoder},
     gguf_of_experts},
    {"granitehybrid",
     {gguf_detail::granite_hybrid, gguf_detail::granite_dense, gguf_detail::turned_heads, gguf_detail::decoder}},
};
/// Null for an architecture whose names are not known. has(name): has the file a tensor of that name? In the names that
/// the hub has, an architecture's forms do not differ.
template <class Has> GgufArchitecture const* gguf_architecture(std::string_view name, Has&& has) {
  for (GgufArchitecture const& a : gguf_architectures)
    if (a.name == name && (a.sign.empty() || has(a.sign))) return &a;
  return nullptr;
}
inline GgufArchitecture const* gguf_architecture(std::string_view name) {
  return gguf_architecture(name, [](std::string_view) { return false; });
}

/// Where llama.cpp's loaders take a model's head from: output.weight, or the token table in a file that has none; from
/// output.weight alone; from the table alone.
enum class gguf_head : int { either, own, table };
constexpr gguf_head gguf_head_of(std::string_view architecture) {
  for (const std::string_view own :
       {"stablelm", "phi2", "olmo2", "olmoe", "qwen2moe", "gptneox", "nemotron", "gpt-oss"})
    if (architecture == own) return gguf_head::own;
  for (const std::string_view table : {"gemma", "gemma2", "cohere2"})
    if (architecture == table) return gguf_head::table;
  return gguf_head::either;
}
/// Do they read rope_freqs.weight?
constexpr bool has_rope_freqs(std::string_view architecture) {
  return architecture == "llama" || architecture == "granite";
}

/// A tensor's name in the other spelling, and what is done to it.
struct GgufName {
  std::string name{};  ///< empty: it has none; with # where an expert's number is to stand
  gguf_change change = gguf_change::none;
  std::string_view expert{};   ///< its number or letter, of a name that has one
  std::string_view letters{};  ///< of parts that have a letter
};

/// Has llama.cpp a tensor that no product reads? RWKV-7's first layer has no value to return to.
inline bool gguf_unused(std::string_view architecture, std::string_view gguf) {
  return architecture == "rwkv7" && (gguf == "blk.0.time_mix_v0.weight" || gguf == "blk.0.time_mix_v1.weight" ||
                                     gguf == "blk.0.time_mix_v2.weight");
}

namespace gguf_detail {

/// Is the name this pattern, with numbers for % and #, or with one of the letters for the latter?
inline bool fits(std::string_view pattern, std::string_view name, std::string_view letters, std::string_view& layer,
                 std::string_view& expert) {
  std::size_t at = 0;
  for (const char c : pattern) {
    if (c != '%' && c != '#') {
      if (at == name.size() || name[at++] != c) return false;
      continue;
    }
    const std::size_t begin = at;
    if (c == '#' && !letters.empty()) at += at < name.size() && letters.find(name[at]) != letters.npos ? 1 : 0;
    else
      while (at < name.size() && name[at] >= '0' && name[at] <= '9') ++at;
    if (at == begin) return false;
    (c == '%' ? layer : expert) = name.substr(begin, at - begin);
  }
  return at == name.size();
}

/// The name in the spelling `to`, of one in the spelling `from`.
inline GgufName respelt(GgufArchitecture const& a, std::string_view name, std::string_view GgufRule::*from,
                        std::string_view GgufRule::*to) {
  for (std::span<const GgufRule> rules : a.rules)
    for (GgufRule const& r : rules)
      for (const std::string_view end : {".weight", ".bias", ""}) {
        if (name.size() < end.size() || name.substr(name.size() - end.size()) != end) continue;
        GgufName found{{}, r.change, {}, r.letters};
        std::string_view layer;
        if (!fits(r.*from, name.substr(0, name.size() - end.size()), r.letters, layer, found.expert)) continue;
        for (const char c : r.*to)
          if (c == '%') found.name += layer;
          else found.name += c;
        found.name += end;
        // What is done to a matrix is not done to the bias beside it, but for the order of rows and experts.
        if (end == ".bias" && !moves_rows(r.change) && r.change != stacked) found.change = none;
        return found;
      }
  return {};
}

}  // namespace gguf_detail

/// "model.layers.3.self_attn.q_proj.weight" as "blk.3.attn_q.weight".
inline GgufName gguf_name(GgufArchitecture const& a, std::string_view hub) {
  return gguf_detail::respelt(a, hub, &GgufRule::hub, &GgufRule::gguf);
}
/// And back.
inline GgufName hub_name(GgufArchitecture const& a, std::string_view gguf) {
  return gguf_detail::respelt(a, gguf, &GgufRule::gguf, &GgufRule::hub);
}

/// The layer of a tensor's name in GGUF, 3 of "blk.3.attn_q.weight"; -1 where it is of none. Numbers that are too large
/// to be one are 2^31 - 2, to which 1 may be added.
constexpr int gguf_layer(std::string_view name) {
  if (name.substr(0, 4) != "blk.") return -1;
  constexpr int most = 0x7ffffffe;
  int layer = 0;
  for (std::size_t i = 4; i < name.size() && name[i] >= '0' && name[i] <= '9'; ++i)
    layer = layer > (most - 9) / 10 ? most : 10 * layer + (name[i] - '0');
  return layer;
}

/// What orders of rows and shapes depend on.
struct GgufHeads {
  int queries = 0, keys = 0;  ///< heads
  int values = 0;             ///< columns of a head's values, of attention over latents and of RWKV
  int groups = 1;             ///< of heads, in Mamba-2
};
/// Row r of a tensor in GGUF is this one of the hub's, of so many rows. Throws where they are not those of whole heads.
inline std::size_t hub_row(gguf_change change, GgufHeads const& h, std::size_t r, std::size_t rows) {
  const auto queries = static_cast<std::size_t>(h.queries), keys = static_cast<std::size_t>(h.keys);
  if (change == gguf_change::grouped) {
    const std::size_t all = queries + 2 * keys;
    if (keys == 0 || queries % keys != 0 || rows % all != 0)
      fail("gguf", std::to_string(rows) + " rows of queries, keys and values",
           std::to_string(queries) + " heads of queries and " + std::to_string(keys) + " of each of the others");
    const std::size_t w = rows / all, head = r / w, of_group = queries / keys;
    const std::size_t group = head < queries ? head / of_group : (head - queries) % keys,
                      within = head < queries ? head % of_group : of_group + (head - queries) / keys;
    return (group * (of_group + 2) + within) * w + r % w;
  }
  const std::size_t heads = change == gguf_change::queries ? queries : keys;
  if (heads == 0 || rows % (2 * heads) != 0)
    fail("gguf", std::to_string(rows) + " rows of heads that are turned",
         std::to_string(heads) + " heads of an even number of rows");
  const std::size_t w = rows / heads;
  return r / w * w + r % 2 * (w / 2) + r % w / 2;
}

}  // namespace fauna::inline v0
