// EXAONE 4.0 (LG AI Research 2025, "EXAONE 4.0: unified large language models"): norms follow attention and MLP,
// RMSNorm over each head of queries and keys, three layers with a window for one that sees all and knows no positions.
#pragma once
#include <fauna/models/decoder.hpp>

namespace fauna::inline v0 {

struct Exaone4Style : DecoderStyle {
  static constexpr ConfigNames names =
      in_files("exaone4", "fauna::Exaone4", "fauna::Exaone4Config", "fauna/models/exaone4.hpp");
  static constexpr label attention_before = "", attention_after = "post_attention_layernorm", mlp_before = "",
                         mlp_after = "post_feedforward_layernorm";
  static constexpr qk_norm normed = qk_norm::head;
  static constexpr bool bare_full = true;
};
using Exaone4Config = DecoderConfig<Exaone4Style>;
template <Exaone4Config c> struct Exaone4 : Decoder<c> {};

using Exaone4_32B = Exaone4<Exaone4Config{.layers = 64,
                                          .heads = 40,
                                          .kv_heads = 8,
                                          .head_size = 128,
                                          .width = 5120,
                                          .hidden = 27392,
                                          .context = 131072,
                                          .vocab = 102400,
                                          .window = 4096,
                                          .full_every = 4,
                                          .base = 1000000,
                                          .scaling = {.kind = rope_scaling::llama3, .factor = 16}}>;
using Exaone4Shakespeare = Exaone4<for_characters(Exaone4_32B::config)>;

}  // namespace fauna::inline v0
