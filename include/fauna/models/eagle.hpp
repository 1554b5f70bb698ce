// EAGLE (Li et al. 2024, "EAGLE: Speculative sampling requires rethinking feature uncertainty"): a layer that guesses
// what a model's trunk gives for the next row, its feature, from that of this row and the token behind it.
//   e_i = embedding of token i      f_i = the target's feature of row i      x_i = [e_{i+1} ; f_i]      [2 width]
//   f'_{i+1} = layer(fc(x_0 … x_i))_i      the target's own head gives the logits of token i + 2 from it (section 4.1)
// The token table is the target's too. Names are those of the published checkpoints.
#pragma once
#include <vector>

#include <fauna/blocks/columns.hpp>
#include <fauna/blocks/mlp.hpp>
#include <fauna/blocks/norm.hpp>
#include <fauna/blocks/rotary_attention.hpp>
#include <fauna/compose/beside.hpp>
#include <fauna/compose/parallel.hpp>
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
concept HasEagle = requires(Target const& t) {
  t.kv_heads, t.head_size, t.hidden, t.base, t.scaling, t.epsilon, t.act;
};
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
          At<"layers",
             Stack<0, 1,
                   EagleLayer<c.width,
                              RotaryAttention<c.width, c.heads, c.kv_heads, c.head_size,
                                              RopeShape{.base = c.base, .scaling = c.scaling}, c.attention_bias>,
                              GatedMlp<c.width, c.hidden, c.act>, Epsilon{c.epsilon}>>>> {
  static constexpr EagleConfig config = c;
  static constexpr int width = c.width, vocab = c.vocab;
  /// Files may have the target's token table too.
  static constexpr const char* holds_beside[] = {"embed_tokens.weight"};
};

/// EAGLE-3 (Li et al. 2025, "EAGLE-3: Scaling up inference acceleration of large language models via training-time
/// test"): no features are guessed any more, but rows that a head of the drafter's own turns into tokens.
///   g_i = fc(what enters three layers of the target at row i)      [width], of drafted rows: what this layer gave
///   a = g + attention([norm(e) ; norm(g)]),  y = a + mlp(norm(a)),  logits = head(norm(y)) of the drafter's vocabulary
struct Eagle3Config {
  EagleConfig layer{};
  int target_width = 4096;  ///< of each of the three
  int drafts = 32000;       ///< tokens of the drafter's vocabulary

  constexpr bool operator==(Eagle3Config const&) const = default;
  static constexpr ConfigNames names{"eagle3", "fauna::Eagle3", "fauna::Eagle3Config", "fauna/models/eagle.hpp"};
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("layer", c.layer), f("target_width", c.target_width), f("drafts", c.drafts);
  }
  /// The layers, of so many, that what enters is fused: a low one, the middle one and a high one.
  static std::vector<int> layers(int of) { return {2, of / 2, of - 3}; }
};

/// From rows [e ; g]: attention reads both normalised, what is added to is g.
template <EagleConfig c, Epsilon E = Epsilon{c.epsilon}, class Norm = RmsNorm<c.width, E>>
struct Eagle3Layer
    : Seq<Parallel<Columns<2 * c.width, c.width, c.width>,
                   Seq<Beside<At<"input_layernorm", Norm>, At<"hidden_norm", Norm>>,
                       At<"self_attn",
                          Seq<Concat<At<"q_proj", Linear<2 * c.width, c.heads * c.head_size, c.attention_bias>>,
                                     At<"k_proj", Linear<2 * c.width, c.kv_heads * c.head_size, c.attention_bias>>,
                                     At<"v_proj", Linear<2 * c.width, c.kv_heads * c.head_size, c.attention_bias>>>,
                              Rope<c.heads, c.kv_heads, c.head_size, RopeShape{.base = c.base, .scaling = c.scaling}>,
                              AttentionCore<c.heads, c.kv_heads, c.head_size>,
                              At<"o_proj", Linear<c.heads * c.head_size, c.width, c.attention_bias>>>>>>,
          Residual<Seq<At<"post_attention_layernorm", Norm>, At<"mlp", GatedMlp<c.width, c.hidden, c.act>>>>> {};

/// The layer, with what stands before and behind it.
template <Eagle3Config c> struct Eagle3 : At<"midlayer", Eagle3Layer<c.layer>> {
  static constexpr EagleConfig config = c.layer;
  static constexpr int width = c.layer.width, vocab = c.layer.vocab, drafts = c.drafts, target_width = c.target_width;
  static constexpr const char* holds_beside[] = {"embed_tokens.weight", "d2t", "t2d"};
  using Layer = At<"midlayer", Eagle3Layer<c.layer>>;
  using Fuse = At<"fc", Linear<3 * c.target_width, width, false>>;
  using Head = Seq<At<"norm", RmsNorm<width, Epsilon{c.layer.epsilon}>>, At<"lm_head", Linear<width, drafts, false>>>;
  static constexpr std::size_t parameters =
      count_parameters<Layer>() + count_parameters<Fuse>() + count_parameters<Head>();

  template <class D> struct Weights {
    typename Layer::template Weights<D> layer;
    typename Fuse::template Weights<D> fuse;
    typename Head::template Weights<D> head;
  };
  template <class W, class F> static constexpr void visit(W& w, Place const& at_, F&& f) {
    Fuse::visit(w.fuse, at_, f);
    Layer::visit(w.layer, at_, f);
    Head::visit(w.head, at_, f);
  }
  template <class B> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    Fuse::template plan_scratch<B>(shape, a);
    Layer::template plan_scratch<B>(shape, a);
    Head::template plan_scratch<B>(shape, a);
  }
  template <class C, class W, class St, class X, class Y, class Sv>
  static void forward(C const& c_, W const& w, St& state, X x, Y y, Sv& saved) {
    Layer::forward(c_, w.layer, state, x, y, saved);
  }
  /// g [rows, width] of target rows [rows, 3 target_width].
  template <class C, class W, class X, class Y> static void fuse(C const& c_, W const& w, X x, Y y) {
    typename Fuse::template Saved<typename C::scalar> saved;
    typename Fuse::template State<typename C::scalar> none;
    Fuse::forward(c_, w.fuse, none, x, y, saved);
  }
  /// logits [rows, drafts] of what the layer gave.
  template <class C, class W, class X, class Y> static void logits(C const& c_, W const& w, X x, Y y) {
    typename Head::template Saved<typename C::scalar> saved;
    typename Head::template State<typename C::scalar> none;
    Head::forward(c_, w.head, none, x, y, saved);
  }
};

}  // namespace fauna::inline v0
