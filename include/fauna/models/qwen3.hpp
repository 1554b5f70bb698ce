// Qwen3 (Yang et al. 2025, "Qwen3 technical report"): Llama's layers with RMSNorm over each head of queries and keys,
// and heads that need not divide the width.
#pragma once
#include <fauna/models/decoder.hpp>

namespace fauna::inline v0 {

struct Qwen3Style : DecoderStyle {
  static constexpr ConfigNames names =
      in_files("qwen3", "fauna::Qwen3", "fauna::Qwen3Config", "fauna/models/qwen3.hpp");
  static constexpr qk_norm normed = qk_norm::head;
};
using Qwen3Config = DecoderConfig<Qwen3Style>;
template <Qwen3Config c> struct Qwen3 : Decoder<c> {};

using Qwen3_0_6B = Qwen3<Qwen3Config{.layers = 28,
                                     .heads = 16,
                                     .kv_heads = 8,
                                     .head_size = 128,
                                     .width = 1024,
                                     .hidden = 3072,
                                     .context = 40960,
                                     .vocab = 151936,
                                     .base = 1000000,
                                     .epsilon = 1e-6F,
                                     .tied = true}>;
using Qwen3_8B = Qwen3<Qwen3Config{.layers = 36,
                                   .heads = 32,
                                   .kv_heads = 8,
                                   .head_size = 128,
                                   .width = 4096,
                                   .hidden = 12288,
                                   .context = 40960,
                                   .vocab = 151936,
                                   .base = 1000000,
                                   .epsilon = 1e-6F}>;
using Qwen3Shakespeare = Qwen3<for_characters(Qwen3_0_6B::config)>;

}  // namespace fauna::inline v0
