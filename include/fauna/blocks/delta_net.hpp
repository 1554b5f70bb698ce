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
#include <fauna/compose/slice_of.hpp>

namespace fauna::inline v0 {

/// silu(conv(x Wᵀ)), P the product and C the convolution.
template <label Proj, label Conv, int Width, int Out, int Taps, class P = Linear<Width, Out, false>,
          class C = CausalConv<Out, Taps, false>>
struct ShortConvolved : Seq<At<Proj, P>, At<Conv, C>, Silu<Out>> {};

/// The queries and keys of delta rules: heads of length 1.
template <label Proj, label Conv, int Width, int Heads, int K, int Taps, class P = Linear<Width, Heads * K, false>,
          class C = CausalConv<Heads * K, Taps, false>>
struct UnitKeys : Seq<ShortConvolved<Proj, Conv, Width, Heads * K, Taps, P, C>, UnitHeads<Heads, K>> {};

/// The parts of a gated delta rule whose rows files may have in wider tensors: z is the gate of what goes out, a what
/// the state fades by, b the strength.
enum class delta_part : int { q, k, v, z, a, b };
struct DeltaShape {
  int heads, key_heads, keys, values;
  constexpr bool operator==(DeltaShape const&) const = default;
};

/// Each part has a tensor of its own.
struct DeltaFiles {
  static constexpr label norm = "o_norm", out = "o_proj";
  static constexpr RowSlice projection(delta_part, DeltaShape) { return {}; }
  static constexpr RowSlice convolution(delta_part, DeltaShape) { return {}; }
};

/// Rows of Width columns to rows of Width. Its state: K rows of N numbers a head, and the convolutions' last inputs.
template <int Width, int Heads, int K, int N, int Taps = 4>
struct DeltaNet : Seq<Concat<UnitKeys<"q_proj", "q_conv1d", Width, Heads, K, Taps>,
                             UnitKeys<"k_proj", "k_conv1d", Width, Heads, K, Taps>,
                             ShortConvolved<"v_proj", "v_conv1d", Width, Heads * N, Taps>,
                             Seq<At<"b_proj", Linear<Width, Heads, false>>, Activation<Heads, activation::sigmoid>>>,
                      Recur<Recurrence{.erase = erases::delta, .strength = true}, Heads, Heads, K, N>,
                      At<"o_norm", HeadNorm<Heads, RmsNorm<N>>>,
                      At<"o_proj", Linear<Heads * N, Width, false, residual_normal(0.02F)>>> {};

/// The projections, convolutions and recurrence of the gated rule.
template <int Width, DeltaShape D, int Taps, class Files> struct delta_recurrence_ {
  template <delta_part P, int Out> struct at_ {
    using Product = typename SliceIf<Files::projection(P, D), Linear<Width, Out, false>>::type;
    using Conv = typename SliceIf<Files::convolution(P, D), CausalConv<Out, Taps, false>>::type;
  };
  static constexpr int keys = D.key_heads * D.keys, values = D.heads * D.values;
  using type =
      Seq<Concat<UnitKeys<"q_proj", "q_conv1d", Width, D.key_heads, D.keys, Taps,
                          typename at_<delta_part::q, keys>::Product, typename at_<delta_part::q, keys>::Conv>,
                 UnitKeys<"k_proj", "k_conv1d", Width, D.key_heads, D.keys, Taps,
                          typename at_<delta_part::k, keys>::Product, typename at_<delta_part::k, keys>::Conv>,
                 ShortConvolved<"v_proj", "v_conv1d", Width, values, Taps, typename at_<delta_part::v, values>::Product,
                                typename at_<delta_part::v, values>::Conv>,
                 Seq<At<"a_proj", typename at_<delta_part::a, D.heads>::Product>, RateFade<D.heads>>,
                 Seq<At<"b_proj", typename at_<delta_part::b, D.heads>::Product>,
                     Activation<D.heads, activation::sigmoid>>>,
          Recur<Recurrence{.fade = fades::by_head, .erase = erases::delta, .strength = true}, D.heads, D.key_heads,
                D.keys, D.values>>;
};

/// The same. What is added to the norm's mean square is E: 1e-6 in Qwen3-Next. Files: where checkpoints have the parts.
template <int Width, int Heads, int KeyHeads, int K, int N, int Taps = 4, Epsilon E = Epsilon{},
          class Files = DeltaFiles>
struct GatedDeltaNet
    : Seq<Concat<At<"g_proj", typename SliceIf<Files::projection(delta_part::z, DeltaShape{Heads, KeyHeads, K, N}),
                                               Linear<Width, Heads * N, false>>::type>,
                 Seq<typename delta_recurrence_<Width, DeltaShape{Heads, KeyHeads, K, N}, Taps, Files>::type,
                     At<Files::norm, HeadNorm<Heads, RmsNorm<N, E>>>>>,
          Gated<activation::silu, Heads * N>, At<Files::out, Linear<Heads * N, Width, false, residual_normal(0.02F)>>> {
};

}  // namespace fauna::inline v0
