// Llama (Touvron et al. 2023, "LLaMA"; Dubey et al. 2024, "The Llama 3 herd of models") and what is built like it:
// pre-norm layers with RMSNorm, rotary positions, grouped key heads and a gated MLP. Names are those of the checkpoints
// on the Hugging Face hub.
#pragma once
#include <fauna/blocks/embedding.hpp>
#include <fauna/blocks/mlp.hpp>
#include <fauna/blocks/norm.hpp>
#include <fauna/blocks/rotary_attention.hpp>
#include <fauna/compose/residual.hpp>
#include <fauna/compose/stack.hpp>
#include <fauna/models/lm.hpp>

namespace fauna::inline v0 {

/// The defaults are those of Llama 2 7B, in its published config.json.
struct LlamaConfig {
  int layers = 32;
  int heads = 32;               ///< of queries, in a layer
  int kv_heads = 32;            ///< of keys and of values; they divide heads
  int head_size = 128;          ///< columns of a head; heads times this need not be width
  int width = 4096;             ///< columns of the residual stream
  int hidden = 11008;           ///< columns inside the MLP, of each of its two halves
  int context = 4096;           ///< most tokens of a sequence; no weight depends on it
  int vocab = 32000;            ///< rows of the token table
  double base = 10000;          ///< of the rotary frequencies (Su et al. 2021, section 3.2.2)
  RopeScaling scaling{};        ///< of the same, for contexts beyond the first training's
  bool tied = false;            ///< the head is the token table
  float epsilon = 1e-5F;        ///< what the norms add to the mean square
  bool attention_bias = false;  ///< of all four projections
  bool mlp_bias = false;        ///< of all three
  activation act = activation::silu;

  constexpr bool operator==(LlamaConfig const&) const = default;
  static constexpr ConfigNames names{
      "llama",         "fauna::Llama", "fauna::LlamaConfig", "fauna/models/llama.hpp", "model.embed_tokens.weight",
      "lm_head.weight"};
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("layers", c.layers), f("heads", c.heads), f("kv_heads", c.kv_heads), f("head_size", c.head_size);
    f("width", c.width), f("hidden", c.hidden), f("context", c.context), f("vocab", c.vocab);
    f("base", c.base), f("scaling", c.scaling), f("tied", c.tied), f("epsilon", c.epsilon);
    f("attention_bias", c.attention_bias), f("mlp_bias", c.mlp_bias), f("act", c.act);
  }
};

/// x + attention(norm(x)), then x + mlp(norm(x)).
template <int Width, class Attention, class Mlp, Epsilon E>
struct LlamaLayer : Seq<Residual<Seq<At<"input_layernorm", RmsNorm<Width, E>>, At<"self_attn", Attention>>>,
                        Residual<Seq<At<"post_attention_layernorm", RmsNorm<Width, E>>, At<"mlp", Mlp>>>> {};

/// From embedded tokens to the last norm.
template <LlamaConfig c>
struct LlamaTrunk
    : Seq<At<"layers",
             Stack<0, c.layers,
                   LlamaLayer<c.width,
                              RotaryAttention<c.width, c.heads, c.kv_heads, c.head_size,
                                              RopeShape{.base = c.base, .scaling = c.scaling}, c.attention_bias>,
                              GatedMlp<c.width, c.hidden, c.act, c.mlp_bias>, Epsilon{c.epsilon}>>>,
          At<"norm", RmsNorm<c.width, Epsilon{c.epsilon}>>> {};

template <LlamaConfig c>
struct Llama : Lm<At<"model", At<"embed_tokens", Embedding<c.vocab, c.width>>>, At<"model", LlamaTrunk<c>>,
                  std::conditional_t<c.tied, TiedHead<c.width, c.vocab>, At<"lm_head", LmHead<c.width, c.vocab>>>> {
  static constexpr LlamaConfig config = c;
};

using Llama2_7B = Llama<LlamaConfig{}>;
using Llama3_8B = Llama<LlamaConfig{.kv_heads = 8, .hidden = 14336, .context = 8192, .vocab = 128256, .base = 500000}>;
using Llama32_1B = Llama<LlamaConfig{.layers = 16,
                                     .kv_heads = 8,
                                     .head_size = 64,
                                     .width = 2048,
                                     .hidden = 8192,
                                     .context = 131072,
                                     .vocab = 128256,
                                     .base = 500000,
                                     .scaling = {.kind = rope_scaling::llama3, .factor = 32},
                                     .tied = true}>;
using Llama32_3B = Llama<LlamaConfig{.layers = 28,
                                     .heads = 24,
                                     .kv_heads = 8,
                                     .width = 3072,
                                     .hidden = 8192,
                                     .context = 131072,
                                     .vocab = 128256,
                                     .base = 500000,
                                     .scaling = {.kind = rope_scaling::llama3, .factor = 32},
                                     .tied = true}>;
using Llama31_8B = Llama<LlamaConfig{.layers = 32,
                                     .heads = 32,
                                     .kv_heads = 8,
                                     .width = 4096,
                                     .hidden = 14336,
                                     .context = 131072,
                                     .vocab = 128256,
                                     .base = 500000,
                                     .scaling = {.kind = rope_scaling::llama3, .factor = 8}}>;
using Llama31_70B = Llama<LlamaConfig{.layers = 80,
                                      .heads = 64,
                                      .kv_heads = 8,
                                      .width = 8192,
                                      .hidden = 28672,
                                      .context = 131072,
                                      .vocab = 128256,
                                      .base = 500000,
                                      .scaling = {.kind = rope_scaling::llama3, .factor = 8}}>;
using Llama31_405B = Llama<LlamaConfig{.layers = 126,
                                       .heads = 128,
                                       .kv_heads = 8,
                                       .width = 16384,
                                       .hidden = 53248,
                                       .context = 131072,
                                       .vocab = 128256,
                                       .base = 500000,
                                       .scaling = {.kind = rope_scaling::llama3, .factor = 8}}>;
using TinyLlama =
    Llama<LlamaConfig{.layers = 22, .kv_heads = 4, .head_size = 64, .width = 2048, .hidden = 5632, .context = 2048}>;
using SmolLm2_135M = Llama<LlamaConfig{.layers = 30,
                                       .heads = 9,
                                       .kv_heads = 3,
                                       .head_size = 64,
                                       .width = 576,
                                       .hidden = 1536,
                                       .context = 8192,
                                       .vocab = 49152,
                                       .base = 100000,
                                       .tied = true}>;
/// For characters: as many parameters as nanoGPT's CPU model has.
using LlamaShakespeare = Llama<LlamaConfig{.layers = 4,
                                           .heads = 4,
                                           .kv_heads = 4,
                                           .head_size = 32,
                                           .width = 128,
                                           .hidden = 344,
                                           .context = 64,
                                           .vocab = 65,
                                           .tied = true}>;

}  // namespace fauna::inline v0
