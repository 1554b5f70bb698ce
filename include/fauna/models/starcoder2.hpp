// StarCoder2 (Lozhkov et al. 2024, "StarCoder 2 and The Stack v2"): LayerNorm, biases, an MLP of two matrices, a window
// in every layer.
#pragma once
#include <fauna/models/decoder.hpp>

namespace fauna::inline v0 {

struct StarCoder2Style : DecoderStyle {
  static constexpr ConfigNames names =
      in_files("starcoder2", "fauna::StarCoder2", "fauna::StarCoder2Config", "fauna/models/starcoder2.hpp");
  static constexpr label up = "c_fc", down = "c_proj";
  static constexpr norm_form norm = norm_form::layer;
  static constexpr mlp_form mlp_is = mlp_form::plain;
  static constexpr bool qkv_bias = true, out_bias = true, mlp_bias = true, tied = true;
  static constexpr activation act = activation::gelu_tanh;
};
using StarCoder2Config = DecoderConfig<StarCoder2Style>;
template <StarCoder2Config c> struct StarCoder2 : Decoder<c> {};

using StarCoder2_3B = StarCoder2<StarCoder2Config{.layers = 30,
                                                  .heads = 24,
                                                  .kv_heads = 2,
                                                  .head_size = 128,
                                                  .width = 3072,
                                                  .hidden = 12288,
                                                  .context = 16384,
                                                  .vocab = 49152,
                                                  .window = 4096,
                                                  .full_every = unbounded,
                                                  .base = 999999.4420358813}>;
using StarCoder2Shakespeare = StarCoder2<for_characters(StarCoder2_3B::config)>;

}  // namespace fauna::inline v0
