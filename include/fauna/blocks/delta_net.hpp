// The delta rule (Schlag, Irie and Schmidhuber 2021, "Linear transformers are secretly fast weight programmers",
// section 4.2; Yang et al. 2024, "Parallelizing linear transformers with the delta rule over sequence length") and its
// gated form (Yang, Kautz and Hatamizadeh 2024, "Gated delta networks: Improving Mamba2 with delta rule", section 3),
// in the names of flash-linear-attention's checkpoints.
//   C  Width     H  Heads of N columns for values     G  KeyHeads of K for queries and keys, each for H / G heads
//   T  Taps of the convolutions
//   q = unit(silu(conv(x W_qᵀ)))      k = unit(silu(conv(x W_kᵀ)))      v = silu(conv(x W_vᵀ))      β = σ(x W_bᵀ)
//   S_t = α_t (I - β_t k_t k_tᵀ) S_{t-1} + β_t k_t v_tᵀ      o_t = S_tᵀ q_t / √K
//   DeltaNet        α = 1                                              out = RmsNorm_head(o) W_oᵀ
//   GatedDeltaNet   α = exp(-e^{A_log} softplus(x W_aᵀ + dt_bias))     out = (RmsNorm_head(o) ∘ silu(x W_gᵀ)) W_oᵀ
#pragma once
#include <fauna/blocks/gated.hpp>
#include <fauna/blocks/heads.hpp>
#include <fauna/blocks/mamba.hpp>
#include <fauna/blocks/recurrence.hpp>
#include <fauna/compose/concat.hpp>

namespace fauna::inline v0 {

/// silu(conv(x Wᵀ)).
template <label Proj, label Conv, int Width, int Out, int Taps>
struct ShortConvolved : Seq<At<Proj, Linear<Width, Out, false>>, At<Conv, CausalConv<Out, Taps, false>>, Silu<Out>> {};

/// The queries and keys of delta rules: heads of length 1.
template <label Proj, label Conv, int Width, int Heads, int K, int Taps>
struct UnitKeys : Seq<ShortConvolved<Proj, Conv, Width, Heads * K, Taps>, UnitHeads<Heads, K>> {};

/// Rows of Width columns to rows of Width. Its state: K rows of N numbers a head, and the convolutions' last inputs.
template <int Width, int Heads, int K, int N, int Taps = 4>
struct DeltaNet : Seq<Concat<UnitKeys<"q_proj", "q_conv1d", Width, Heads, K, Taps>,
                             UnitKeys<"k_proj", "k_conv1d", Width, Heads, K, Taps>,
                             ShortConvolved<"v_proj", "v_conv1d", Width, Heads * N, Taps>,
                             Seq<At<"b_proj", Linear<Width, Heads, false>>, Activation<Heads, activation::sigmoid>>>,
                      Recur<Recurrence{.erase = erases::delta, .strength = true}, Heads, Heads, K, N>,
                      At<"o_norm", HeadNorm<Heads, RmsNorm<N>>>,
                      At<"o_proj", Linear<Heads * N, Width, false, residual_normal(0.02F)>>> {};

/// The same. What is added to the norm's mean square is E: 1e-6 in Qwen3-Next.
template <int Width, int Heads, int KeyHeads, int K, int N, int Taps = 4, Epsilon E = Epsilon{}>
struct GatedDeltaNet
    : Seq<Concat<At<"g_proj", Linear<Width, Heads * N, false>>,
                 Seq<Concat<UnitKeys<"q_proj", "q_conv1d", Width, KeyHeads, K, Taps>,
                            UnitKeys<"k_proj", "k_conv1d", Width, KeyHeads, K, Taps>,
                            ShortConvolved<"v_proj", "v_conv1d", Width, Heads * N, Taps>,
                            Seq<At<"a_proj", Linear<Width, Heads, false>>, RateFade<Heads>>,
                            Seq<At<"b_proj", Linear<Width, Heads, false>>, Activation<Heads, activation::sigmoid>>>,
                     Recur<Recurrence{.fade = fades::by_head, .erase = erases::delta, .strength = true}, Heads,
                           KeyHeads, K, N>,
                     At<"o_norm", HeadNorm<Heads, RmsNorm<N, E>>>>>,
          Gated<activation::silu, Heads * N>, At<"o_proj", Linear<Heads * N, Width, false, residual_normal(0.02F)>>> {};

}  // namespace fauna::inline v0
