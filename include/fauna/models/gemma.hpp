// Gemma (Gemma Team 2024, "Gemma: open models based on Gemini research and technology"): norms keep their weights
// around zero, embeddings are scaled, the MLP is GEGLU.
#pragma once
#include <fauna/models/decoder.hpp>

namespace fauna::inline v0 {

struct GemmaStyle : DecoderStyle {
  static constexpr ConfigNames names =
      in_files("gemma", "fauna::Gemma", "fauna::GemmaConfig", "fauna/models/gemma.hpp");
  static constexpr norm_form norm = norm_form::rms_around_one;
  static constexpr bool scaled_embedding = true, tied = true;
  static constexpr activation act = activation::gelu_tanh;
};
using GemmaConfig = DecoderConfig<GemmaStyle>;
template <GemmaConfig c> struct Gemma : Decoder<c> {};

using Gemma2B = Gemma<GemmaConfig{.layers = 18,
                                  .heads = 8,
                                  .kv_heads = 1,
                                  .head_size = 256,
                                  .width = 2048,
                                  .hidden = 16384,
                                  .context = 8192,
                                  .vocab = 256000,
                                  .epsilon = 1e-6F}>;
using Gemma7B = Gemma<GemmaConfig{.layers = 28,
                                  .heads = 16,
                                  .kv_heads = 16,
                                  .head_size = 256,
                                  .width = 3072,
                                  .hidden = 24576,
                                  .context = 8192,
                                  .vocab = 256000,
                                  .epsilon = 1e-6F}>;
using GemmaShakespeare = Gemma<for_characters(Gemma2B::config)>;

}  // namespace fauna::inline v0
