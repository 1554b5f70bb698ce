// GPT-NeoX (Black et al. 2022, "GPT-NeoX-20B") and the Pythia suite (Biderman et al. 2023): attention and MLP read the
// same rows, each behind a norm of its own, and both are added to them. Rotary positions turn a part of each head.
#pragma once
#include <fauna/blocks/embedding.hpp>
#include <fauna/blocks/mlp.hpp>
#include <fauna/blocks/norm.hpp>
#include <fauna/blocks/rotary_attention.hpp>
#include <fauna/compose/parallel.hpp>
#include <fauna/compose/residual.hpp>
#include <fauna/compose/stack.hpp>
#include <fauna/models/lm.hpp>

namespace fauna::inline v0 {

/// The defaults are those of Pythia 70M, in its published config.json.
struct GptNeoXConfig {
  int layers = 6;
  int heads = 8;          ///< of a layer; they divide width
  int width = 512;        ///< columns of the residual stream
  int hidden = 2048;      ///< columns inside the MLP
  int context = 2048;     ///< most tokens of a sequence; no weight depends on it
  int vocab = 50304;      ///< rows of the token table, those that pad it included
  int rotary = 16;        ///< columns of each head that are turned
  double base = 10000;    ///< of the rotary frequencies (Su et al. 2021, section 3.2.2)
  float epsilon = 1e-5F;  ///< what the norms add to the variance
  bool parallel = true;   ///< else as in GPT-2: the MLP reads what attention was added to
  bool tied = false;      ///< the head is the token table
  activation act = activation::gelu;

  constexpr bool operator==(GptNeoXConfig const&) const = default;
  static constexpr ConfigNames names{"gpt_neox",
                                     "fauna::GptNeoX",
                                     "fauna::GptNeoXConfig",
                                     "fauna/models/gpt_neox.hpp",
                                     "gpt_neox.embed_in.weight",
                                     "embed_out.weight"};
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("layers", c.layers), f("heads", c.heads), f("width", c.width), f("hidden", c.hidden);
    f("context", c.context), f("vocab", c.vocab), f("rotary", c.rotary), f("base", c.base);
    f("epsilon", c.epsilon), f("parallel", c.parallel), f("tied", c.tied), f("act", c.act);
  }
};

/// x + attention(norm₁(x)) + mlp(norm₂(x)) (Black et al. 2022, section 2.2), or one after the other.
template <bool Parallel_, int Width, class Attention, class Mlp, Epsilon E> struct GptNeoXLayer {};
template <int Width, class Attention, class Mlp, Epsilon E>
struct GptNeoXLayer<true, Width, Attention, Mlp, E>
    : Residual<Parallel<Seq<At<"input_layernorm", LayerNorm<Width, true, E>>, At<"attention", Attention>>,
                        Seq<At<"post_attention_layernorm", LayerNorm<Width, true, E>>, At<"mlp", Mlp>>>> {};
template <int Width, class Attention, class Mlp, Epsilon E>
struct GptNeoXLayer<false, Width, Attention, Mlp, E>
    : Seq<Residual<Seq<At<"input_layernorm", LayerNorm<Width, true, E>>, At<"attention", Attention>>>,
          Residual<Seq<At<"post_attention_layernorm", LayerNorm<Width, true, E>>, At<"mlp", Mlp>>>> {};

/// From embedded tokens to the last norm.
template <GptNeoXConfig c>
struct GptNeoXTrunk
    : Seq<At<"layers",
             Stack<0, c.layers,
                   GptNeoXLayer<c.parallel, c.width,
                                NeoXAttention<c.width, c.heads, RopeShape{.base = c.base, .rotary = c.rotary}>,
                                NeoXMlp<c.width, c.hidden, Activation<c.hidden, c.act>>, Epsilon{c.epsilon}>>>,
          At<"final_layer_norm", LayerNorm<c.width, true, Epsilon{c.epsilon}>>> {};

template <GptNeoXConfig c>
struct GptNeoX : Lm<At<"gpt_neox", At<"embed_in", Embedding<c.vocab, c.width>>>, At<"gpt_neox", GptNeoXTrunk<c>>,
                    std::conditional_t<c.tied, TiedHead<c.width, c.vocab>, At<"embed_out", LmHead<c.width, c.vocab>>>> {
  static constexpr GptNeoXConfig config = c;
};

using Pythia70M = GptNeoX<GptNeoXConfig{}>;
using Pythia160M = GptNeoX<GptNeoXConfig{.layers = 12, .heads = 12, .width = 768, .hidden = 3072}>;
using Pythia410M = GptNeoX<GptNeoXConfig{.layers = 24, .heads = 16, .width = 1024, .hidden = 4096}>;
using Pythia1B = GptNeoX<GptNeoXConfig{.layers = 16, .heads = 8, .width = 2048, .hidden = 8192, .rotary = 64}>;
using Pythia1_4B = GptNeoX<GptNeoXConfig{.layers = 24, .heads = 16, .width = 2048, .hidden = 8192, .rotary = 32}>;
using Pythia2_8B = GptNeoX<GptNeoXConfig{.layers = 32, .heads = 32, .width = 2560, .hidden = 10240, .rotary = 20}>;
using Pythia6_9B =
    GptNeoX<GptNeoXConfig{.layers = 32, .heads = 32, .width = 4096, .hidden = 16384, .vocab = 50432, .rotary = 32}>;
using Pythia12B =
    GptNeoX<GptNeoXConfig{.layers = 36, .heads = 40, .width = 5120, .hidden = 20480, .vocab = 50688, .rotary = 32}>;
/// For characters: as many parameters as nanoGPT's CPU model has.
using GptNeoXShakespeare = GptNeoX<GptNeoXConfig{
    .layers = 4, .heads = 4, .width = 128, .hidden = 512, .context = 64, .vocab = 65, .rotary = 8}>;

}  // namespace fauna::inline v0
