// BLOOM (BigScience Workshop 2022, "BLOOM: a 176B-parameter open-access multilingual language model"): biases by
// distance instead of positions, and a norm of the embeddings.
#pragma once
#include <fauna/models/decoder.hpp>

namespace fauna::inline v0 {

struct BloomStyle : DecoderStyle {
  static constexpr ConfigNames names{"bloom",
                                     "fauna::Bloom",
                                     "fauna::BloomConfig",
                                     "fauna/models/bloom.hpp",
                                     "transformer.word_embeddings.weight",
                                     "lm_head.weight"};
  static constexpr label root = "transformer", table = "word_embeddings", table_norm = "word_embeddings_layernorm",
                         layers = "h", final_norm = "ln_f";
  static constexpr label attention = "self_attention", fused = "query_key_value", out = "dense", up = "dense_h_to_4h",
                         down = "dense_4h_to_h";
  static constexpr bool by_group = true;
  static constexpr norm_form norm = norm_form::layer;
  static constexpr mlp_form mlp_is = mlp_form::plain;
  static constexpr bool rotary = false, alibi = true, qkv_bias = true, out_bias = true, mlp_bias = true, tied = true;
  static constexpr activation act = activation::gelu_tanh;
};
/// No weight depends on the context, and no file says it: 2048 is what the published models were trained with.
using BloomConfig = DecoderConfig<BloomStyle>;
template <BloomConfig c> struct Bloom : Decoder<c> {};

using Bloom560M = Bloom<BloomConfig{.layers = 24,
                                    .heads = 16,
                                    .kv_heads = 16,
                                    .head_size = 64,
                                    .width = 1024,
                                    .hidden = 4096,
                                    .context = 2048,
                                    .vocab = 250880}>;
using Bloom1_1B = Bloom<BloomConfig{.layers = 24,
                                    .heads = 16,
                                    .kv_heads = 16,
                                    .head_size = 96,
                                    .width = 1536,
                                    .hidden = 6144,
                                    .context = 2048,
                                    .vocab = 250880}>;
using Bloom1_7B = Bloom<BloomConfig{.layers = 24,
                                    .heads = 16,
                                    .kv_heads = 16,
                                    .head_size = 128,
                                    .width = 2048,
                                    .hidden = 8192,
                                    .context = 2048,
                                    .vocab = 250880}>;
using Bloom3B = Bloom<BloomConfig{.layers = 30,
                                  .heads = 32,
                                  .kv_heads = 32,
                                  .head_size = 80,
                                  .width = 2560,
                                  .hidden = 10240,
                                  .context = 2048,
                                  .vocab = 250880}>;
using Bloom7_1B = Bloom<BloomConfig{.layers = 30,
                                    .heads = 32,
                                    .kv_heads = 32,
                                    .head_size = 128,
                                    .width = 4096,
                                    .hidden = 16384,
                                    .context = 2048,
                                    .vocab = 250880}>;
using Bloom176B = Bloom<BloomConfig{.layers = 70,
                                    .heads = 112,
                                    .kv_heads = 112,
                                    .head_size = 128,
                                    .width = 14336,
                                    .hidden = 57344,
                                    .context = 2048,
                                    .vocab = 250880}>;
using BloomShakespeare = Bloom<for_characters(Bloom560M::config)>;

}  // namespace fauna::inline v0
