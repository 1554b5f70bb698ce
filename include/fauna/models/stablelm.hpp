// StableLM (Bellagente et al. 2024, "Stable LM 2 1.6B technical report"): Llama's layers with LayerNorm, a quarter of
// each head turned.
#pragma once
#include <fauna/models/decoder.hpp>

namespace fauna::inline v0 {

struct StableLmStyle : DecoderStyle {
  static constexpr ConfigNames names =
      in_files("stablelm", "fauna::StableLm", "fauna::StableLmConfig", "fauna/models/stablelm.hpp");
  static constexpr norm_form norm = norm_form::layer;
};
using StableLmConfig = DecoderConfig<StableLmStyle>;
template <StableLmConfig c> struct StableLm : Decoder<c> {};

using StableLm3B = StableLm<StableLmConfig{.layers = 32,
                                           .heads = 32,
                                           .kv_heads = 32,
                                           .head_size = 80,
                                           .width = 2560,
                                           .hidden = 6912,
                                           .context = 4096,
                                           .vocab = 50304,
                                           .turned = 0.25}>;
using StableLm2_1_6B = StableLm<StableLmConfig{.layers = 24,
                                               .heads = 32,
                                               .kv_heads = 32,
                                               .head_size = 64,
                                               .width = 2048,
                                               .hidden = 5632,
                                               .context = 4096,
                                               .vocab = 100352,
                                               .turned = 0.25,
                                               .qkv_bias = true}>;
using StableLmShakespeare = StableLm<for_characters(StableLm2_1_6B::config)>;

}  // namespace fauna::inline v0
