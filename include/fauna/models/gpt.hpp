// GPT-2 (Radford et al. 2019, "Language models are unsupervised multitask learners") with nanoGPT's choices: pre-norm
// layers, learned positions, exact GELU, head tied to the token embedding, biases and dropout optional.
#pragma once
#include <fauna/blocks/activation.hpp>
#include <fauna/blocks/attention.hpp>
#include <fauna/blocks/embedding.hpp>
#include <fauna/blocks/mlp.hpp>
#include <fauna/blocks/norm.hpp>
#include <fauna/compose/residual.hpp>
#include <fauna/compose/stack.hpp>
#include <fauna/models/lm.hpp>

namespace fauna::inline v0 {

/// The defaults are those of the smallest GPT-2 (Radford et al. 2019, section 2.3 and table 2, and the hparams.json
/// that was published with it), but for the activation.
struct GptConfig {
  int layers = 12;
  int heads = 12;      ///< of a layer; they divide width
  int width = 768;     ///< columns of the residual stream; the MLP has four times as many inside
  int context = 1024;  ///< rows of the position table: the most tokens of a sequence
  int vocab = 50257;   ///< rows of the token table
  bool bias = true;    ///< in linear layers and norms
  float dropout = 0;   ///< share of activations dropped in training, in [0, 1)
  activation act = activation::gelu;

  constexpr bool operator==(GptConfig const&) const = default;
  static constexpr ConfigNames names{
      "gpt", "fauna::Gpt", "fauna::GptConfig", "fauna/models/gpt.hpp", "transformer.wte.weight", "lm_head.weight"};
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("layers", c.layers), f("heads", c.heads), f("width", c.width), f("context", c.context), f("vocab", c.vocab);
    f("bias", c.bias), f("dropout", c.dropout), f("act", c.act);
  }
};

/// One pre-norm layer (Radford et al. 2019, section 2.3): x + attention(norm(x)), then x + mlp(norm(x)).
template <int Width, int NHeads, bool Bias, Rate Drop, activation Act = activation::gelu>
struct GptLayer
    : Seq<Residual<Seq<At<"ln_1", LayerNorm<Width, Bias>>, At<"attn", CausalAttention<Width, NHeads, Bias, Drop>>>>,
          Residual<Seq<At<"ln_2", LayerNorm<Width, Bias>>,
                       At<"mlp", Mlp<Width, 4 * Width, Gelu<4 * Width, Act>, Bias, Drop>>>>> {};

/// From embedded tokens to the last norm.
template <GptConfig c>
struct GptTrunk : Seq<with_dropout<At<"wpe", LearnedPosition<c.context, c.width>>, Rate{c.dropout}>,
                      At<"h", Stack<0, c.layers, GptLayer<c.width, c.heads, c.bias, Rate{c.dropout}, c.act>>>,
                      At<"ln_f", LayerNorm<c.width, c.bias>>> {};

template <GptConfig c>
struct Gpt : Lm<At<"transformer", At<"wte", Embedding<c.vocab, c.width>>>, At<"transformer", GptTrunk<c>>,
                TiedHead<c.width, c.vocab>> {
  static constexpr GptConfig config = c;
};

/// nanoGPT's Shakespeare configurations, for 65 characters.
using NanoGptCpu = Gpt<GptConfig{.layers = 4, .heads = 4, .width = 128, .context = 64, .vocab = 65, .bias = false}>;
using NanoGptGpu =
    Gpt<GptConfig{.layers = 6, .heads = 6, .width = 384, .context = 256, .vocab = 65, .bias = false, .dropout = 0.2F}>;
/// GPT-2 as published: GELU in its tanh form.
using Gpt2 = Gpt<GptConfig{.act = activation::gelu_tanh}>;
using Gpt2Medium = Gpt<GptConfig{.layers = 24, .heads = 16, .width = 1024, .act = activation::gelu_tanh}>;
using Gpt2Large = Gpt<GptConfig{.layers = 36, .heads = 20, .width = 1280, .act = activation::gelu_tanh}>;
using Gpt2Xl = Gpt<GptConfig{.layers = 48, .heads = 25, .width = 1600, .act = activation::gelu_tanh}>;

}  // namespace fauna::inline v0
