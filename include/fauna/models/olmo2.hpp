// OLMo 2 (OLMo Team 2024, "2 OLMo 2 Furious"): norms follow attention and MLP instead of preceding them, and RMSNorm
// over whole queries and keys.
#pragma once
#include <fauna/models/decoder.hpp>

namespace fauna::inline v0 {

struct Olmo2Style : DecoderStyle {
  static constexpr ConfigNames names =
      in_files("olmo2", "fauna::Olmo2", "fauna::Olmo2Config", "fauna/models/olmo2.hpp");
  static constexpr label attention_before = "", attention_after = "post_attention_layernorm", mlp_before = "",
                         mlp_after = "post_feedforward_layernorm";
  static constexpr qk_norm normed = qk_norm::full;
};
using Olmo2Config = DecoderConfig<Olmo2Style>;
template <Olmo2Config c> struct Olmo2 : Decoder<c> {};

using Olmo2_1B = Olmo2<Olmo2Config{.layers = 16,
                                   .heads = 16,
                                   .kv_heads = 16,
                                   .head_size = 128,
                                   .width = 2048,
                                   .hidden = 8192,
                                   .context = 4096,
                                   .vocab = 100352,
                                   .base = 500000,
                                   .epsilon = 1e-6F}>;
using Olmo2_7B = Olmo2<Olmo2Config{.layers = 32,
                                   .heads = 32,
                                   .kv_heads = 32,
                                   .head_size = 128,
                                   .width = 4096,
                                   .hidden = 11008,
                                   .context = 4096,
                                   .vocab = 100352,
                                   .base = 500000,
                                   .epsilon = 1e-6F}>;
using Olmo2Shakespeare = Olmo2<for_characters(Olmo2_1B::config)>;

}  // namespace fauna::inline v0
