// Retention (Sun et al. 2023, "Retentive network: A successor to transformer for large language models", section 2), in
// the names of flash-linear-attention's checkpoints.
//   C  Width     H  Heads, of K columns for queries and keys and N for values     t  the row's position
//   q = Θ_t(x W_qᵀ)      k = Θ_t(x W_kᵀ)      v = x W_vᵀ          Θ_t: rotary position embedding
//   S_t = γ_h S_{t-1} + k_t v_tᵀ      o_t = S_tᵀ q_t / √K      γ_h = 1 - 2^{-5-h}: a scale a head
//   out = (RmsNorm_head(o) ∘ silu(x W_gᵀ)) W_oᵀ
// Rotation and γ together are the paper's xPos, whose growing factor for keys and shrinking one for queries are γ's
// powers: here the state fades instead, as in its recurrent form (equation 6).
#pragma once
#include <fauna/blocks/gated.hpp>
#include <fauna/blocks/heads.hpp>
#include <fauna/blocks/linear.hpp>
#include <fauna/blocks/recurrence.hpp>
#include <fauna/blocks/rope.hpp>
#include <fauna/compose/at.hpp>
#include <fauna/compose/concat.hpp>
#include <fauna/compose/seq.hpp>

namespace fauna::inline v0 {

/// γ of a head: 31/32, 63/64, ...
constexpr double retention_scale(int head) {
  double part = 1.0 / 32;
  for (int h = 0; h < head; ++h) part /= 2;
  return 1 - part;
}

/// Rows of Width columns to rows of Width. Its state: K rows of N numbers a head.
template <int Width, int Heads, int K, int N>
struct Retention
    : Seq<Concat<At<"g_proj", Linear<Width, Heads * N, false>>,
                 Seq<Concat<Seq<At<"q_proj", Linear<Width, Heads * K, false>>, Rope<Heads, 0, K>>,
                            Seq<At<"k_proj", Linear<Width, Heads * K, false>>, Rope<Heads, 0, K>>,
                            At<"v_proj", Linear<Width, Heads * N, false>>>,
                     Recur<Recurrence{.fade = fades::fixed}, Heads, Heads, K, N, retention_scale>,
                     At<"g_norm", HeadNorm<Heads, RmsNorm<N>>>>>,
          Gated<activation::silu, Heads * N>, At<"o_proj", Linear<Heads * N, Width, false, residual_normal(0.02F)>>> {};

}  // namespace fauna::inline v0
