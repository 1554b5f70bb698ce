// Mistral (Jiang et al. 2023, "Mistral 7B"): Llama's layers, whose rows see a window of those before them.
#pragma once
#include <fauna/models/decoder.hpp>

namespace fauna::inline v0 {

struct MistralStyle : DecoderStyle {
  static constexpr ConfigNames names =
      in_files("mistral", "fauna::Mistral", "fauna::MistralConfig", "fauna/models/mistral.hpp");
};
using MistralConfig = DecoderConfig<MistralStyle>;
template <MistralConfig c> struct Mistral : Decoder<c> {};

using Mistral7B_v01 = Mistral<MistralConfig{.layers = 32,
                                            .heads = 32,
                                            .kv_heads = 8,
                                            .head_size = 128,
                                            .width = 4096,
                                            .hidden = 14336,
                                            .context = 32768,
                                            .vocab = 32000,
                                            .window = 4096,
                                            .full_every = unbounded}>;
using Mistral7B_v03 = Mistral<MistralConfig{.layers = 32,
                                            .heads = 32,
                                            .kv_heads = 8,
                                            .head_size = 128,
                                            .width = 4096,
                                            .hidden = 14336,
                                            .context = 32768,
                                            .vocab = 32768,
                                            .base = 1000000}>;
using MistralShakespeare = Mistral<for_characters(Mistral7B_v01::config)>;

}  // namespace fauna::inline v0
