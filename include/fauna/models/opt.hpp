// OPT (Zhang et al. 2022, "OPT: open pre-trained transformer language models"): GPT-2's layers with ReLU. The first two
// rows of its table of positions stand for none.
#pragma once
#include <fauna/models/decoder.hpp>

namespace fauna::inline v0 {

struct OptStyle : DecoderStyle {
  static constexpr ConfigNames names{
      "opt",           "fauna::Opt", "fauna::OptConfig", "fauna/models/opt.hpp", "model.decoder.embed_tokens.weight",
      "lm_head.weight"};
  static constexpr label root = "model.decoder", positions = "embed_positions", final_norm = "final_layer_norm";
  static constexpr int position_offset = 2;
  static constexpr label attention_before = "self_attn_layer_norm", mlp_before = "final_layer_norm", out = "out_proj",
                         mlp = "", up = "fc1", down = "fc2";
  static constexpr norm_form norm = norm_form::layer;
  static constexpr mlp_form mlp_is = mlp_form::plain;
  static constexpr bool rotary = false, qkv_bias = true, out_bias = true, mlp_bias = true, tied = true;
  static constexpr activation act = activation::relu;
};
/// Its context is that of the table: 2048, and two rows more.
using OptConfig = DecoderConfig<OptStyle>;
template <OptConfig c> struct Opt : Decoder<c> {};

using Opt125M = Opt<OptConfig{.layers = 12,
                              .heads = 12,
                              .kv_heads = 12,
                              .head_size = 64,
                              .width = 768,
                              .hidden = 3072,
                              .context = 2048,
                              .vocab = 50272}>;
using Opt1_3B = Opt<OptConfig{.layers = 24,
                              .heads = 32,
                              .kv_heads = 32,
                              .head_size = 64,
                              .width = 2048,
                              .hidden = 8192,
                              .context = 2048,
                              .vocab = 50272}>;
using Opt2_7B = Opt<OptConfig{.layers = 32,
                              .heads = 32,
                              .kv_heads = 32,
                              .head_size = 80,
                              .width = 2560,
                              .hidden = 10240,
                              .context = 2048,
                              .vocab = 50272}>;
using Opt6_7B = Opt<OptConfig{.layers = 32,
                              .heads = 32,
                              .kv_heads = 32,
                              .head_size = 128,
                              .width = 4096,
                              .hidden = 16384,
                              .context = 2048,
                              .vocab = 50272}>;
using Opt13B = Opt<OptConfig{.layers = 40,
                             .heads = 40,
                             .kv_heads = 40,
                             .head_size = 128,
                             .width = 5120,
                             .hidden = 20480,
                             .context = 2048,
                             .vocab = 50272}>;
using Opt30B = Opt<OptConfig{.layers = 48,
                             .heads = 56,
                             .kv_heads = 56,
                             .head_size = 128,
                             .width = 7168,
                             .hidden = 28672,
                             .context = 2048,
                             .vocab = 50272}>;
using OptShakespeare = Opt<for_characters(Opt125M::config)>;

}  // namespace fauna::inline v0
