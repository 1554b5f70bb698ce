// MoeDecoder: the decoder (models/decoder.hpp) of the families whose MLP is a mixture of experts: the first layers may
// have an MLP as dense ones do, and an expert that all rows share may stand beside the chosen ones.
#pragma once
#include <string_view>

#include <fauna/blocks/moe.hpp>
#include <fauna/blocks/row_gate.hpp>
#include <fauna/models/decoder.hpp>
#include <fauna/models/fused_experts.hpp>

namespace fauna::inline v0 {

/// What is fixed in a family of mixtures. A label without text: there is no such part.
struct MoeStyle : DecoderStyle {
  static constexpr label shared = "", shared_gate = "";
  /// Files may have layers behind the last, which predict further tokens (DeepSeek-AI 2024, "DeepSeek-V3",
  /// section 2.2).
  static constexpr bool predicts_further = false;
  static constexpr Routing routing{};
};

/// The numbers of a mixture.
template <class Style> struct Mixture {
  int experts = 8;                                  ///< in a layer
  int chosen = 2;                                   ///< experts of a row
  int expert_hidden = 1024;                         ///< columns inside an expert
  int shared_hidden = 0;                            ///< of the expert that all rows share; 0: none
  int dense = 0;                                    ///< of the layers so many first have an MLP of `hidden` columns
  int groups = 1, kept_groups = 1;                  ///< of experts; rows choose among those of the kept ones
  bool renormalised = Style::routing.renormalised;  ///< the weights of the chosen sum to `weight_scale`
  float weight_scale = Style::routing.scale;
  float balance = Style::routing.balance;  ///< weight of the balance loss of each layer

  constexpr bool operator==(Mixture const&) const = default;
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("experts", c.experts), f("chosen", c.chosen), f("expert_hidden", c.expert_hidden);
    f("shared_hidden", c.shared_hidden), f("dense", c.dense), f("groups", c.groups);
    f("kept_groups", c.kept_groups), f("renormalised", c.renormalised), f("weight_scale", c.weight_scale);
    f("balance", c.balance);
  }
};

/// {{what a dense decoder has}, {the mixture}}.
template <class Style> using MoeDecoderConfig = DecoderConfigWith<Style, Mixture<Style>>;

namespace moe_decoder_detail {

/// "model.layers.61." and more behind it, as a constant.
constexpr label layer_name(std::string_view before, int layer, std::string_view behind) {
  label l("");
  std::size_t n = 0;
  for (const char x : before) l.c[n++] = x;
  int power = 1;
  while (layer / power >= 10) power *= 10;
  for (; power > 0; power /= 10) l.c[n++] = static_cast<char>('0' + layer / power % 10);
  for (const char x : behind) l.c[n++] = x;
  return l;
}
constexpr int depths_of(auto const& c) {
  if constexpr (requires { c.further; }) return c.further;
  else return 0;
}

template <auto c> constexpr Routing routing() {
  Routing r = style_of<c>::routing;
  r.renormalised = c.renormalised;
  r.balance = c.balance;
  r.scale = c.weight_scale;
  r.groups = c.groups;
  r.kept_groups = c.kept_groups;
  return r;
}

}  // namespace moe_decoder_detail

/// The experts of a config's layers. Families with others specialise it.
template <auto c> struct moe_experts_ {
  using Expert = GatedMlp<c.width, c.expert_hidden, c.act>;
  using type = Moe<Expert, c.experts, c.chosen, moe_decoder_detail::routing<c>()>;
};

namespace moe_decoder_detail {

/// Experts alone; with one that all share; or with one that a number of the row opens.
template <auto c, class Experts, bool Shared, bool Opened> struct mixture_ { using type = Experts; };
template <auto c, class Experts> struct mixture_<c, Experts, true, false> {
  using Style = style_of<c>;
  using type = Parallel<Experts, At<Style::shared, GatedMlp<c.width, c.shared_hidden, c.act>>>;
};
template <auto c, class Experts> struct mixture_<c, Experts, true, true> {
  using Style = style_of<c>;
  using type = Parallel<Experts, Seq<Concat<At<Style::shared, GatedMlp<c.width, c.shared_hidden, c.act>>,
                                            At<Style::shared_gate, Linear<c.width, 1, false>>>,
                                     RowGate<c.width>>>;
};

}  // namespace moe_decoder_detail

/// The mixture that a config stands for, with what stands beside it.
template <auto c> struct MixtureParts {
  using Style = style_of<c>;
  using Expert = typename moe_experts_<c>::Expert;
  using Experts = typename moe_experts_<c>::type;
  using Mlp =
      typename moe_decoder_detail::mixture_<c, Experts, (c.shared_hidden > 0), !nameless(Style::shared_gate)>::type;
};

/// The types that a config stands for: those of a dense decoder, but for the layers.
template <auto c> struct MoeDecoderParts : DecoderParts<c> {
  using Base = DecoderParts<c>;
  using Style = typename Base::Style;
  static_assert(c.full_every == 1 || c.dense == 0,
                "fauna: dense first layers stand before layers of one kind, not before rounds of several");
  using Expert = typename MixtureParts<c>::Expert;
  using Mlp = typename MixtureParts<c>::Mlp;
  template <bool Full> using Layer = typename Base::template LayerWith<Full, Mlp>;
  template <int Slot> using LayerAt = Layer<(Slot + 1) % c.full_every == 0>;
  using Dense = typename Base::template LayerWith<true, typename Base::Mlp>;
  template <int First, int Count> struct dense_ { using type = Stack<First, Count, Dense>; };
  template <int First> struct dense_<First, 0> { using type = void; };
  using Layers = present<typename dense_<0, c.dense>::type, typename Base::template layers_<c.dense, LayerAt>::type>;
  static constexpr int mixtures = c.layers - c.dense + moe_decoder_detail::depths_of(c);  ///< layers with experts
  using Trunk = typename Base::template TrunkWith<Layers>;
};

template <auto c, class P> struct MoeDecoderTrunk : P::Trunk {};

/// Files have an expert a tensor, or all those of a layer in two.
template <auto c> struct ExpertDialects {
  static std::vector<Piece> fused(Tensor const& t) {
    return fused_experts(t, {"mlp.", "up_proj", "down_proj", c.experts, c.width, c.expert_hidden});
  }
  static constexpr Dialect dialects[] = {{"an expert a tensor", "*mlp.experts.0.*", nullptr},
                                         {"a layer's experts in one", "*mlp.experts.gate_up_proj", fused}};
};

template <auto c, class P = MoeDecoderParts<c>>
struct MoeDecoder : DecoderOf<c, MoeDecoderTrunk<c, P>, P>, ExpertDialects<c> {
  /// Parameters that one token meets.
  static constexpr std::size_t active_parameters =
      MoeDecoder::parameters - static_cast<std::size_t>(P::mixtures) * static_cast<std::size_t>(c.experts - c.chosen) *
                                   count_parameters<typename P::Expert>();

  /// Where the model predicts no further tokens, up to three layers that do: the reference library passes over them
  /// too. Where it does, their copies of the token table and the head.
  static constexpr label behind(int i) {
    return P::Style::predicts_further && MoeDecoder::depths == 0
               ? moe_decoder_detail::layer_name("model.layers.", c.layers + i, ".*")
               : label("");
  }
  static constexpr label first = behind(0), second = behind(1), third = behind(2);
  static constexpr std::string_view holds_beside[] = {
      first.view(), second.view(), third.view(), MoeDecoder::depths > 0 ? "model.layers.*.embed_tokens.weight" : "",
      MoeDecoder::depths > 0 ? "model.layers.*.shared_head.head.weight" : ""};
};

}  // namespace fauna::inline v0
