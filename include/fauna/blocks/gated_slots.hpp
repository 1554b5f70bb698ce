// Gated slot attention (Zhang et al. 2024, "Gated slot attention for efficient linear-time sequence modeling", section
// 3.2), in the names of flash-linear-attention's checkpoints.
//   C  Width     H  Heads, of K columns for queries and keys and N for values     M  Slots of a head
//   q = silu(x W_qᵀ)      k = silu(x W_kᵀ)      v = silu(x W_vᵀ)      f = σ(x W_fᵀ), a number a slot
//   K_t = K_{t-1} diag(f_t) + k_t (1 - f_t)ᵀ      p_t = softmax(K_tᵀ q_t / √K)       what each slot's key says to q
//   V_t = diag(f_t) V_{t-1} + (1 - f_t) v_tᵀ      o_t = V_tᵀ p_t                     and what the slots chosen hold
//   out = RmsNorm(silu(o)) W_oᵀ
// Two recurrences that fade by the slot: of a state of keys that is a column, of a state of values a row. The reference
// takes the root of f of a degree that its config says, 1 here; 1 - σ(z) is σ(-z).
#pragma once
#include <fauna/blocks/hgrn2.hpp>
#include <fauna/ops/softmax_heads/op.hpp>

namespace fauna::inline v0 {

/// Softmax over each head's N columns. No weights.
template <int Heads, int N> struct SoftmaxHeads : SameWidth<Heads * N> {
  static constexpr const char* kind_name = "SoftmaxHeads";
  template <class S> struct Saved { View<S, dyn, Heads * N> y; };
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    s.y = a.take_view<S, dyn, Heads * N>(shape.rows());
  }
  static constexpr double flops(double) { return 4.0 * Heads * N; }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const&, St&, In<C, Heads * N> x, Out<C, Heads * N> y, Sv& saved) {
    using B = typename C::backend_type;
    softmax_heads<B>::forward(c.backend, N, x, y);
    if (c.keeps()) add<B>::run(c.backend, y, {}, saved.y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, In<C, Heads * N>, Sv& saved, In<C, Heads * N> dy, Out<C, Heads * N> dx,
                       St&) {
    softmax_heads<typename C::backend_type>::backward(c.backend, N, saved.y, dy, dx);
  }
};

/// Rows of [q | k | z | v] to rows of [p | 1 - f | v | f], f = σ(z), whose p are softmaxes of what the slots' keys say.
template <int Heads, int K, int N, int M> struct SlotScores {
  static constexpr int QK = 2 * Heads * K, HM = Heads * M, HN = Heads * N, in = QK + HM + HN;
  using z = Columns<in, QK, HM>;
  using stays = Seq<z, Activation<HM, activation::sigmoid>>;
  using goes = Seq<z, Scaled<HM, Multiplier{-1}>, Activation<HM, activation::sigmoid>>;
  using scores = Seq<Concat<Columns<in, 0, QK>, goes, stays>,
                     Recur<Recurrence{.fade = fades::by_value}, Heads, Heads, K, M>, SoftmaxHeads<Heads, M>>;
  using type = Concat<scores, goes, Columns<in, QK + HM, HN>, stays>;
};

/// Rows of Width columns to rows of Width. Its state: K rows of M numbers and M rows of N a head.
template <int Width, int Heads, int K, int N, int M>
struct GatedSlotAttention
    : Seq<Concat<Seq<At<"q_proj", Linear<Width, Heads * K, false>>, Silu<Heads * K>>,
                 Seq<At<"k_proj", Linear<Width, Heads * K, false>>, Silu<Heads * K>>,
                 At<"f_proj", Linear<Width, Heads * M, false>>,
                 Seq<At<"v_proj", Linear<Width, Heads * N, false>>, Silu<Heads * N>>>,
          typename SlotScores<Heads, K, N, M>::type,
          Recur<Recurrence{.fade = fades::by_key}, Heads, Heads, M, N, nullptr, false>, Silu<Heads * N>,
          At<"g_norm", RmsNorm<Heads * N>>, At<"o_proj", Linear<Heads * N, Width, false, residual_normal(0.02F)>>> {};

}  // namespace fauna::inline v0
