// Hybrid: the decoder (models/decoder.hpp) of the families whose layers are of several kinds: attention here, a
// recurrence or a convolution there; an MLP here, experts there. A config says which in two patterns, a letter a layer:
//   mixers = "mmmmammm"     mlps = "de"
// Patterns repeat; one without a rule is as long as the model. 'a' is attention, 'w' attention with a window, 'd' an
// MLP, 'e' a mixture of experts, '-' nothing; a family adds letters of its own. Layers of one kind share their code,
// whatever their order; a cache has keys and values where there is attention, states elsewhere.
#pragma once
#include <fauna/models/moe_decoder.hpp>

namespace fauna::inline v0 {

/// What a family adds are letters:
///   template <auto c, char Letter> static constexpr auto mixer_of() {
///     if constexpr (Letter == 'm') return std::type_identity<At<"mamba", ...>>{};
///     else return HybridStyle::mixer_of<c, Letter>();
///   }
struct HybridStyle : MoeStyle {
  /// The block that mixes the rows of a sequence, under its name.
  template <auto c, char Letter> static constexpr auto mixer_of() {
    static_assert(Letter == 'a' || Letter == 'w' || Letter == '-', "fauna: the family has no mixer of this letter");
    if constexpr (Letter != '-')
      return std::type_identity<typename DecoderParts<c>::template Attention<Letter == 'a'>>{};
    else return std::type_identity<void>{};
  }
  /// The block that works on rows alone, under its name.
  template <auto c, char Letter> static constexpr auto mlp_of() {
    static_assert(Letter == 'd' || Letter == 'e' || Letter == '-', "fauna: the family has no MLP of this letter");
    using Parts = DecoderParts<c>;
    if constexpr (Letter == 'd') return std::type_identity<typename Parts::template NamedMlp<typename Parts::Mlp>>{};
    else if constexpr (Letter == 'e')
      return std::type_identity<typename Parts::template NamedMlp<typename MixtureParts<c>::Mlp>>{};
    else return std::type_identity<void>{};
  }
};

/// Of which kinds the layers are.
struct LayerKinds {
  letters mixers = "a", mlps = "d";
  constexpr bool operator==(LayerKinds const&) const = default;
  template <class C, class F> static constexpr void each(C& c, F&& f) { f("mixers", c.mixers), f("mlps", c.mlps); }
};

/// {{what a dense decoder has}, {the kinds of layers}, {part}, ...}.
template <class Style, class... Parts> using HybridConfig = DecoderConfigWith<Style, LayerKinds, Parts...>;

/// The types that a config stands for: those of a dense decoder, but for the layers.
template <auto c> struct HybridParts : DecoderParts<c> {
  using Base = DecoderParts<c>;
  using Style = typename Base::Style;
  template <char Letter> using Mixer = typename decltype(Style::template mixer_of<c, Letter>())::type;
  template <char Letter> using MlpOf = typename decltype(Style::template mlp_of<c, Letter>())::type;
  template <char M, char P>
  using LayerOf = DecoderLayer<Style, typename Base::Norm, Mixer<M>, MlpOf<P>, Multiplier{c.residual_scale}>;

  static constexpr auto config = c;  // GCC 12 does not call functions of a template argument's bases
  static constexpr char mixer(int layer) { return config.mixers.of(layer); }
  static constexpr char mlp(int layer) { return config.mlps.of(layer); }
  /// The shortest round of which the layers are a whole number.
  static constexpr int round = [] {
    for (int n = 1; n < c.layers; ++n) {
      bool same = c.layers % n == 0;
      for (int l = n; same && l < c.layers; ++l) same = mixer(l) == mixer(l - n) && mlp(l) == mlp(l - n);
      if (same) return n;
    }
    return c.layers;
  }();
  template <class Slots> struct stack_;
  template <int... Slot> struct stack_<std::integer_sequence<int, Slot...>> {
    using type = Stack<0, c.layers / round, LayerOf<mixer(Slot), mlp(Slot)>...>;
  };
  using Layers = typename stack_<std::make_integer_sequence<int, round>>::type;
  using Trunk = typename Base::template TrunkWith<Layers>;
  /// Layers with that letter among the mlps.
  static constexpr int with_mlp(char letter) {
    int n = 0;
    for (int l = 0; l < c.layers; ++l) n += mlp(l) == letter;
    return n;
  }
};

template <auto c> struct HybridTrunk : HybridParts<c>::Trunk {};

template <auto c> struct Hybrid : DecoderOf<c, HybridTrunk<c>, HybridParts<c>> {};

/// One some of whose layers have experts.
template <auto c> struct MoeHybrid : Hybrid<c> {
  /// Parameters that one token meets.
  static constexpr std::size_t active_parameters =
      MoeHybrid::parameters - static_cast<std::size_t>(HybridParts<c>::with_mlp('e') * (c.experts - c.chosen)) *
                                  count_parameters<typename MixtureParts<c>::Expert>();
};

}  // namespace fauna::inline v0
