// SmolLM3 (Hugging Face 2025): Llama's layers, every fourth of which knows no positions (Yang et al. 2025, "RoPE to
// NoPE and back again").
#pragma once
#include <fauna/models/decoder.hpp>

namespace fauna::inline v0 {

struct SmolLm3Style : DecoderStyle {
  static constexpr ConfigNames names =
      in_files("smollm3", "fauna::SmolLm3", "fauna::SmolLm3Config", "fauna/models/smollm3.hpp");
  static constexpr bool bare_full = true;
};
using SmolLm3Config = DecoderConfig<SmolLm3Style>;
template <SmolLm3Config c> struct SmolLm3 : Decoder<c> {};

using SmolLm3_3B = SmolLm3<SmolLm3Config{.layers = 36,
                                         .heads = 16,
                                         .kv_heads = 4,
                                         .head_size = 128,
                                         .width = 2048,
                                         .hidden = 11008,
                                         .context = 65536,
                                         .vocab = 128256,
                                         .full_every = 4,
                                         .base = 5000000,
                                         .epsilon = 1e-6F,
                                         .tied = true}>;
using SmolLm3Shakespeare = SmolLm3<for_characters(SmolLm3_3B::config)>;

}  // namespace fauna::inline v0
