// Gated DeltaNet 2, as fla-core's `gdn2` has its recurrence: the delta rule whose strength is a number for each key
// that erases and one for each value that is written. Around it stands the layer of Kimi Delta Attention, in whose
// names the parts are; fla-core has no layer.
//   C  Width     H  Heads of N columns for queries, keys and values alike
//   q = unit(silu(conv(x W_qᵀ)))      k = unit(silu(conv(x W_kᵀ)))      v = silu(conv(x W_vᵀ))
//   b = σ(x W_bᵀ), a number a key      w = σ(x W_wᵀ), a number a value
//   α = exp(-e^{A_log} softplus(x W_f1ᵀ W_f2ᵀ + dt_bias)), a number a key
//   S_t = (I - k_t (b_t ∘ k_t)ᵀ) diag(α_t) S_{t-1} + k_t (w_t ∘ v_t)ᵀ      o_t = S_tᵀ q_t / √N
//   out = (RmsNorm_head(o) ∘ σ(x W_g1ᵀ W_g2ᵀ + bias)) W_oᵀ
// With b = w = β it is Kimi Delta Attention.
#pragma once
#include <fauna/blocks/columns.hpp>
#include <fauna/blocks/delta_net.hpp>

namespace fauna::inline v0 {

/// Rows of [q | k | v | fade | b], C columns each, to rows of [q | k | v | fade | σ(b) ∘ k].
template <int C>
struct GatedErasure
    : Concat<Columns<5 * C, 0, 4 * C>,
             Seq<Concat<Columns<5 * C, 4 * C, C>, Columns<5 * C, C, C>>, Gated<activation::sigmoid, C>>> {};

/// Rows of Width columns to rows of Width. Its state: N rows of N numbers a head, and the convolutions' last inputs.
template <int Width, int Heads, int N, int Taps = 4, Epsilon E = Epsilon{}>
struct GatedDeltaNet2
    : Seq<Concat<Seq<At<"g_proj.0", Linear<Width, N, false>>, At<"g_proj.1", Linear<N, Heads * N>>>,
                 Seq<Concat<UnitKeys<"q_proj", "q_conv1d", Width, Heads, N, Taps>,
                            UnitKeys<"k_proj", "k_conv1d", Width, Heads, N, Taps>,
                            Seq<Concat<At<"w_proj", Linear<Width, Heads * N, false>>,
                                       ShortConvolved<"v_proj", "v_conv1d", Width, Heads * N, Taps>>,
                                Gated<activation::sigmoid, Heads * N>>,
                            Seq<At<"f_proj.0", Linear<Width, N, false>>, At<"f_proj.1", Linear<N, Heads * N, false>>,
                                RateFade<Heads, N>>,
                            At<"b_proj", Linear<Width, Heads * N, false>>>,
                     GatedErasure<Heads * N>,
                     Recur<Recurrence{.fade = fades::by_key, .erase = erases::apart}, Heads, Heads, N, N>,
                     At<"o_norm", HeadNorm<Heads, RmsNorm<N, E>>>>>,
          Gated<activation::sigmoid, Heads * N>,
          At<"o_proj", Linear<Heads * N, Width, false, residual_normal(0.02F)>>> {};

}  // namespace fauna::inline v0
