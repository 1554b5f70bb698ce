// Gemma 2 (Gemma Team 2024, "Gemma 2: improving open language models at a practical size"): norms before and after
// attention and MLP, a window in every second layer, capped scores and logits.
#pragma once
#include <fauna/models/decoder.hpp>

namespace fauna::inline v0 {

struct Gemma2Style : DecoderStyle {
  static constexpr ConfigNames names =
      in_files("gemma2", "fauna::Gemma2", "fauna::Gemma2Config", "fauna/models/gemma2.hpp");
  static constexpr norm_form norm = norm_form::rms_around_one;
  static constexpr bool scaled_embedding = true, tied = true;
  static constexpr activation act = activation::gelu_tanh;
  static constexpr label attention_after = "post_attention_layernorm", mlp_before = "pre_feedforward_layernorm",
                         mlp_after = "post_feedforward_layernorm";
};
using Gemma2Config = DecoderConfig<Gemma2Style>;
template <Gemma2Config c> struct Gemma2 : Decoder<c> {};

using Gemma2_2B = Gemma2<Gemma2Config{.layers = 26,
                                      .heads = 8,
                                      .kv_heads = 4,
                                      .head_size = 256,
                                      .width = 2304,
                                      .hidden = 9216,
                                      .context = 8192,
                                      .vocab = 256000,
                                      .window = 4096,
                                      .full_every = 2,
                                      .score_scale = 0.0625,
                                      .score_cap = 50,
                                      .logit_cap = 30,
                                      .epsilon = 1e-6F}>;
using Gemma2_9B = Gemma2<Gemma2Config{.layers = 42,
                                      .heads = 16,
                                      .kv_heads = 8,
                                      .head_size = 256,
                                      .width = 3584,
                                      .hidden = 14336,
                                      .context = 8192,
                                      .vocab = 256000,
                                      .window = 4096,
                                      .full_every = 2,
                                      .score_scale = 0.0625,
                                      .score_cap = 50,
                                      .logit_cap = 30,
                                      .epsilon = 1e-6F}>;
using Gemma2_27B = Gemma2<Gemma2Config{.layers = 46,
                                       .heads = 32,
                                       .kv_heads = 16,
                                       .head_size = 128,
                                       .width = 4608,
                                       .hidden = 36864,
                                       .context = 8192,
                                       .vocab = 256000,
                                       .window = 4096,
                                       .full_every = 2,
                                       .score_scale = 1.0 / 12,
                                       .score_cap = 50,
                                       .logit_cap = 30,
                                       .epsilon = 1e-6F}>;
using Gemma2Shakespeare = Gemma2<for_characters(Gemma2_2B::config)>;

}  // namespace fauna::inline v0
