// Granite 4 (IBM 2025, "IBM Granite 4.0: hyper-efficient, high performance hybrid models for enterprise"): Granite's
// four constants, Mamba-2 in most layers and attention without positions in a few, in each layer an MLP and, in the
// larger models, experts beside it. A layer's experts are two tensors in files.
#pragma once
#include <fauna/models/hybrid.hpp>
#include <fauna/models/mamba_numbers.hpp>

namespace fauna::inline v0 {

template <auto c> struct GraniteHybridFiles {
  static constexpr ExpertFiles of{.moe = "block_sparse_moe.",
                                  .up = "up_proj",
                                  .down = "down_proj",
                                  .experts = c.experts,
                                  .width = c.width,
                                  .hidden = c.expert_hidden,
                                  .into = "block_sparse_moe.",
                                  .gate_up_proj = "input_linear.weight",
                                  .down_proj = "output_linear.weight"};
};

/// `hidden` is of the MLP that all rows share, `expert_hidden` of an expert.
struct GraniteHybridStyle : HybridStyle {
  static constexpr ConfigNames names = in_files("granitemoehybrid", "fauna::GraniteHybrid",
                                                "fauna::GraniteHybridConfig", "fauna/models/granite_hybrid.hpp");
  static constexpr mlp_form mlp_is = mlp_form::gated_fused;
  static constexpr label mlp = "shared_mlp", gate_up = "input_linear", down = "output_linear";
  static constexpr Routing routing{.name = "router.layer"};
  /// 'm': Mamba-2
  template <auto c, char Letter> static constexpr auto mixer_of() {
    if constexpr (Letter == 'm')
      return std::type_identity<At<"mamba", Mamba2Mixer<c.width, mamba2_sizes(c, c.epsilon), c.mixer_bias>>>{};
    else return HybridStyle::mixer_of<c, Letter>();
  }
  /// 'e': experts beside the MLP
  template <auto c, char Letter> static constexpr auto mlp_of() {
    using Shared = typename decltype(HybridStyle::mlp_of<c, 'd'>())::type;
    if constexpr (Letter == 'e')
      return std::type_identity<Parallel<
          At<"block_sparse_moe", FusedExperts<GraniteHybridFiles<c>, typename MixtureParts<c>::Experts>>, Shared>>{};
    else return HybridStyle::mlp_of<c, Letter>();
  }
};
using GraniteHybridConfig = HybridConfig<GraniteHybridStyle, Mixture<GraniteHybridStyle>, Mamba2Numbers>;

template <GraniteHybridConfig c> struct GraniteHybrid : MoeHybrid<c> {};

using Granite4HMicro = GraniteHybrid<GraniteHybridConfig{{.layers = 40,
                                                          .heads = 32,
                                                          .kv_heads = 8,
                                                          .head_size = 64,
                                                          .width = 2048,
                                                          .hidden = 8192,
                                                          .context = 131072,
                                                          .vocab = 100352,
                                                          .turned = 0,
                                                          .score_scale = 0.015625,
                                                          .embedding_scale = 12,
                                                          .residual_scale = 0.22,
                                                          .logit_scale = 0.125,
                                                          .tied = true},
                                                         {.mixers = "mmmmmammmm", .mlps = "d"},
                                                         {},
                                                         {.mixer_heads = 64}}>;
using Granite4HTiny = GraniteHybrid<GraniteHybridConfig{{.layers = 40,
                                                         .heads = 12,
                                                         .kv_heads = 4,
                                                         .head_size = 128,
                                                         .width = 1536,
                                                         .hidden = 1024,
                                                         .context = 131072,
                                                         .vocab = 100352,
                                                         .turned = 0,
                                                         .score_scale = 0.0078125,
                                                         .embedding_scale = 12,
                                                         .residual_scale = 0.22,
                                                         .logit_scale = 1.0 / 6,
                                                         .tied = true},
                                                        {.mixers = "mmmmmammmm", .mlps = "e"},
                                                        {.experts = 64, .chosen = 6, .expert_hidden = 512},
                                                        {.mixer_heads = 48}}>;
using Granite4HSmall = GraniteHybrid<GraniteHybridConfig{{.layers = 40,
                                                          .heads = 32,
                                                          .kv_heads = 8,
                                                          .head_size = 128,
                                                          .width = 4096,
                                                          .hidden = 1536,
                                                          .context = 131072,
                                                          .vocab = 100352,
                                                          .turned = 0,
                                                          .score_scale = 0.0078125,
                                                          .embedding_scale = 12,
                                                          .residual_scale = 0.22,
                                                          .logit_scale = 1.0 / 16,
                                                          .tied = true},
                                                         {.mixers = "mmmmmammmm", .mlps = "e"},
                                                         {.experts = 72, .chosen = 10, .expert_hidden = 768},
                                                         {.mixer_heads = 128}}>;
/// For characters: as many parameters meet a token as in nanoGPT's CPU model.
using GraniteHybridShakespeare =
    GraniteHybrid<GraniteHybridConfig{{.layers = 4,
                                       .heads = 4,
                                       .kv_heads = 2,
                                       .head_size = 32,
                                       .width = 128,
                                       .hidden = 76,
                                       .context = 64,
                                       .vocab = 65,
                                       .turned = 0,
                                       .score_scale = 0.125,
                                       .tied = true},
                                      {.mixers = "mmam", .mlps = "e"},
                                      {.experts = 16, .chosen = 3, .expert_hidden = 64},
                                      {.mixer_heads = 4, .mixer_head_size = 64, .states = 32}}>;

}  // namespace fauna::inline v0
