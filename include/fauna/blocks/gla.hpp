// Gated linear attention (Yang et al. 2023, "Gated linear attention transformers with hardware-efficient training",
// section 4), and its simple form with one decay a head, in the names of flash-linear-attention's checkpoints.
//   C  Width     H  Heads, of K columns for queries and keys and N for values     R  Rank of what makes the decay
//   q = x W_qᵀ      k = x W_kᵀ      v = x W_vᵀ      α = σ(x W_1ᵀ W_2ᵀ + b)^{1/16}, a number a key
//   S_t = diag(α_t) S_{t-1} + k_t v_tᵀ      o_t = S_tᵀ q_t / √K
//   out = (RmsNorm_head(o) ∘ silu(x W_gᵀ)) W_oᵀ
#pragma once
#include <fauna/blocks/gated.hpp>
#include <fauna/blocks/heads.hpp>
#include <fauna/blocks/linear.hpp>
#include <fauna/blocks/recurrence.hpp>
#include <fauna/compose/at.hpp>
#include <fauna/compose/concat.hpp>
#include <fauna/compose/seq.hpp>

namespace fauna::inline v0 {

/// The layer around a recurrence whose fades the block Fade makes of rows of Width columns.
template <int Width, int Heads, int K, int N, fades By, class Fade>
struct GatedLinearLayer
    : Seq<Concat<
              At<"g_proj", Linear<Width, Heads * N, false>>,
              Seq<Concat<At<"q_proj", Linear<Width, Heads * K, false>>, At<"k_proj", Linear<Width, Heads * K, false>>,
                         At<"v_proj", Linear<Width, Heads * N, false>>, Fade>,
                  Recur<Recurrence{.fade = By}, Heads, Heads, K, N>,
                  At<"g_norm_swish_gate", HeadNorm<Heads, RmsNorm<N>>>>>,
          Gated<activation::silu, Heads * N>, At<"o_proj", Linear<Heads * N, Width, false, residual_normal(0.02F)>>> {};

/// Rows of Width columns to rows of Width. Its state: K rows of N numbers a head.
template <int Width, int Heads, int K, int N, int Rank = 16>
struct GatedLinearAttention : GatedLinearLayer<Width, Heads, K, N, fades::by_key,
                                               Seq<At<"gk_proj.0", Linear<Width, Rank, false>>,
                                                   At<"gk_proj.1", Linear<Rank, Heads * K>>, SlowSigmoid<Heads * K>>> {
};

/// The same, whose α is a number a head: α = σ(x Wᵀ + b)^{1/16}.
template <int Width, int Heads, int K, int N>
struct SimpleGla : GatedLinearLayer<Width, Heads, K, N, fades::by_head,
                                    Seq<At<"gk_proj", Linear<Width, Heads>>, SlowSigmoid<Heads>>> {};

}  // namespace fauna::inline v0
