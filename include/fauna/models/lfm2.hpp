// LFM2 (Liquid AI 2025, "LFM2 technical report", section 2): gated short convolutions in most layers, attention with
// normed queries and keys in the others.
#pragma once
#include <fauna/blocks/short_conv.hpp>
#include <fauna/models/hybrid.hpp>

namespace fauna::inline v0 {

/// The numbers of the convolutions.
struct ShortConvNumbers {
  int taps = 3;
  bool conv_bias = false;  ///< of the convolution and of the projections around it
  constexpr bool operator==(ShortConvNumbers const&) const = default;
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("taps", c.taps), f("conv_bias", c.conv_bias);
  }
};

struct Lfm2Style : HybridStyle {
  static constexpr ConfigNames names = in_files("lfm2", "fauna::Lfm2", "fauna::Lfm2Config", "fauna/models/lfm2.hpp");
  static constexpr label attention_before = "operator_norm", mlp_before = "ffn_norm", final_norm = "embedding_norm",
                         mlp = "feed_forward", gate = "w1", up = "w3", down = "w2";
  static constexpr label out = "out_proj", q_norm = "q_layernorm", k_norm = "k_layernorm";
  static constexpr qk_norm normed = qk_norm::head;
  static constexpr bool tied = true;
  /// 'c': a gated short convolution
  template <auto c, char Letter> static constexpr auto mixer_of() {
    if constexpr (Letter == 'c') return std::type_identity<At<"conv", ShortConv<c.width, c.taps, c.conv_bias>>>{};
    else return HybridStyle::mixer_of<c, Letter>();
  }
};
using Lfm2Config = HybridConfig<Lfm2Style, ShortConvNumbers>;
template <Lfm2Config c> struct Lfm2 : Hybrid<c> {};

/// For characters, as large as nanoGPT's CPU model.
using Lfm2Shakespeare = Lfm2<Lfm2Config{
    {.layers = 5, .heads = 4, .kv_heads = 2, .head_size = 32, .width = 128, .hidden = 256, .context = 64, .vocab = 65},
    {.mixers = "ccaca"},
    {}}>;
using Lfm2_350M = Lfm2<Lfm2Config{{.layers = 16,
                                   .heads = 16,
                                   .kv_heads = 8,
                                   .head_size = 64,
                                   .width = 1024,
                                   .hidden = 4608,
                                   .context = 128000,
                                   .vocab = 65536,
                                   .base = 1000000},
                                  {.mixers = "ccaccaccacacacac"},
                                  {}}>;
using Lfm2_700M = Lfm2<Lfm2Config{{.layers = 16,
                                   .heads = 24,
                                   .kv_heads = 8,
                                   .head_size = 64,
                                   .width = 1536,
                                   .hidden = 6912,
                                   .context = 128000,
                                   .vocab = 65536,
                                   .base = 1000000},
                                  {.mixers = "ccaccaccacacacac"},
                                  {}}>;
using Lfm2_1_2B = Lfm2<Lfm2Config{{.layers = 16,
                                   .heads = 32,
                                   .kv_heads = 8,
                                   .head_size = 64,
                                   .width = 2048,
                                   .hidden = 8192,
                                   .context = 128000,
                                   .vocab = 65536,
                                   .base = 1000000},
                                  {.mixers = "ccaccaccacacacac"},
                                  {}}>;

}  // namespace fauna::inline v0
