// Nemotron-4 and Minitron (Parmar et al. 2024, "Nemotron-4 15B technical report"): LayerNorm whose weights are kept
// around zero, an MLP of two matrices with squared ReLU, half of each head turned.
#pragma once
#include <fauna/models/decoder.hpp>

namespace fauna::inline v0 {

struct NemotronStyle : DecoderStyle {
  static constexpr ConfigNames names =
      in_files("nemotron", "fauna::Nemotron", "fauna::NemotronConfig", "fauna/models/nemotron.hpp");
  static constexpr norm_form norm = norm_form::layer_around_one;
  static constexpr mlp_form mlp_is = mlp_form::plain;
  static constexpr activation act = activation::relu_squared;
};
using NemotronConfig = DecoderConfig<NemotronStyle>;
template <NemotronConfig c> struct Nemotron : Decoder<c> {};

using Minitron4B = Nemotron<NemotronConfig{.layers = 32,
                                           .heads = 24,
                                           .kv_heads = 8,
                                           .head_size = 128,
                                           .width = 3072,
                                           .hidden = 9216,
                                           .context = 4096,
                                           .vocab = 256000,
                                           .turned = 0.5}>;
using Minitron8B = Nemotron<NemotronConfig{.layers = 32,
                                           .heads = 48,
                                           .kv_heads = 8,
                                           .head_size = 128,
                                           .width = 4096,
                                           .hidden = 16384,
                                           .context = 4096,
                                           .vocab = 256000,
                                           .turned = 0.5}>;
using NemotronShakespeare = Nemotron<for_characters(Minitron4B::config)>;

}  // namespace fauna::inline v0
