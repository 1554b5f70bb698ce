// Granite 3 (Granite Team, IBM 2024, "Granite 3.0 language models"): Llama's layers with four constants, of embeddings,
// scores, what layers add, and logits.
#pragma once
#include <fauna/models/decoder.hpp>

namespace fauna::inline v0 {

struct GraniteStyle : DecoderStyle {
  static constexpr ConfigNames names =
      in_files("granite", "fauna::Granite", "fauna::GraniteConfig", "fauna/models/granite.hpp");
};
using GraniteConfig = DecoderConfig<GraniteStyle>;
template <GraniteConfig c> struct Granite : Decoder<c> {};

using Granite31_2B = Granite<GraniteConfig{.layers = 40,
                                           .heads = 32,
                                           .kv_heads = 8,
                                           .head_size = 64,
                                           .width = 2048,
                                           .hidden = 8192,
                                           .context = 131072,
                                           .vocab = 49155,
                                           .base = 5000000,
                                           .score_scale = 0.015625,
                                           .embedding_scale = 12,
                                           .residual_scale = 0.22,
                                           .logit_scale = 0.125,
                                           .tied = true}>;
using Granite31_8B = Granite<GraniteConfig{.layers = 40,
                                           .heads = 32,
                                           .kv_heads = 8,
                                           .head_size = 128,
                                           .width = 4096,
                                           .hidden = 12800,
                                           .context = 131072,
                                           .vocab = 49155,
                                           .base = 10000000,
                                           .score_scale = 0.0078125,
                                           .embedding_scale = 12,
                                           .residual_scale = 0.22,
                                           .logit_scale = 1.0 / 16,
                                           .tied = true}>;
using GraniteShakespeare = Granite<for_characters(Granite31_2B::config)>;

}  // namespace fauna::inline v0
