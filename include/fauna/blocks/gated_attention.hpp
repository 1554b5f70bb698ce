// GatedAttention: self-attention whose heads are opened and closed by a gate of the same rows (Qiu et al. 2025, "Gated
// attention for large language models: non-linearity, sparsity, and attention-sink-free"; Qwen3-Next, Qwen3.5).
//   q, k, v as in SelfAttention;  g = x W_gᵀ;  y = (σ(g) ⊙ attention(q, k, v)) W_oᵀ
// In files q's projection is twice as wide: its rows are [head][q, g][column].
#pragma once
#include <string>
#include <vector>

#include <fauna/blocks/gated.hpp>
#include <fauna/blocks/self_attention.hpp>

namespace fauna::inline v0 {

namespace self_attention_detail {

/// The name in the composition of what files have with the queries.
inline constexpr label gate_name = "gate_of_q";

/// B, a projection to NHeads heads, which files hold as one half of each head of a wider one: 0 or 1.
template <int NHeads, int HeadSize, int Half, label Name, class B> struct HalfOfHeads : B {
  using composition = HalfOfHeads;
  using children = Children<B>;
  template <class... New> using with = HalfOfHeads<NHeads, HeadSize, Half, Name, New...>;
  static std::string child_name(std::size_t) { return {}; }
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    B::visit(w, at, [&f](Tensor t, auto& v) {
      t.pieces = pieces;
      f(t, v);
    });
  }

 private:
  static std::vector<Piece> pieces(Tensor const& t) {
    const int cols = t.is_vector() ? 1 : t.cols;
    Piece p;
    p.name = t.name();
    if (const std::size_t gate = p.name.rfind(gate_name.c); gate != std::string::npos)
      p.name.replace(gate, std::string(gate_name.c).size(), Name.c);
    p.shape = t.is_vector() ? FileShape(2 * NHeads * HeadSize) : FileShape(2 * NHeads * HeadSize, cols);
    p.rows = NHeads * HeadSize;
    p.offset = static_cast<std::ptrdiff_t>(Half * HeadSize) * cols;
    p.digits[1] = {NHeads, static_cast<std::ptrdiff_t>(2 * HeadSize) * cols};
    p.digits[2] = {HeadSize, cols};
    return {p};
  }
};

}  // namespace self_attention_detail

template <int NHeads, int HeadSize, int Half, label Name, class B>
struct bare_<self_attention_detail::HalfOfHeads<NHeads, HeadSize, Half, Name, B>> : bare_<B> {};

/// As SelfAttention with three projections and no clip; Names::q holds the gate too.
template <class Names, int Width, int NHeads, int KvHeads, int HeadSize, SelfAttentionForm F = SelfAttentionForm{}>
struct GatedAttention
    : Seq<Concat<At<self_attention_detail::gate_name,
                    self_attention_detail::HalfOfHeads<NHeads, HeadSize, 1, Names::q,
                                                       Linear<Width, NHeads * HeadSize, F.qkv_bias>>>,
                 present<
                     typename self_attention_detail::projections_<
                         Names, Width, NHeads, KvHeads, HeadSize, F,
                         self_attention_detail::HalfOfHeads<NHeads, HeadSize, 0, Names::q,
                                                            Linear<Width, NHeads * HeadSize, F.qkv_bias>>>::type,
                     std::conditional_t<F.positions, Rope<NHeads, KvHeads, HeadSize, F.rope>, void>,
                     typename self_attention_detail::core_<F.scores.sinks, NHeads, KvHeads, HeadSize, F.scores>::type>>,
          Gated<activation::sigmoid, NHeads * HeadSize>, At<Names::out, Linear<NHeads * HeadSize, Width, F.out_bias>>> {
};

}  // namespace fauna::inline v0
