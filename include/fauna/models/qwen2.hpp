// Qwen2 and Qwen2.5 (Yang et al. 2024, "Qwen2 technical report"): Llama's layers with biases in the projections to
// queries, keys and values.
#pragma once
#include <fauna/models/decoder.hpp>

namespace fauna::inline v0 {

struct Qwen2Style : DecoderStyle {
  static constexpr ConfigNames names =
      in_files("qwen2", "fauna::Qwen2", "fauna::Qwen2Config", "fauna/models/qwen2.hpp");
  static constexpr bool qkv_bias = true;
};
using Qwen2Config = DecoderConfig<Qwen2Style>;
template <Qwen2Config c> struct Qwen2 : Decoder<c> {};

using Qwen25_0_5B = Qwen2<Qwen2Config{.layers = 24,
                                      .heads = 14,
                                      .kv_heads = 2,
                                      .head_size = 64,
                                      .width = 896,
                                      .hidden = 4864,
                                      .context = 32768,
                                      .vocab = 151936,
                                      .base = 1000000,
                                      .epsilon = 1e-6F,
                                      .tied = true}>;
using Qwen25_1_5B = Qwen2<Qwen2Config{.layers = 28,
                                      .heads = 12,
                                      .kv_heads = 2,
                                      .head_size = 128,
                                      .width = 1536,
                                      .hidden = 8960,
                                      .context = 131072,
                                      .vocab = 151936,
                                      .base = 1000000,
                                      .epsilon = 1e-6F,
                                      .tied = true}>;
using Qwen25_7B = Qwen2<Qwen2Config{.layers = 28,
                                    .heads = 28,
                                    .kv_heads = 4,
                                    .head_size = 128,
                                    .width = 3584,
                                    .hidden = 18944,
                                    .context = 131072,
                                    .vocab = 152064,
                                    .base = 1000000,
                                    .epsilon = 1e-6F}>;
using Qwen2Shakespeare = Qwen2<for_characters(Qwen25_0_5B::config)>;

}  // namespace fauna::inline v0
