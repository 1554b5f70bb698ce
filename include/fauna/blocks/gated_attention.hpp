// GatedAttention: self-attention whose heads are opened and closed by a gate of the same rows (Qiu et al. 2025, "Gated
// attention for large language models: non-linearity, sparsity, and attention-sink-free"; Qwen3-Next, Qwen3.5).
//   q, k, v as in SelfAttention;  g = x W_gᵀ;  y = (σ(g) ⊙ attention(q, k, v)) W_oᵀ
// In files q's projection is twice as wide: its rows are [head][q, g][column].
#pragma once
#include <fauna/blocks/gated.hpp>
#include <fauna/blocks/self_attention.hpp>
#include <fauna/compose/slice_of.hpp>

namespace fauna::inline v0 {

namespace self_attention_detail {

/// The name in the composition of what files have with the queries.
inline constexpr label gate_name = "gate_of_q";

/// One half of each head of a wider projection, 0 or 1.
template <label Name, int Width, int NHeads, int HeadSize, int Half, bool Bias>
struct HalfOfHeads
    : SliceOf<RowSlice{Name, NHeads, 2 * HeadSize, Half* HeadSize, HeadSize}, Linear<Width, NHeads * HeadSize, Bias>> {
};

}  // namespace self_attention_detail

/// As SelfAttention with three projections and no clip; Names::q holds the gate too.
template <class Names, int Width, int NHeads, int KvHeads, int HeadSize, SelfAttentionForm F = SelfAttentionForm{}>
struct GatedAttention
    : Seq<Concat<At<self_attention_detail::gate_name,
                    self_attention_detail::HalfOfHeads<Names::q, Width, NHeads, HeadSize, 1, F.qkv_bias>>,
                 present<
                     typename self_attention_detail::projections_<
                         Names, Width, NHeads, KvHeads, HeadSize, F,
                         self_attention_detail::HalfOfHeads<Names::q, Width, NHeads, HeadSize, 0, F.qkv_bias>>::type,
                     std::conditional_t<F.positions, Rope<NHeads, KvHeads, HeadSize, F.rope>, void>,
                     typename self_attention_detail::core_<F.scores.sinks, NHeads, KvHeads, HeadSize, F.scores>::type>>,
          Gated<activation::sigmoid, NHeads * HeadSize>, At<Names::out, Linear<NHeads * HeadSize, Width, F.out_bias>>> {
};

}  // namespace fauna::inline v0
