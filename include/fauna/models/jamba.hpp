// Jamba (Lieber et al. 2024, "Jamba: A hybrid Transformer-Mamba language model", sections 2 and 3): one layer in eight
// is attention, without positions, the others are Mamba with norms of δ, B and C; every other layer has experts for its
// MLP. An expert is a tensor of its own, as on the hub.
#pragma once
#include <fauna/compose/beside.hpp>
#include <fauna/models/hybrid.hpp>
#include <fauna/models/mamba_numbers.hpp>

namespace fauna::inline v0 {

template <int Rank, int States, Epsilon E>
struct JambaNorms : Beside<At<"dt_layernorm", RmsNorm<Rank, E>>, At<"b_layernorm", RmsNorm<States, E>>,
                           At<"c_layernorm", RmsNorm<States, E>>> {};

struct JambaStyle : HybridStyle {
  static constexpr ConfigNames names =
      in_files("jamba", "fauna::Jamba", "fauna::JambaConfig", "fauna/models/jamba.hpp");
  static constexpr label mlp_before = "pre_ff_layernorm", mlp = "feed_forward", final_norm = "final_layernorm";
  static constexpr bool rotary = false;
  static constexpr Routing routing{.renormalised = false, .name = "router"};
  /// 'm': Mamba
  template <auto c, char Letter> static constexpr auto mixer_of() {
    if constexpr (Letter == 'm')
      return std::type_identity<At<"mamba", MambaMixer<c.width, c.inner, c.states, c.rank, c.taps, c.mixer_bias,
                                                       JambaNorms<c.rank, c.states, Epsilon{c.epsilon}>>>>{};
    else return HybridStyle::mixer_of<c, Letter>();
  }
};
using JambaConfig = HybridConfig<JambaStyle, Mixture<JambaStyle>, MambaNumbers>;
template <JambaConfig c> struct Jamba : MoeHybrid<c> {};

/// For characters: as many parameters meet a token as in nanoGPT's CPU model.
using JambaShakespeare = Jamba<JambaConfig{{.layers = 4,
                                            .heads = 4,
                                            .kv_heads = 4,
                                            .head_size = 32,
                                            .width = 128,
                                            .hidden = 168,
                                            .context = 64,
                                            .vocab = 65,
                                            .epsilon = 1e-6F,
                                            .tied = true},
                                           {.mixers = "mmam", .mlps = "de"},
                                           {.experts = 8, .chosen = 2, .expert_hidden = 168},
                                           {.inner = 256, .rank = 8}}>;
using JambaV01 = Jamba<JambaConfig{{.layers = 32,
                                    .heads = 32,
                                    .kv_heads = 8,
                                    .head_size = 128,
                                    .width = 4096,
                                    .hidden = 14336,
                                    .context = 262144,
                                    .vocab = 65536,
                                    .epsilon = 1e-6F},
                                   {.mixers = "mmmmammm", .mlps = "de"},
                                   {.experts = 16, .chosen = 2, .expert_hidden = 14336},
                                   {}}>;
using Jamba15Large = Jamba<JambaConfig{{.layers = 72,
                                        .heads = 64,
                                        .kv_heads = 8,
                                        .head_size = 128,
                                        .width = 8192,
                                        .hidden = 24576,
                                        .context = 262144,
                                        .vocab = 65536,
                                        .epsilon = 1e-6F},
                                       {.mixers = "mmmmammm", .mlps = "de"},
                                       {.experts = 16, .chosen = 2, .expert_hidden = 24576},
                                       {.inner = 16384, .rank = 512}}>;

}  // namespace fauna::inline v0
