// Kimi Linear (Kimi Team 2025, "Kimi Linear: An expressive, efficient attention architecture", section 4): three layers
// of Kimi Delta Attention, then one of latent attention without positions, and so on; the first layers have an MLP, the
// others many small experts and one that all rows share.
#pragma once
#include <fauna/blocks/kda.hpp>
#include <fauna/models/deepseek.hpp>
#include <fauna/models/hybrid.hpp>

namespace fauna::inline v0 {

/// The heads of the delta rule.
struct KdaHeads {
  int rule_heads = 32, rule_size = 128;  ///< of queries, keys and values alike; columns of a head
  int taps = 4;                          ///< of the convolutions

  constexpr bool operator==(KdaHeads const&) const = default;
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("rule_heads", c.rule_heads), f("rule_size", c.rule_size), f("taps", c.taps);
  }
};

struct KimiLinearNames {
  static constexpr label gate_down = "g_a_proj", gate_up = "g_b_proj", fade_down = "f_a_proj", fade_up = "f_b_proj";
  static constexpr bool deep_rates = true;
};

/// Letters of mixers: 'k', Kimi Delta Attention; 'a', latent attention.
struct KimiLinearStyle : HybridStyle {
  static constexpr ConfigNames names =
      in_files("kimi_linear", "fauna::KimiLinear", "fauna::KimiLinearConfig", "fauna/models/kimi_linear.hpp");
  static constexpr bool rotary = false;
  static constexpr label shared = "shared_experts";
  static constexpr Routing routing{
      .balance = 0.0001F, .scores = router_scores::sigmoid, .scale = 2.446F, .corrected = true};

  template <auto c, char Letter> static constexpr auto mixer_of() {
    if constexpr (Letter == 'k')
      return std::type_identity<At<"self_attn", KimiDeltaAttention<c.width, c.rule_heads, c.rule_size, c.taps, false,
                                                                   Epsilon{c.epsilon}, KimiLinearNames>>>{};
    else return HybridStyle::mixer_of<c, Letter>();
  }
  template <auto c, char Letter> static constexpr auto mlp_of() {
    if constexpr (Letter == 'e') {
      using Expert = NamedGatedMlp<"w1", "w3", "w2", c.width, c.expert_hidden, c.act>;
      using Experts = Moe<Expert, c.experts, c.chosen, moe_decoder_detail::routing<c>()>;
      return std::type_identity<
          At<"block_sparse_moe", typename moe_decoder_detail::mixture_<c, Experts, true, false>::type>>{};
    } else {
      return HybridStyle::mlp_of<c, Letter>();
    }
  }
};
using KimiLinearConfig = HybridConfig<KimiLinearStyle, Mixture<KimiLinearStyle>, Latents, KdaHeads>;
template <KimiLinearConfig c> struct KimiLinear : MoeHybrid<c> {
  /// transformers 5.24 writes the MLPs of the first layers under the experts' name.
  static std::vector<Piece> under_one_name(Tensor const& t) {
    auto pieces = pieces_of(t);
    for (Piece& p : pieces)
      if (const std::size_t mlp = p.name.find(".mlp."); mlp != std::string::npos)
        p.name.replace(mlp, 5, ".block_sparse_moe.");
    return pieces;
  }
  static constexpr Dialect dialects[] = {{"the hub", "*.mlp.*", nullptr},
                                         {"transformers", "*.block_sparse_moe.up_proj.*", under_one_name}};
};

using KimiLinear_48B_A3B =
    KimiLinear<KimiLinearConfig{{.layers = 27, .width = 2304, .hidden = 9216, .context = 1048576, .vocab = 163840},
                                {.mixers = "kkkakkkakkkakkkakkkakkkakka", .mlps = "deeeeeeeeeeeeeeeeeeeeeeeeee"},
                                {.experts = 256, .chosen = 8, .expert_hidden = 1024, .shared_hidden = 1024},
                                {},
                                {}}>;
/// For characters: as many parameters meet a token as in nanoGPT's CPU model.
using KimiLinearShakespeare = KimiLinear<KimiLinearConfig{
    {.layers = 4, .heads = 4, .width = 128, .hidden = 352, .context = 64, .vocab = 65, .tied = true},
    {.mixers = "kkka", .mlps = "deee"},
    {.experts = 16, .chosen = 3, .expert_hidden = 72, .shared_hidden = 72},
    {.rank = 64, .nope = 32, .rope = 16, .value = 32},
    {.rule_heads = 4, .rule_size = 32}}>;

}  // namespace fauna::inline v0
