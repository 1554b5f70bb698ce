// Falcon (Almazrouei et al. 2023, "The Falcon series of open language models"), in its three forms:
//   7B        attention and MLP side by side behind one norm, one key head
//   40B       the same behind a norm each, some key heads
//   RW        one after the other, as many key heads as heads, biases by distance instead of turned heads, which share
//             the scale of the scores (transformers rounds their slopes to bfloat16, which is not done here)
#pragma once
#include <fauna/models/decoder.hpp>

namespace fauna::inline v0 {

struct FalconStyle : DecoderStyle {
  static constexpr label root = "transformer", table = "word_embeddings", layers = "h", final_norm = "ln_f";
  static constexpr label mlp_before = "", attention = "self_attention", fused = "query_key_value", out = "dense",
                         up = "dense_h_to_4h", down = "dense_4h_to_h";
  static constexpr norm_form norm = norm_form::layer;
  static constexpr mlp_form mlp_is = mlp_form::plain;
  static constexpr bool by_group = true, parallel = true, tied = true;
  static constexpr activation act = activation::gelu;
};
struct FalconGroupedStyle : FalconStyle {
  static constexpr label attention_before = "ln_attn", mlp_before = "ln_mlp";
};
struct FalconAlibiStyle : FalconStyle {
  static constexpr label mlp_before = "post_attention_layernorm";
  static constexpr bool parallel = false, rotary = false, alibi = true, alibi_last = true;
};

/// The defaults are those of Falcon 7B.
struct FalconConfig {
  int layers = 32;
  int heads = 71;         ///< of queries, in a layer
  int kv_heads = 1;       ///< of keys and of values
  int width = 4544;       ///< columns of the residual stream
  int hidden = 18176;     ///< columns inside the MLP
  int context = 2048;     ///< most tokens of a sequence; no weight depends on it
  int vocab = 65024;      ///< rows of the token table
  double base = 10000;    ///< of the rotary frequencies
  float epsilon = 1e-5F;  ///< what the norms add
  bool grouped = false;   ///< the form of 40B
  bool alibi = false;     ///< the form of RW
  bool bias = false;      ///< of all projections
  bool tied = true;       ///< the head is the token table
  activation act = activation::gelu;

  constexpr bool operator==(FalconConfig const&) const = default;
  static constexpr ConfigNames names{"falcon",
                                     "fauna::Falcon",
                                     "fauna::FalconConfig",
                                     "fauna/models/falcon.hpp",
                                     "transformer.word_embeddings.weight",
                                     "lm_head.weight"};
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("layers", c.layers), f("heads", c.heads), f("kv_heads", c.kv_heads), f("width", c.width), f("hidden", c.hidden);
    f("context", c.context), f("vocab", c.vocab), f("base", c.base), f("epsilon", c.epsilon), f("grouped", c.grouped);
    f("alibi", c.alibi), f("bias", c.bias), f("tied", c.tied), f("act", c.act);
  }
  template <class Style> constexpr DecoderConfig<Style> decoder() const {
    return {.layers = layers,
            .heads = heads,
            .kv_heads = kv_heads,
            .head_size = width / heads,
            .width = width,
            .hidden = hidden,
            .context = context,
            .vocab = vocab,
            .base = base,
            .epsilon = epsilon,
            .qkv_bias = bias,
            .out_bias = bias,
            .mlp_bias = bias,
            .tied = tied,
            .act = act};
  }
};

template <FalconConfig c>
using FalconStyleOf =
    std::conditional_t<c.alibi, FalconAlibiStyle, std::conditional_t<c.grouped, FalconGroupedStyle, FalconStyle>>;
template <FalconConfig c> struct Falcon : Decoder<c.template decoder<FalconStyleOf<c>>()> {
  static_assert(c.width % c.heads == 0, "the heads of a Falcon share its width");
  static_assert(!(c.alibi && c.grouped) && (c.grouped || c.kv_heads == (c.alibi ? c.heads : 1)),
                "one of Falcon's three forms");
  static constexpr FalconConfig config = c;
};

using Falcon7B = Falcon<FalconConfig{}>;
using Falcon40B =
    Falcon<FalconConfig{.layers = 60, .heads = 128, .kv_heads = 8, .width = 8192, .hidden = 32768, .grouped = true}>;
using Falcon180B =
    Falcon<FalconConfig{.layers = 80, .heads = 232, .kv_heads = 8, .width = 14848, .hidden = 59392, .grouped = true}>;
using FalconRw1B = Falcon<FalconConfig{.layers = 24,
                                       .heads = 32,
                                       .kv_heads = 32,
                                       .width = 2048,
                                       .hidden = 8192,
                                       .vocab = 50304,
                                       .alibi = true,
                                       .bias = true}>;
/// For characters: as many parameters as nanoGPT's CPU model has.
using FalconShakespeare = Falcon<FalconConfig{
    .layers = 4, .heads = 4, .kv_heads = 1, .width = 128, .hidden = 608, .context = 64, .vocab = 65}>;

}  // namespace fauna::inline v0
