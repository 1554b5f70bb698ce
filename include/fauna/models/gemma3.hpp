// Gemma 3, its text models (Gemma Team 2025, "Gemma 3 technical report"): Gemma 2's norms, RMSNorm over each head of
// queries and keys, and five layers with a window, whose rotary base is small, for one without.
#pragma once
#include <fauna/models/decoder.hpp>

namespace fauna::inline v0 {

struct Gemma3Style : DecoderStyle {
  static constexpr ConfigNames names =
      in_files("gemma3", "fauna::Gemma3", "fauna::Gemma3Config", "fauna/models/gemma3.hpp");
  static constexpr norm_form norm = norm_form::rms_around_one;
  static constexpr bool scaled_embedding = true, tied = true;
  static constexpr activation act = activation::gelu_tanh;
  static constexpr qk_norm normed = qk_norm::head;
  static constexpr label attention_after = "post_attention_layernorm", mlp_before = "pre_feedforward_layernorm",
                         mlp_after = "post_feedforward_layernorm";
};
using Gemma3Config = DecoderConfig<Gemma3Style>;
template <Gemma3Config c> struct Gemma3 : Decoder<c> {};

using Gemma3_270M = Gemma3<Gemma3Config{.layers = 18,
                                        .heads = 4,
                                        .kv_heads = 1,
                                        .head_size = 256,
                                        .width = 640,
                                        .hidden = 2048,
                                        .context = 32768,
                                        .vocab = 262144,
                                        .window = 512,
                                        .full_every = 6,
                                        .base = 1000000,
                                        .window_base = 10000,
                                        .score_scale = 0.0625,
                                        .epsilon = 1e-6F}>;
using Gemma3_1B = Gemma3<Gemma3Config{.layers = 26,
                                      .heads = 4,
                                      .kv_heads = 1,
                                      .head_size = 256,
                                      .width = 1152,
                                      .hidden = 6912,
                                      .context = 32768,
                                      .vocab = 262144,
                                      .window = 512,
                                      .full_every = 6,
                                      .base = 1000000,
                                      .window_base = 10000,
                                      .score_scale = 0.0625,
                                      .epsilon = 1e-6F}>;
using Gemma3Shakespeare = Gemma3<for_characters(Gemma3_1B::config)>;

}  // namespace fauna::inline v0
