// Phi-1.5 and Phi-2 (Li et al. 2023, "Textbooks are all you need II"): attention and MLP side by side behind one
// LayerNorm, biases everywhere, a part of each head turned.
#pragma once
#include <fauna/models/decoder.hpp>

namespace fauna::inline v0 {

struct PhiStyle : DecoderStyle {
  static constexpr ConfigNames names = in_files("phi", "fauna::Phi", "fauna::PhiConfig", "fauna/models/phi.hpp");
  static constexpr label out = "dense", up = "fc1", down = "fc2", mlp_before = "", final_norm = "final_layernorm";
  static constexpr norm_form norm = norm_form::layer;
  static constexpr mlp_form mlp_is = mlp_form::plain;
  static constexpr bool parallel = true, head_bias = true, qkv_bias = true, out_bias = true, mlp_bias = true;
  static constexpr activation act = activation::gelu_tanh;
};
using PhiConfig = DecoderConfig<PhiStyle>;
template <PhiConfig c> struct Phi : Decoder<c> {};

using Phi1_5 = Phi<PhiConfig{.layers = 24,
                             .heads = 32,
                             .kv_heads = 32,
                             .head_size = 64,
                             .width = 2048,
                             .hidden = 8192,
                             .context = 2048,
                             .vocab = 51200,
                             .turned = 0.5}>;
using Phi2 = Phi<PhiConfig{.layers = 32,
                           .heads = 32,
                           .kv_heads = 32,
                           .head_size = 80,
                           .width = 2560,
                           .hidden = 10240,
                           .context = 2048,
                           .vocab = 51200,
                           .turned = 0.4}>;
using PhiShakespeare = Phi<for_characters(Phi2::config)>;

}  // namespace fauna::inline v0
