// Phi-3 and Phi-4 (Abdin et al. 2024, "Phi-3 technical report"): Llama's layers with one projection to queries, keys
// and values and one to both halves of the MLP.
#pragma once
#include <fauna/models/decoder.hpp>

namespace fauna::inline v0 {

struct Phi3Style : DecoderStyle {
  static constexpr ConfigNames names = in_files("phi3", "fauna::Phi3", "fauna::Phi3Config", "fauna/models/phi3.hpp");
  static constexpr label fused = "qkv_proj";
  static constexpr mlp_form mlp_is = mlp_form::gated_fused;
};
using Phi3Config = DecoderConfig<Phi3Style>;
template <Phi3Config c> struct Phi3 : Decoder<c> {};

using Phi3Mini4k = Phi3<Phi3Config{.layers = 32,
                                   .heads = 32,
                                   .kv_heads = 32,
                                   .head_size = 96,
                                   .width = 3072,
                                   .hidden = 8192,
                                   .context = 4096,
                                   .vocab = 32064,
                                   .window = 2047,
                                   .full_every = unbounded}>;
using Phi4 = Phi3<Phi3Config{.layers = 40,
                             .heads = 40,
                             .kv_heads = 10,
                             .head_size = 128,
                             .width = 5120,
                             .hidden = 17920,
                             .context = 16384,
                             .vocab = 100352,
                             .base = 250000}>;
using Phi3Shakespeare = Phi3<for_characters(Phi3Mini4k::config)>;

}  // namespace fauna::inline v0
