// Qwen3-Next (Qwen Team 2025, "Qwen3-Next: Towards ultimate training and inference efficiency"; Yang, Kautz and
// Hatamizadeh 2024 and Qiu et al. 2025 for the parts): three layers with a gated delta rule, then one whose attention
// has a gate, and so on; for the MLP many small experts, with one that all rows share behind a gate. Norms of the
// stream and of heads keep weights around zero; that behind the rule does not.
#pragma once
#include <fauna/blocks/delta_net.hpp>
#include <fauna/blocks/gated_attention.hpp>
#include <fauna/models/hybrid.hpp>

namespace fauna::inline v0 {

/// The heads of the gated delta rule.
struct DeltaHeads {
  int rule_heads = 32, key_heads = 16;  ///< of values, and of queries and keys, each for as many of values
  int keys = 128, values = 128;         ///< columns of a head
  int taps = 4;                         ///< of the convolutions

  constexpr bool operator==(DeltaHeads const&) const = default;
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("rule_heads", c.rule_heads), f("key_heads", c.key_heads), f("keys", c.keys), f("values", c.values);
    f("taps", c.taps);
  }
};

/// Queries, keys and values share a convolution in files.
struct DeltaInOne {
  static constexpr label norm = "norm", out = "out_proj";
  static constexpr RowSlice convolution(delta_part p, DeltaShape d) { return joined("conv1d", p, d); }

 protected:
  /// Rows of [q | k | v].
  static constexpr RowSlice joined(label name, delta_part p, DeltaShape d) {
    const int keys = d.key_heads * d.keys, values = d.heads * d.values, all = 2 * keys + values;
    return p == delta_part::v ? RowSlice{name, 1, all, 2 * keys, values}
                              : RowSlice{name, 1, all, p == delta_part::k ? keys : 0, keys};
  }
};

/// Rows of [key head][q | k | v | z], and of [key head][b | a].
struct Qwen3NextFiles : DeltaInOne {
  static constexpr RowSlice projection(delta_part p, DeltaShape d) {
    const int shared = d.heads / d.key_heads, values = shared * d.values, all = 2 * (d.keys + values);
    switch (p) {
      case delta_part::q: return {"in_proj_qkvz", d.key_heads, all, 0, d.keys};
      case delta_part::k: return {"in_proj_qkvz", d.key_heads, all, d.keys, d.keys};
      case delta_part::v: return {"in_proj_qkvz", d.key_heads, all, 2 * d.keys, values};
      case delta_part::z: return {"in_proj_qkvz", d.key_heads, all, 2 * d.keys + values, values};
      case delta_part::b: return {"in_proj_ba", d.key_heads, 2 * shared, 0, shared};
      default: return {"in_proj_ba", d.key_heads, 2 * shared, shared, shared};
    }
  }
};
/// What Qwen3-Next and Qwen3.5 share.
struct DeltaDecoderStyle : HybridStyle {
  static constexpr label shared = "shared_expert", shared_gate = "shared_expert_gate";
  static constexpr norm_form norm = norm_form::rms_around_one;
  static constexpr qk_norm normed = qk_norm::head;
  /// 'g': the gated delta rule; 'a': attention with a gate
  template <auto c, char Letter> static constexpr auto mixer_of() {
    using Style = style_of<c>;
    if constexpr (Letter == 'g')
      return std::type_identity<At<"linear_attn", GatedDeltaNet<c.width, c.rule_heads, c.key_heads, c.keys, c.values,
                                                                c.taps, Epsilon{c.epsilon}, typename Style::Files>>>{};
    else if constexpr (Letter == 'a')
      return std::type_identity<At<"self_attn", GatedAttention<Style, c.width, c.heads, c.kv_heads, c.head_size,
                                                               decoder_detail::attention_form(c, true)>>>{};
    else return HybridStyle::mixer_of<c, Letter>();
  }
};

struct Qwen3NextStyle : DeltaDecoderStyle {
  static constexpr ConfigNames names =
      in_files("qwen3_next", "fauna::Qwen3Next", "fauna::Qwen3NextConfig", "fauna/models/qwen3_next.hpp");
  using Files = Qwen3NextFiles;
};
using Qwen3NextConfig = HybridConfig<Qwen3NextStyle, Mixture<Qwen3NextStyle>, DeltaHeads>;
template <Qwen3NextConfig c> struct Qwen3Next : MoeHybrid<c>, ExpertDialects<c> {
  static constexpr std::string_view holds_beside[] = {"mtp.*"};  // what it drafts with
};

/// For characters: as many parameters meet a token as in nanoGPT's CPU model.
using Qwen3NextShakespeare =
    Qwen3Next<Qwen3NextConfig{{.layers = 4,
                               .heads = 4,
                               .kv_heads = 2,
                               .head_size = 32,
                               .width = 128,
                               .hidden = 352,
                               .context = 64,
                               .vocab = 65,
                               .turned = 0.25,
                               .epsilon = 1e-6F,
                               .tied = true},
                              {.mixers = "ggga", .mlps = "e"},
                              {.experts = 16, .chosen = 3, .expert_hidden = 88, .shared_hidden = 72},
                              {.rule_heads = 4, .key_heads = 2, .keys = 32, .values = 32}}>;
using Qwen3Next_80B_A3B =
    Qwen3Next<Qwen3NextConfig{{.layers = 48,
                               .heads = 16,
                               .kv_heads = 2,
                               .head_size = 256,
                               .width = 2048,
                               .hidden = 5120,
                               .context = 262144,
                               .vocab = 151936,
                               .base = 10000000,
                               .turned = 0.25,
                               .epsilon = 1e-6F},
                              {.mixers = "ggga", .mlps = "e"},
                              {.experts = 512, .chosen = 10, .expert_hidden = 512, .shared_hidden = 512},
                              {}}>;

}  // namespace fauna::inline v0
