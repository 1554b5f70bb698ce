// OLMo (Groeneveld et al. 2024, "OLMo: accelerating the science of language models"): Llama's layers with a LayerNorm
// that has no weights.
#pragma once
#include <fauna/models/decoder.hpp>

namespace fauna::inline v0 {

struct OlmoStyle : DecoderStyle {
  static constexpr ConfigNames names = in_files("olmo", "fauna::Olmo", "fauna::OlmoConfig", "fauna/models/olmo.hpp");
  static constexpr norm_form norm = norm_form::layer_plain;
};
using OlmoConfig = DecoderConfig<OlmoStyle>;
template <OlmoConfig c> struct Olmo : Decoder<c> {};

using Olmo1B = Olmo<OlmoConfig{.layers = 16,
                               .heads = 16,
                               .kv_heads = 16,
                               .head_size = 128,
                               .width = 2048,
                               .hidden = 8192,
                               .context = 2048,
                               .vocab = 50304,
                               .tied = true}>;
using Olmo7B = Olmo<OlmoConfig{.layers = 32,
                               .heads = 32,
                               .kv_heads = 32,
                               .head_size = 128,
                               .width = 4096,
                               .hidden = 11008,
                               .context = 2048,
                               .vocab = 50304}>;
using OlmoShakespeare = Olmo<for_characters(Olmo1B::config)>;

}  // namespace fauna::inline v0
