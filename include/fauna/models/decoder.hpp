// Decoder: the one composition of the dense families that came after Llama (Touvron et al. 2023). What is fixed in a
// family is a style: where norms stand and of which form they are, what the parts are called in its checkpoints. What
// its checkpoints differ in is a config of plain numbers, the same for all of them. A family is then a page: its style,
// its config's name, its presets.
#pragma once
#include <type_traits>
#include <utility>

#include <fauna/blocks/embedding.hpp>
#include <fauna/blocks/mlp.hpp>
#include <fauna/blocks/scaled.hpp>
#include <fauna/blocks/self_attention.hpp>
#include <fauna/compose/parallel.hpp>
#include <fauna/compose/residual.hpp>
#include <fauna/compose/stack.hpp>
#include <fauna/models/lm.hpp>

namespace fauna::inline v0 {

enum class norm_form : int {
  rms,               ///< RMSNorm
  rms_around_one,    ///< RMSNorm with 1 + weight
  layer,             ///< LayerNorm
  layer_unbiased,    ///< LayerNorm without a bias
  layer_plain,       ///< LayerNorm without weights
  layer_around_one,  ///< LayerNorm with 1 + weight
};
enum class mlp_form : int {
  gated,        ///< gate, up, down
  gated_fused,  ///< gate and up in one, down
  plain,        ///< two matrices with an activation between them
};

/// The names of a family whose checkpoints call table and head as Llama's do.
constexpr ConfigNames in_files(const char* family, const char* model, const char* type, const char* header) {
  return {family, model, type, header, "model.embed_tokens.weight", "lm_head.weight"};
}

/// What is fixed in a family, here as Llama has it. A label without text: there is no such part.
struct DecoderStyle : SelfAttentionNames {
  static constexpr label root = "model", table = "embed_tokens", layers = "layers", final_norm = "norm",
                         head = "lm_head";
  static constexpr label table_norm = "", positions = "";  ///< of embeddings; what is added for each position
  static constexpr int position_offset = 0;                ///< rows of that table before the first position's
  /// Norms of what attention and MLP read, and of what they give before it is added.
  static constexpr label attention_before = "input_layernorm", attention_after = "",
                         mlp_before = "post_attention_layernorm", mlp_after = "";
  static constexpr label attention = "self_attn", mlp = "mlp", gate = "gate_proj", up = "up_proj", down = "down_proj",
                         gate_up = "gate_up_proj";
  static constexpr norm_form norm = norm_form::rms;
  static constexpr mlp_form mlp_is = mlp_form::gated;
  static constexpr qk_norm normed = qk_norm::none;
  static constexpr rope_pairs pairs = rope_pairs::half;
  static constexpr bool rotary = true;       ///< else heads are not turned
  static constexpr bool alibi = false;       ///< biases by distance (Press et al. 2022)
  static constexpr bool alibi_last = false;  ///< the scale is of scores and biases together
  static constexpr bool sinks = false;       ///< a logit a head in the softmax's denominator (SinkAttention)
  static constexpr bool parallel = false;   ///< attention and MLP read the same rows; without mlp_before, the same norm
  static constexpr bool bare_full = false;  ///< layers with full attention know no positions
  static constexpr bool scaled_embedding = false;  ///< embeddings times √width (Vaswani et al. 2017, section 3.4)
  static constexpr bool head_bias = false;
  static constexpr bool qkv_bias = false, out_bias = false, mlp_bias = false, tied = false;  // unless a config says
  static constexpr activation act = activation::silu;
};

/// The defaults are those of Llama 2 7B.
template <class Style> struct DecoderConfig {
  using style = Style;
  int layers = 32;
  int heads = 32;          ///< of queries, in a layer
  int kv_heads = 32;       ///< of keys and of values; they divide heads
  int head_size = 128;     ///< columns of a head; heads times this need not be width
  int width = 4096;        ///< columns of the residual stream
  int hidden = 11008;      ///< columns inside the MLP
  int context = 4096;      ///< most tokens of a sequence; no weight depends on it
  int vocab = 32000;       ///< rows of the token table
  int window = unbounded;  ///< rows that a row sees, itself included, in layers that have a window
  int full_every = 1;      ///< of so many layers the last has none; unbounded: all have one
  double base = 10000;     ///< of the rotary frequencies (Su et al. 2021, section 3.2.2)
  double window_base = 0;  ///< of those in layers with a window; 0: the same
  double turned = 1;       ///< part of each head's columns that positions turn; 0: attention knows no positions
  RopeScaling scaling{};   ///< of the frequencies, for contexts beyond the first training's
  double score_scale = 0;  ///< of queries times keys; 0: 1 / √head_size
  double embedding_scale = 1, residual_scale = 1, logit_scale = 1;
  float score_cap = 0;    ///< c tanh(score / c); 0: none
  float logit_cap = 0;    ///< the same of logits
  float epsilon = 1e-5F;  ///< what the norms add
  bool qkv_bias = Style::qkv_bias, out_bias = Style::out_bias, mlp_bias = Style::mlp_bias;
  bool tied = Style::tied;  ///< the head is the token table
  activation act = Style::act;
  double clip = 0;  ///< of queries, keys and values; 0: none

  constexpr bool operator==(DecoderConfig const&) const = default;
  static constexpr ConfigNames names = Style::names;
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("layers", c.layers), f("heads", c.heads), f("kv_heads", c.kv_heads), f("head_size", c.head_size);
    f("width", c.width), f("hidden", c.hidden), f("context", c.context), f("vocab", c.vocab);
    f("window", c.window), f("full_every", c.full_every), f("base", c.base), f("window_base", c.window_base);
    f("turned", c.turned), f("scaling", c.scaling), f("score_scale", c.score_scale);
    f("embedding_scale", c.embedding_scale), f("residual_scale", c.residual_scale), f("logit_scale", c.logit_scale);
    f("score_cap", c.score_cap), f("logit_cap", c.logit_cap), f("epsilon", c.epsilon);
    f("qkv_bias", c.qkv_bias), f("out_bias", c.out_bias), f("mlp_bias", c.mlp_bias), f("tied", c.tied);
    f("act", c.act);
  }
  template <class C, class F> static constexpr void later(C& c, F&& f) { f("clip", c.clip); }
};

/// What a dense decoder has, and what a family has beside it: {{decoder}, {part}, ...}.
template <class Style, class... Parts> struct DecoderConfigWith : DecoderConfig<Style>, Parts... {
  constexpr bool operator==(DecoderConfigWith const&) const = default;
  static constexpr ConfigNames names = Style::names;
  /// What an initialiser has braces for.
  template <class F> static constexpr void each_part(DecoderConfigWith const& c, F&& f) {
    f(static_cast<DecoderConfig<Style> const&>(c)), (f(static_cast<Parts const&>(c)), ...);
  }
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    DecoderConfig<Style>::each(c, f), (Parts::each(c, f), ...);
  }
  template <class C, class F> static constexpr void later(C& c, F&& f) {
    const auto of = [&]<class Part>(std::type_identity<Part>) {
      if constexpr (requires { Part::later(c, f); }) Part::later(c, f);
    };
    DecoderConfig<Style>::later(c, f), (of(std::type_identity<Parts>{}), ...);
  }
};

/// A config's kind of model for characters, with as many parameters, up to 3 %, as nanoGPT's CPU model has: 4 layers of
/// 128 columns. What is left of `c`: how its parts are, whether heads share keys, whether layers have a window.
template <class Style> constexpr DecoderConfig<Style> for_characters(DecoderConfig<Style> c) {
  c.kv_heads = c.kv_heads == c.heads ? 4 : c.kv_heads == 1 ? 1 : 2;
  c.layers = c.heads = 4, c.head_size = 32, c.width = 128, c.context = 64, c.vocab = 65;
  if (c.window != unbounded) c.window = 32;
  if (c.full_every != 1 && c.full_every != unbounded) c.full_every = 2;
  if (c.window_base == c.base) c.window_base = 0;
  if (c.score_scale != 0) c.score_scale = 0.125;  // some files have its inverse squared
  c.scaling = {};
  const int tables = (c.tied ? 1 : 2) * c.vocab * c.width + (nameless(Style::positions) ? 0 : c.context * c.width);
  const int attention = 2 * c.width * c.head_size * (c.heads + c.kv_heads);
  const int matrices = Style::mlp_is == mlp_form::plain ? 2 : 3;
  c.hidden = ((804096 - tables) / c.layers - attention) / (matrices * c.width) / 16 * 16;
  return c;
}

/// The style of a config. (In its own right, since for nvcc decltype(c) is a reference.)
template <auto c> using style_of = typename std::remove_cvref_t<decltype(c)>::style;

namespace decoder_detail {

template <norm_form F, int Width, Epsilon E> struct norm_;
template <int W, Epsilon E> struct norm_<norm_form::rms, W, E> { using type = RmsNorm<W, E>; };
template <int W, Epsilon E> struct norm_<norm_form::rms_around_one, W, E> { using type = RmsNorm<W, E, 1>; };
template <int W, Epsilon E> struct norm_<norm_form::layer, W, E> { using type = LayerNorm<W, true, E>; };
template <int W, Epsilon E> struct norm_<norm_form::layer_unbiased, W, E> { using type = LayerNorm<W, false, E>; };
template <int W, Epsilon E> struct norm_<norm_form::layer_plain, W, E> {
  using type = LayerNorm<W, false, E, 1, false>;
};
template <int W, Epsilon E> struct norm_<norm_form::layer_around_one, W, E> { using type = LayerNorm<W, true, E, 1>; };

template <class Style, int W, int Hidden, activation A, bool Bias> struct mlp_ {
  using type =
      Seq<At<Style::up, Linear<W, Hidden, Bias>>, Activation<Hidden, A>, At<Style::down, Linear<Hidden, W, Bias>>>;
};
template <class Style, int W, int Hidden, activation A, bool Bias>
requires(Style::mlp_is == mlp_form::gated &&
         !(Style::gate == label("gate_proj"))) struct mlp_<Style, W, Hidden, A, Bias> {
  using type = NamedGatedMlp<Style::gate, Style::up, Style::down, W, Hidden, A, Bias>;
};
template <class Style, int W, int Hidden, activation A, bool Bias>
requires(Style::mlp_is == mlp_form::gated && Style::gate == label("gate_proj")) struct mlp_<Style, W, Hidden, A, Bias> {
  using type = GatedMlp<W, Hidden, A, Bias>;
};
template <class Style, int W, int Hidden, activation A, bool Bias>
requires(Style::mlp_is == mlp_form::gated_fused) struct mlp_<Style, W, Hidden, A, Bias> {
  using type =
      Seq<At<Style::gate_up, Linear<W, 2 * Hidden, Bias>>, Gated<A, Hidden>, At<Style::down, Linear<Hidden, W, Bias>>>;
};

/// How attention is in layer kinds of a config: those with a window, and those that see all.
template <class C> constexpr SelfAttentionForm attention_form(C const& c, bool full) {
  using Style = typename C::style;
  const double base = full || c.window_base == 0 ? c.base : c.window_base;
  // Scaling lengthens what looks far back: a base of its own is left as it was trained.
  const RopeScaling scaling = full || c.window_base == 0 ? c.scaling.within(c.context) : RopeScaling{};
  return {.qkv_bias = c.qkv_bias,
          .out_bias = c.out_bias,
          .norm = {Style::normed, c.epsilon, Style::norm == norm_form::rms_around_one ? 1 : 0},
          .positions = Style::rotary && c.turned > 0 && !(full && Style::bare_full),
          .rope = {.base = base,
                   .rotary = static_cast<int>(c.turned * c.head_size),
                   .pairs = Style::pairs,
                   .scaling = scaling},
          .scores = {.scale = c.score_scale,
                     .cap = c.score_cap,
                     .window = full ? unbounded : c.window,
                     .alibi = !Style::alibi       ? 0
                              : Style::alibi_last ? 1 / square_root(static_cast<double>(c.head_size))
                                                  : 1,
                     .sinks = Style::sinks},
          .clip = {c.clip}};
}

}  // namespace decoder_detail

/// x + mixer, then + mlp, each with norms before and after it where Style has some; or both of the same rows. Both come
/// with their names; void: there is none.
template <class Style, class Norm, class Mixer, class Mlp, Multiplier F>
struct DecoderLayer
    : Seq<Residual<present<typename Under<Style::attention_before, Norm>::maybe, Mixer,
                           typename Under<Style::attention_after, Norm>::maybe, scaled_if<Norm::in, F>>>,
          Residual<present<typename Under<Style::mlp_before, Norm>::maybe, Mlp,
                           typename Under<Style::mlp_after, Norm>::maybe, scaled_if<Norm::in, F>>>> {};
template <class Style, class Norm, class Mixer, class Mlp, Multiplier F>
requires(Style::parallel&& nameless(Style::mlp_before)) struct DecoderLayer<Style, Norm, Mixer, Mlp, F>
    : Residual<Seq<At<Style::attention_before, Norm>, Parallel<Mixer, Mlp>>> {
};
template <class Style, class Norm, class Mixer, class Mlp, Multiplier F>
requires(Style::parallel && !nameless(Style::mlp_before)) struct DecoderLayer<Style, Norm, Mixer, Mlp, F>
    : Residual<Parallel<Seq<At<Style::attention_before, Norm>, Mixer>, Seq<At<Style::mlp_before, Norm>, Mlp>>> {
};
template <class Style, class Norm, class Mixer, Multiplier F>
requires(!Style::parallel) struct DecoderLayer<Style, Norm, Mixer, void, F>
    : Residual<present<typename Under<Style::attention_before, Norm>::maybe, Mixer,
                       typename Under<Style::attention_after, Norm>::maybe, scaled_if<Norm::in, F>>> {
};

/// The attention of a config's layers. Families with one of their own specialise it.
template <auto c, bool Full> struct decoder_attention_ {
  using type =
      SelfAttention<style_of<c>, c.width, c.heads, c.kv_heads, c.head_size, decoder_detail::attention_form(c, Full)>;
};

/// The types that a config stands for.
template <auto c> struct DecoderParts {
  using Config = std::remove_cvref_t<decltype(c)>;
  using Style = typename Config::style;
  using Norm = typename decoder_detail::norm_<Style::norm, c.width, Epsilon{c.epsilon}>::type;
  using Mlp = typename decoder_detail::mlp_<Style, c.width, c.hidden, c.act, c.mlp_bias>::type;
  template <bool Full>
  using Attention = typename Under<Style::attention, typename decoder_attention_<c, Full>::type>::always;
  template <class Inner> using NamedMlp = typename Under<Style::mlp, Inner>::always;
  template <bool Full, class Inner>
  using LayerWith = DecoderLayer<Style, Norm, Attention<Full>, NamedMlp<Inner>, Multiplier{c.residual_scale}>;
  template <bool Full> using Layer = LayerWith<Full, Mlp>;
  /// The layer of a slot in a round: those with a window, then one that sees all.
  template <int Slot> using LayerAt = Layer<(Slot + 1) % c.full_every == 0>;
  /// Rounds of layers, and those that are left.
  template <template <int> class L, int First, int Rounds, class Slots> struct stack_ { using type = void; };
  template <template <int> class L, int First, int Rounds, int... Slot>
  requires(Rounds > 0 && sizeof...(Slot) > 0) struct stack_<L, First, Rounds, std::integer_sequence<int, Slot...>> {
    using type = Stack<First, Rounds, L<Slot>...>;
  };
  /// Layers First and later, in rounds of `Round`; those before it are of one kind only.
  template <int First, template <int> class L, int Round = c.full_every> struct layers_ {
    static constexpr int rounds = c.layers / Round, rest = c.layers % Round;
    static constexpr bool alike = rounds == 0 || Round == 1;  // one kind of layer
    static constexpr int kinds(bool one) {
      if (one) return 1;
      return Round;
    }
    using type = present<
        typename stack_<L, First, alike ? c.layers - First : rounds,
                        std::make_integer_sequence<int, kinds(alike)>>::type,
        typename stack_<L, c.layers - rest, alike ? 0 : 1, std::make_integer_sequence<int, alike ? 0 : rest>>::type>;
  };
  using Layers = typename layers_<0, LayerAt>::type;
  static constexpr double into =
      Style::scaled_embedding ? square_root(static_cast<double>(c.width)) : c.embedding_scale;
  using Positions = LearnedPosition<c.context, c.width, Style::position_offset>;
  template <class All>
  using TrunkWith = present<scaled_if<c.width, Multiplier{into}>, typename Under<Style::positions, Positions>::maybe,
                            typename Under<Style::table_norm, Norm>::maybe, At<Style::layers, All>,
                            At<Style::final_norm, Norm>, scaled_if<c.width, Multiplier{c.logit_scale}>>;
  using Trunk = TrunkWith<Layers>;
  using Head = LmHead<c.width, c.vocab, Style::head_bias, LogitCap{c.logit_cap}>;
};

/// From embedded tokens to the last norm.
template <auto c> struct DecoderTrunk : DecoderParts<c>::Trunk {};

/// The depths of multi-token prediction of a config, of its parts P. Families that have some specialise it.
template <class... Mtps> struct Depths;
template <auto c, class P> struct decoder_depths_ { using type = Depths<>; };

template <auto c, class Trunk, class P, class D> struct DecoderWith;
template <auto c, class Trunk, class P, class... Mtps>
struct DecoderWith<c, Trunk, P, Depths<Mtps...>>
    : Lm<At<P::Style::root, At<P::Style::table, Embedding<c.vocab, c.width>>>, At<P::Style::root, Trunk>,
         std::conditional_t<c.tied, TiedTable<typename P::Head>, At<P::Style::head, typename P::Head>>, Mtps...> {};
template <auto c, class Trunk, class P>
struct DecoderOf : DecoderWith<c, Trunk, P, typename decoder_depths_<c, P>::type> {
  static constexpr auto config = c;
};
template <auto c> struct Decoder : DecoderOf<c, DecoderTrunk<c>, DecoderParts<c>> {};

}  // namespace fauna::inline v0
