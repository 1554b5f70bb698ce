// MPT (MosaicML 2023, "Introducing MPT-7B"): biases by distance instead of positions, and none of the other kind
// anywhere, in norms neither.
#pragma once
#include <fauna/models/decoder.hpp>

namespace fauna::inline v0 {

struct MptStyle : DecoderStyle {
  static constexpr ConfigNames names{
      "mpt", "fauna::Mpt", "fauna::MptConfig", "fauna/models/mpt.hpp", "transformer.wte.weight", "lm_head.weight"};
  static constexpr label root = "transformer", table = "wte", layers = "blocks", final_norm = "norm_f";
  static constexpr label attention_before = "norm_1", mlp_before = "norm_2", attention = "attn", fused = "Wqkv",
                         out = "out_proj", mlp = "ffn";
  static constexpr norm_form norm = norm_form::layer_unbiased;
  static constexpr mlp_form mlp_is = mlp_form::plain;
  static constexpr bool rotary = false, alibi = true, tied = true;
  static constexpr activation act = activation::gelu;
};
using MptConfig = DecoderConfig<MptStyle>;
template <MptConfig c> struct Mpt : Decoder<c> {};

using Mpt7B = Mpt<MptConfig{.layers = 32,
                            .heads = 32,
                            .kv_heads = 32,
                            .head_size = 128,
                            .width = 4096,
                            .hidden = 16384,
                            .context = 2048,
                            .vocab = 50432}>;
using Mpt30B = Mpt<MptConfig{.layers = 48,
                             .heads = 64,
                             .kv_heads = 64,
                             .head_size = 112,
                             .width = 7168,
                             .hidden = 28672,
                             .context = 8192,
                             .vocab = 50432}>;
using MptShakespeare = Mpt<for_characters(Mpt7B::config)>;

}  // namespace fauna::inline v0
