// Kimi Delta Attention (Kimi Team 2025, "Kimi Linear: An expressive, efficient attention architecture", section 3): the
// gated delta rule with a decay for each key, in the names of flash-linear-attention's checkpoints.
//   C  Width     H  Heads of N columns for queries, keys and values alike     R  Rank of gate and decay: N
//   q = unit(silu(conv(x W_qᵀ)))      k = unit(silu(conv(x W_kᵀ)))      v = silu(conv(x W_vᵀ))      β = σ(x W_bᵀ)
//   α = exp(-e^{A_log} softplus(x W_f1ᵀ W_f2ᵀ + dt_bias)), a number a key
//   S_t = (I - β_t k_t k_tᵀ) diag(α_t) S_{t-1} + β_t k_t v_tᵀ      o_t = S_tᵀ q_t / √N
//   out = (RmsNorm_head(o) ∘ σ(x W_g1ᵀ W_g2ᵀ + b)) W_oᵀ
#pragma once
#include <fauna/blocks/delta_net.hpp>

namespace fauna::inline v0 {

struct KdaNames {
  static constexpr label gate_down = "g_proj.0", gate_up = "g_proj.1", fade_down = "f_proj.0", fade_up = "f_proj.1";
  static constexpr bool deep_rates = false;  ///< as for RateFade
};

/// Rows of Width columns to rows of Width. Its state: N rows of N numbers a head, and the convolutions' last inputs.
/// The gate has a bias in flash-linear-attention and none in Kimi Linear.
template <int Width, int Heads, int N, int Taps = 4, bool GateBias = true, Epsilon E = Epsilon{},
          class Names = KdaNames>
struct KimiDeltaAttention
    : Seq<Concat<Seq<At<Names::gate_down, Linear<Width, N, false>>, At<Names::gate_up, Linear<N, Heads * N, GateBias>>>,
                 Seq<Concat<UnitKeys<"q_proj", "q_conv1d", Width, Heads, N, Taps>,
                            UnitKeys<"k_proj", "k_conv1d", Width, Heads, N, Taps>,
                            ShortConvolved<"v_proj", "v_conv1d", Width, Heads * N, Taps>,
                            Seq<At<Names::fade_down, Linear<Width, N, false>>,
                                At<Names::fade_up, Linear<N, Heads * N, false>>, RateFade<Heads, N, Names::deep_rates>>,
                            Seq<At<"b_proj", Linear<Width, Heads, false>>, Activation<Heads, activation::sigmoid>>>,
                     Recur<Recurrence{.fade = fades::by_key, .erase = erases::delta, .strength = true}, Heads, Heads, N,
                           N>,
                     At<"o_norm", HeadNorm<Heads, RmsNorm<N, E>>>>>,
          Gated<activation::sigmoid, Heads * N>,
          At<"o_proj", Linear<Heads * N, Width, false, residual_normal(0.02F)>>> {};

}  // namespace fauna::inline v0
