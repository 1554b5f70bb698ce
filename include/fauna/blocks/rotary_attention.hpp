// Causal self-attention over rotated queries and keys, with the projections of the two checkpoint families.
//   q = rope(x W_qᵀ), k = rope(x W_kᵀ), v = x W_vᵀ;  y = attention(q, k, v) W_oᵀ
#pragma once
#include <fauna/blocks/attention.hpp>
#include <fauna/blocks/linear.hpp>
#include <fauna/blocks/norm.hpp>
#include <fauna/blocks/rope.hpp>
#include <fauna/compose/concat.hpp>
#include <fauna/compose/seq.hpp>
#include <fauna/compose/stored_as.hpp>

namespace fauna::inline v0 {

/// How queries and keys are normalised before they are rotated, so that their products stay within bounds (Henry et al.
/// 2020, "Query-key normalization").
enum class qk_norm {
  none,
  full,  ///< RMSNorm over all heads of a row at once (Muennighoff et al. 2024, "OLMoE", section 4.2.5)
  head,  ///< RMSNorm of each head (blocks/heads.hpp)
  unit,  ///< each head at length 1, without weights
};
struct QkNorm {
  qk_norm over = qk_norm::none;
  float epsilon = 1e-5F;
  int offset = 0;  ///< as for RmsNorm
  constexpr bool operator==(QkNorm const&) const = default;
};

/// A projection, and what of QkNorm follows it.
template <label Name, label Norm, class Projection, QkNorm N>
using NormedProjection =
    std::conditional_t<N.over == qk_norm::none, At<Name, Projection>,
                       Seq<At<Name, Projection>, At<Norm, RmsNorm<Projection::out, Epsilon{N.epsilon}>>>>;

/// Llama's: three projections, grouped key heads (Touvron et al. 2023; Ainslie et al. 2023).
template <int Width, int NHeads, int KvHeads, int HeadSize, RopeShape R = RopeShape{}, bool Bias = false,
          QkNorm N = QkNorm{}>
struct RotaryAttention : Seq<Concat<NormedProjection<"q_proj", "q_norm", Linear<Width, NHeads * HeadSize, Bias>, N>,
                                    NormedProjection<"k_proj", "k_norm", Linear<Width, KvHeads * HeadSize, Bias>, N>,
                                    At<"v_proj", Linear<Width, KvHeads * HeadSize, Bias>>>,
                             Rope<NHeads, KvHeads, HeadSize, R>, AttentionCore<NHeads, KvHeads, HeadSize>,
                             At<"o_proj", Linear<NHeads * HeadSize, Width, Bias>>> {};

/// GPT-NeoX's: one projection, whose checkpoint rows are [head][q, k, v][column] (Black et al. 2022).
template <int Width, int NHeads, RopeShape R = RopeShape{}, bool Bias = true>
struct NeoXAttention
    : Seq<At<"query_key_value", StoredAs<Layout{.heads = NHeads, .parts = 3}, Linear<Width, 3 * Width, Bias>>>,
          Rope<NHeads, NHeads, Width / NHeads, R>, MultiHead<Width, NHeads>, At<"dense", Linear<Width, Width, Bias>>> {
};

}  // namespace fauna::inline v0
