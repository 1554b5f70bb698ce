// Command R7B (Cohere 2024): attention and MLP side by side behind one LayerNorm, three layers with a window and
// interleaved rotary positions for one without either, scaled logits.
#pragma once
#include <fauna/models/decoder.hpp>

namespace fauna::inline v0 {

struct Cohere2Style : DecoderStyle {
  static constexpr ConfigNames names =
      in_files("cohere2", "fauna::Cohere2", "fauna::Cohere2Config", "fauna/models/cohere2.hpp");
  static constexpr label mlp_before = "";
  static constexpr norm_form norm = norm_form::layer_unbiased;
  static constexpr rope_pairs pairs = rope_pairs::interleaved;
  static constexpr bool parallel = true, bare_full = true, tied = true;
};
using Cohere2Config = DecoderConfig<Cohere2Style>;
template <Cohere2Config c> struct Cohere2 : Decoder<c> {};

using CommandR7B = Cohere2<Cohere2Config{.layers = 32,
                                         .heads = 32,
                                         .kv_heads = 8,
                                         .head_size = 128,
                                         .width = 4096,
                                         .hidden = 14336,
                                         .context = 132096,
                                         .vocab = 256000,
                                         .window = 4096,
                                         .full_every = 4,
                                         .base = 50000,
                                         .logit_scale = 0.25}>;
using Cohere2Shakespeare = Cohere2<for_characters(CommandR7B::config)>;

}  // namespace fauna::inline v0
