// RecurrentGemma (Botev et al. 2024, "RecurrentGemma: Moving past transformers for efficient open language models"),
// that is Griffin (De et al. 2024): two layers of gated linear recurrences for one of local attention, in Gemma's
// frame. Its embeddings are multiplied by √width as bfloat16 rounds it, whatever the precision of all else.
#pragma once
#include <fauna/blocks/rg_lru.hpp>
#include <fauna/models/hybrid.hpp>

namespace fauna::inline v0 {

/// The numbers of the recurrences.
struct GriffinNumbers {
  int channels = 2560;  ///< of the recurrence; its gates have as many heads as attention
  int taps = 4;         ///< of the convolution before it
  constexpr bool operator==(GriffinNumbers const&) const = default;
  template <class C, class F> static constexpr void each(C& c, F&& f) { f("channels", c.channels), f("taps", c.taps); }
};

struct RecurrentGemmaStyle : HybridStyle {
  static constexpr ConfigNames names = in_files("recurrent_gemma", "fauna::RecurrentGemma",
                                                "fauna::RecurrentGemmaConfig", "fauna/models/recurrent_gemma.hpp");
  static constexpr label attention_before = "temporal_pre_norm", mlp_before = "channel_pre_norm",
                         final_norm = "final_norm", attention = "temporal_block", mlp = "mlp_block";
  static constexpr norm_form norm = norm_form::rms_around_one;
  static constexpr bool out_bias = true, mlp_bias = true, tied = true;
  static constexpr activation act = activation::gelu_tanh;
  /// 'r': the recurrent block
  template <auto c, char Letter> static constexpr auto mixer_of() {
    if constexpr (Letter == 'r')
      return std::type_identity<At<"temporal_block", GriffinRecurrent<c.width, c.channels, c.heads, c.taps>>>{};
    else return HybridStyle::mixer_of<c, Letter>();
  }
};
using RecurrentGemmaConfig = HybridConfig<RecurrentGemmaStyle, GriffinNumbers>;
template <RecurrentGemmaConfig c> struct RecurrentGemma : Hybrid<c> {};

/// For characters, as large as nanoGPT's CPU model.
using RecurrentGemmaShakespeare = RecurrentGemma<RecurrentGemmaConfig{{.layers = 6,
                                                                       .heads = 4,
                                                                       .kv_heads = 1,
                                                                       .head_size = 32,
                                                                       .width = 128,
                                                                       .hidden = 208,
                                                                       .context = 64,
                                                                       .vocab = 65,
                                                                       .window = 32,
                                                                       .turned = 0.5,
                                                                       .embedding_scale = 11.3125,
                                                                       .logit_cap = 30,
                                                                       .epsilon = 1e-6F},
                                                                      {.mixers = "rrw"},
                                                                      {.channels = 128}}>;
using RecurrentGemma2B = RecurrentGemma<RecurrentGemmaConfig{{.layers = 26,
                                                              .heads = 10,
                                                              .kv_heads = 1,
                                                              .head_size = 256,
                                                              .width = 2560,
                                                              .hidden = 7680,
                                                              .context = 8192,
                                                              .vocab = 256000,
                                                              .window = 2048,
                                                              .turned = 0.5,
                                                              .embedding_scale = 50.5,
                                                              .logit_cap = 30,
                                                              .epsilon = 1e-6F},
                                                             {.mixers = "rrw"},
                                                             {}}>;
using RecurrentGemma9B = RecurrentGemma<RecurrentGemmaConfig{{.layers = 38,
                                                              .heads = 16,
                                                              .kv_heads = 1,
                                                              .head_size = 256,
                                                              .width = 4096,
                                                              .hidden = 12288,
                                                              .context = 8192,
                                                              .vocab = 256000,
                                                              .window = 2048,
                                                              .turned = 0.5,
                                                              .embedding_scale = 64,
                                                              .logit_cap = 30,
                                                              .epsilon = 1e-6F},
                                                             {.mixers = "rrw"},
                                                             {.channels = 4096}}>;

}  // namespace fauna::inline v0
