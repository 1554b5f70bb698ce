// Llama 4's text models (Meta AI 2025, "The Llama 4 herd"): three of four layers see the rows of their own chunk, with
// turned queries and keys that Scout holds at one length; the fourth sees all, knows no positions, and has queries that
// grow with the text. A row goes through one expert, whose sigmoid weighs what the expert reads, and one that all
// share. In Maverick every other layer has experts. Files have a layer's experts in two tensors, each transposed.
#pragma once
#include <fauna/models/moe_decoder.hpp>

namespace fauna::inline v0 {

struct Llama4Style : MoeStyle {
  static constexpr ConfigNames names =
      in_files("llama4_text", "fauna::Llama4", "fauna::Llama4Config", "fauna/models/llama4.hpp");
  static constexpr label mlp = "feed_forward", shared = "shared_expert";
  static constexpr rope_pairs pairs = rope_pairs::interleaved;
  static constexpr bool bare_full = true;
  static constexpr Routing routing{.renormalised = false, .scores = router_scores::sigmoid, .of_input = true};
};

/// What Llama 4 has beside other mixtures.
struct Llama4Own {
  int moe_every = 1;        ///< of so many layers the last has experts, the others an MLP of `hidden` columns
  int growth_every = 8192;  ///< rows after which queries of layers without positions grow once more
  double growth = 0.1;      ///< by how much; 0: they do not
  bool unit_length = true;  ///< of queries and keys that are turned
  constexpr bool operator==(Llama4Own const&) const = default;
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("moe_every", c.moe_every), f("growth_every", c.growth_every), f("growth", c.growth);
    f("unit_length", c.unit_length);
  }
};

/// {{what a dense decoder has; a window is a chunk}, {the mixture}, {the rest}}.
using Llama4Config = DecoderConfigWith<Llama4Style, Mixture<Llama4Style>, Llama4Own>;

constexpr SelfAttentionForm llama4_attention(Llama4Config const& c, bool full) {
  SelfAttentionForm form = decoder_detail::attention_form(c, full);
  form.scores.chunk = form.scores.window;
  form.scores.window = unbounded;
  if (full) {
    form.temperature = {c.growth, c.growth_every};
  } else if (c.unit_length) {
    form.norm = {qk_norm::weightless, c.epsilon};
  }
  return form;
}
template <auto c, bool Full>
requires std::is_same_v<std::remove_cvref_t<decltype(c)>, Llama4Config>
struct decoder_attention_<c, Full> {
  using type = SelfAttention<Llama4Style, c.width, c.heads, c.kv_heads, c.head_size, llama4_attention(c, Full)>;
};

template <Llama4Config c> struct Llama4Files {
  static constexpr ExpertFiles of{.moe = "feed_forward.",
                                  .up = "up_proj",
                                  .down = "down_proj",
                                  .experts = c.experts,
                                  .width = c.width,
                                  .hidden = c.expert_hidden,
                                  .into = "feed_forward.",
                                  .router = "router",
                                  .transposed = true};
};
template <auto c>
requires std::is_same_v<std::remove_cvref_t<decltype(c)>, Llama4Config>
struct moe_experts_<c> {
  using Expert = GatedMlp<c.width, c.expert_hidden, c.act>;
  using type = FusedExperts<Llama4Files<c>, Moe<Expert, c.experts, c.chosen, moe_decoder_detail::routing<c>()>>;
};

template <Llama4Config c> struct Llama4Parts : MoeDecoderParts<c> {
  using Base = MoeDecoderParts<c>;
  using Dense = DecoderParts<c>;
  template <int Slot>
  using LayerAt = typename Dense::template LayerWith<
      (Slot + 1) % c.full_every == 0,
      std::conditional_t<(Slot + 1) % c.moe_every == 0, typename Base::Mlp, typename Dense::Mlp>>;
  static constexpr int round = c.full_every == unbounded         ? c.moe_every
                               : c.full_every % c.moe_every == 0 ? c.full_every
                                                                 : c.full_every * c.moe_every;
  using Layers = typename Dense::template layers_<0, LayerAt, round>::type;
  using Trunk = typename Dense::template TrunkWith<Layers>;
  static constexpr int mixtures = c.layers / c.moe_every;
};

template <Llama4Config c> struct Llama4 : MoeDecoder<c, Llama4Parts<c>> {
  static constexpr Dialect dialects[] = {{"a layer's experts in one", "*feed_forward.experts.gate_up_proj", nullptr}};
};

using Llama4Scout = Llama4<Llama4Config{
    {.layers = 48,
     .heads = 40,
     .kv_heads = 8,
     .head_size = 128,
     .width = 5120,
     .hidden = 16384,
     .context = 10485760,
     .vocab = 202048,
     .window = 8192,
     .full_every = 4,
     .base = 500000,
     .scaling = {.kind = rope_scaling::llama3, .factor = 16, .low = 1, .high = 1, .original = 8192}},
    {.experts = 16, .chosen = 1, .expert_hidden = 8192, .shared_hidden = 8192},
    {}}>;
using Llama4Maverick = Llama4<Llama4Config{{.layers = 48,
                                            .heads = 40,
                                            .kv_heads = 8,
                                            .head_size = 128,
                                            .width = 5120,
                                            .hidden = 16384,
                                            .context = 1048576,
                                            .vocab = 202048,
                                            .window = 8192,
                                            .full_every = 4,
                                            .base = 500000},
                                           {.experts = 128, .chosen = 1, .expert_hidden = 8192, .shared_hidden = 8192},
                                           {.moe_every = 2, .unit_length = false}}>;
/// For characters: as many parameters meet a token as in nanoGPT's CPU model.
using Llama4Shakespeare =
    Llama4<Llama4Config{{.layers = 4,
                         .heads = 4,
                         .kv_heads = 2,
                         .head_size = 32,
                         .width = 128,
                         .hidden = 384,
                         .context = 64,
                         .vocab = 65,
                         .window = 32,
                         .full_every = 4,
                         .base = 500000,
                         .tied = true},
                        {.experts = 8, .chosen = 1, .expert_hidden = 192, .shared_hidden = 192, .balance = 0.01F},
                        {}}>;

}  // namespace fauna::inline v0
