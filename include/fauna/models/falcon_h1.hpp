// Falcon-H1 (TII 2025, "Falcon-H1: A family of hybrid-head language models redefining efficiency and performance",
// section 2): in each layer a mixer of Mamba-2 and attention read the same rows, side by side, then comes a gated MLP.
// Constants stand in many places, so that learning rates suit every width (section 3.2.3, after Yang et al. 2022). That
// of the keys is one of the scores.
#pragma once
#include <fauna/blocks/mamba2.hpp>
#include <fauna/models/decoder.hpp>

namespace fauna::inline v0 {

struct FalconH1Style : DecoderStyle {
  static constexpr ConfigNames names =
      in_files("falcon_h1", "fauna::FalconH1", "fauna::FalconH1Config", "fauna/models/falcon_h1.hpp");
  static constexpr label final_norm = "final_layernorm", mlp_before = "pre_ff_layernorm", mlp = "feed_forward";
  static constexpr label attention = "";  // its own name stands beside that of the mixer
};

/// The mixer of Mamba-2.
struct FalconH1Mamba {
  int ssm_heads = 24;     ///< of the recurrence
  int ssm_size = 64;      ///< columns of a head
  int states = 128;       ///< numbers that each column of a head carries
  int groups = 1;         ///< of heads, which share B and C and are normalised together
  int taps = 4;           ///< of the convolution
  bool ssm_bias = false;  ///< of the outer projections
  bool conv_bias = true;
  bool normed = false;      ///< after the recurrence
  bool gate_first = false;  ///< the gate stands before the norm

  constexpr bool operator==(FalconH1Mamba const&) const = default;
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("ssm_heads", c.ssm_heads), f("ssm_size", c.ssm_size), f("states", c.states), f("groups", c.groups);
    f("taps", c.taps), f("ssm_bias", c.ssm_bias), f("conv_bias", c.conv_bias), f("normed", c.normed);
    f("gate_first", c.gate_first);
  }
};

/// What parts read or give times these.
struct FalconH1Scales {
  double attention_in = 1, attention_out = 1, ssm_in = 1, ssm_out = 1;
  double z = 1, x = 1, b = 1, c = 1, dt = 1;  ///< of what the mixer's first projection gives
  double gate = 1, down = 1;                  ///< of the MLP

  constexpr bool operator==(FalconH1Scales const&) const = default;
  template <class C, class F> static constexpr void each(C& c, F&& f) {
    f("attention_in", c.attention_in), f("attention_out", c.attention_out), f("ssm_in", c.ssm_in);
    f("ssm_out", c.ssm_out), f("z", c.z), f("x", c.x), f("b", c.b), f("c", c.c), f("dt", c.dt), f("gate", c.gate);
    f("down", c.down);
  }
};

using FalconH1Config = DecoderConfigWith<FalconH1Style, FalconH1Mamba, FalconH1Scales>;

constexpr Mamba2Sizes falcon_h1_sizes(FalconH1Config const& c) {
  return {c.ssm_heads, c.ssm_size, c.states, c.groups, c.taps, c.conv_bias, c.gate_first, Epsilon{c.epsilon}, c.normed};
}

/// In F times and out times G.
template <int Width, Multiplier F, class B, Multiplier G>
using scaled_around = present<scaled_if<Width, F>, B, scaled_if<Width, G>>;

template <FalconH1Config c>
using FalconH1Mixer =
    Mamba2Mixer<c.width, falcon_h1_sizes(c), c.ssm_bias,
                ScaledParts<ScaledPart{falcon_h1_sizes(c).inner(), c.z}, ScaledPart{falcon_h1_sizes(c).inner(), c.x},
                            ScaledPart{c.groups * c.states, c.b}, ScaledPart{c.groups * c.states, c.c},
                            ScaledPart{c.ssm_heads, c.dt}>>;

template <FalconH1Config c, bool Full> struct decoder_attention_<c, Full> {
  using Self =
      SelfAttention<FalconH1Style, c.width, c.heads, c.kv_heads, c.head_size, decoder_detail::attention_form(c, Full)>;
  using type =
      Parallel<scaled_around<c.width, Multiplier{c.ssm_in}, At<"mamba", FalconH1Mixer<c>>, Multiplier{c.ssm_out}>,
               scaled_around<c.width, Multiplier{c.attention_in}, At<"self_attn", Self>, Multiplier{c.attention_out}>>;
};

template <FalconH1Config c> struct FalconH1Parts : DecoderParts<c> {
  using Base = DecoderParts<c>;
  template <int Hidden> using Half = Linear<c.width, Hidden, c.mlp_bias>;
  using Mlp = present<Concat<At<"gate_proj", Half<c.hidden>>, At<"up_proj", Half<c.hidden>>>,
                      ScaledParts<ScaledPart{c.hidden, c.gate}, ScaledPart{c.hidden}>, Gated<c.act, c.hidden>,
                      At<"down_proj", Linear<c.hidden, c.width, c.mlp_bias>>, scaled_if<c.width, Multiplier{c.down}>>;
  using Trunk = typename Base::template TrunkWith<Stack<0, c.layers, typename Base::template LayerWith<true, Mlp>>>;
};
template <FalconH1Config c> struct FalconH1Trunk : FalconH1Parts<c>::Trunk {};

template <FalconH1Config c> struct FalconH1 : DecoderOf<c, FalconH1Trunk<c>, FalconH1Parts<c>> {};

using FalconH1_0_5B = FalconH1<FalconH1Config{{.layers = 36,
                                               .heads = 8,
                                               .kv_heads = 2,
                                               .head_size = 64,
                                               .width = 1024,
                                               .hidden = 2048,
                                               .context = 16384,
                                               .vocab = 32784,
                                               .base = 1e11,
                                               .score_scale = 0.39062499999999994 / 8,
                                               .embedding_scale = 5.656854249492381,
                                               .logit_scale = 0.0390625},
                                              {},
                                              {.attention_out = 0.9375,
                                               .ssm_in = 1.25,
                                               .ssm_out = 0.23570226039551587,
                                               .z = 0.3535533905932738,
                                               .x = 0.25,
                                               .b = 0.3535533905932738,
                                               .c = 0.5,
                                               .dt = 0.3535533905932738,
                                               .gate = 0.8838834764831844,
                                               .down = 0.5859375}}>;
/// For characters: as many parameters as nanoGPT's CPU model has.
using FalconH1Shakespeare = FalconH1<FalconH1Config{{.layers = 4,
                                                     .heads = 8,
                                                     .kv_heads = 4,
                                                     .head_size = 16,
                                                     .width = 128,
                                                     .hidden = 108,
                                                     .context = 64,
                                                     .vocab = 65,
                                                     .score_scale = 0.25,
                                                     .tied = true},
                                                    {.ssm_heads = 4, .ssm_size = 64, .states = 32},
                                                    {}}>;

}  // namespace fauna::inline v0
