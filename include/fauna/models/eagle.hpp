// EAGLE (Li et al. 2024, "EAGLE: Speculative sampling requires rethinking feature uncertainty"): a layer that guesses
// what a model's trunk gives for the next row, its feature, from that of this row and the token behind it.
//   e_i = embedding of token i      f_i = the target's feature of row i      x_i = [e_{i+1} ; f_i]      [2 width]
//   f'_{i+1} = layer(fc(x_0 … x_i))_i      the target's own head gives the logits of token i + 2 from it (section 4.1)
// The token table is the target's too. Names are those of the published checkpoints.
#pragma once
#include <fauna/blocks/mlp.hpp>
#include <fauna/blocks/norm.hpp>
#include <fauna/blocks/rotary_attention.hpp>
#include <fauna/compose/residual.hpp>
#include <fauna/compose/stack.hpp>
#include <fauna/models/lm.hpp>

namespace fauna::inline v0 {

/// Sizes are those of the target, but for heads and what is inside the MLP.
struct EagleConfig {
  int heads = 32, kv_heads = 32, head_size = 128;
  int width = 4096;
  int hidden = 11008;   ///< columns inside the MLP, of each of its two halves
  int context = 4096;   ///< most tokens of a text; no weight depends on it
  int vocab = 32000;    ///< of the target
  double base = 10000;  ///< of the rotary frequencies
  RopeScaling scaling{};
  float epsilon = 1e-6F;
  bool fc_bias = true, attention_bias = false;
  activation act = activation::silu;

  constexpr bool operator==(EagleConfig const&) const = default;
  static constexpr ConfigNames names{"eagle", "fauna::Eagle", "fauna::EagleConfig", "fauna/models/eagle.hpp"};
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("heads", c.heads), f("kv_heads", c.kv_heads), f("head_size", c.head_size);
    f("width", c.width), f("hidden", c.hidden), f("context", c.context), f("vocab", c.vocab);
    f("base", c.base), f("scaling", c.scaling), f("epsilon", c.epsilon);
    f("fc_bias", c.fc_bias), f("attention_bias", c.attention_bias), f("act", c.act);
  }
};

/// Of a target with attention, whose layers the drafter's is like.
template <class Target>
concept HasEagle = requires(Target const& t) { t.kv_heads, t.head_size, t.hidden, t.base, t.scaling, t.epsilon, t.act; };
template <HasEagle Target> constexpr EagleConfig eagle_of(Target const& t) {
  return {.heads = t.heads,
          .kv_heads = t.kv_heads,
          .head_size = t.head_size,
          .width = t.width,
          .hidden = t.hidden,
          .context = t.context,
          .vocab = t.vocab,
          .base = t.base,
          .scaling = t.scaling,
          .epsilon = t.epsilon,
          .act = t.act};
}

/// A Llama layer that does not normalise what attention reads.
template <int Width, class Attention, class Mlp, Epsilon E>
struct EagleLayer : Seq<Residual<At<"self_attn", Attention>>,
                        Residual<Seq<At<"post_attention_layernorm", RmsNorm<Width, E>>, At<"mlp", Mlp>>>> {};

/// From rows [e ; f] to the features of the next rows.
template <EagleConfig c>
struct Eagle
    : Seq<At<"fc", Linear<2 * c.width, c.width, c.fc_bias>>,
          At<"layers", Stack<0, 1,
                             EagleLayer<c.width,
                                        RotaryAttention<c.width, c.heads, c.kv_heads, c.head_size,
                                                        RopeShape{.base = c.base, .scaling = c.scaling},
                                                        c.attention_bias>,
                                        GatedMlp<c.width, c.hidden, c.act>, Epsilon{c.epsilon}>>>> {
  static constexpr EagleConfig config = c;
  static constexpr int width = c.width, vocab = c.vocab;
  /// Files may have the target's token table too.
  static constexpr const char* holds_beside[] = {"embed_tokens.weight"};
};

}  // namespace fauna::inline v0
