// Samba (Ren et al. 2024, "Samba: Simple hybrid state space models for efficient unlimited context language modeling",
// section 2): layers of Mamba and of attention with a window take turns, each with an MLP after it. Names are those of
// the authors' code, whose table of cosines is rounded to bfloat16; here it is not.
#pragma once
#include <fauna/models/hybrid.hpp>
#include <fauna/models/mamba_numbers.hpp>

namespace fauna::inline v0 {

struct SambaStyle : HybridStyle {
  static constexpr ConfigNames names{
      "samba",         "fauna::Samba", "fauna::SambaConfig", "fauna/models/samba.hpp", "transformer.wte.weight",
      "lm_head.weight"};
  static constexpr label root = "transformer", table = "wte", layers = "h", final_norm = "ln_f",
                         attention_before = "norm_1", mlp_before = "norm_2", attention = "attn", mlp = "mlp.swiglu",
                         gate = "w1", up = "w2", down = "w3";
  static constexpr label fused = "attn", out = "proj";
  static constexpr bool by_group = true, tied = true;
  /// 'm': Mamba
  template <auto c, char Letter> static constexpr auto mixer_of() {
    if constexpr (Letter == 'm')
      return std::type_identity<At<"attn", MambaMixer<c.width, c.inner, c.states, c.rank, c.taps, c.mixer_bias>>>{};
    else return HybridStyle::mixer_of<c, Letter>();
  }
};
using SambaConfig = HybridConfig<SambaStyle, MambaNumbers>;
template <SambaConfig c> struct Samba : Hybrid<c> {};

/// For characters, as large as nanoGPT's CPU model.
using SambaShakespeare = Samba<SambaConfig{{.layers = 4,
                                            .heads = 4,
                                            .kv_heads = 4,
                                            .head_size = 32,
                                            .width = 128,
                                            .hidden = 288,
                                            .context = 64,
                                            .vocab = 65,
                                            .window = 32},
                                           {.mixers = "mw"},
                                           {.inner = 256, .rank = 8}}>;
using Samba421M = Samba<SambaConfig{{.layers = 12,
                                     .heads = 12,
                                     .kv_heads = 12,
                                     .head_size = 128,
                                     .width = 1536,
                                     .hidden = 4096,
                                     .context = 4096,
                                     .vocab = 32000,
                                     .window = 2048},
                                    {.mixers = "mw"},
                                    {.inner = 3072, .rank = 96}}>;
using Samba1_3B = Samba<SambaConfig{{.layers = 18,
                                     .heads = 18,
                                     .kv_heads = 18,
                                     .head_size = 128,
                                     .width = 2304,
                                     .hidden = 6144,
                                     .context = 4096,
                                     .vocab = 32000,
                                     .window = 2048},
                                    {.mixers = "mw"},
                                    {.inner = 4608, .rank = 144}}>;

}  // namespace fauna::inline v0
