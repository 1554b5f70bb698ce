// mLSTM (Beck et al. 2024, "xLSTM: Extended long short-term memory", section 2.3) in the layer of xLSTM-7B (Beck et al.
// 2025, "xLSTM 7B: A recurrent LLM for fast and efficient inference", section 3), in transformers' names.
//   C  Width     H  Heads, of K columns for queries and keys and N for values
//   q = x W_qᵀ      k = x W_kᵀ      v = x W_vᵀ      i = x W_iᵀ + b_i      f = x W_fᵀ + b_f      ĩ = e^{cap(i)}
//   S_t = σ(cap(f_t)) S_{t-1} + ĩ_t k_t v_tᵀ      n_t = σ(cap(f_t)) n_{t-1} + ĩ_t k_t      cap(x) = 15 tanh(x / 15)
//   o_t = S_tᵀ q_t / max(|n_t · q_t|, 1), queries divided by √K
//   out = (LayerNorm_head(o) ∘ σ(x W_oᵀ)) W_outᵀ
// S and n are kept as e^m times smaller ones (ops/mlstm_gates/op.hpp), n as one more column of S.
#pragma once
#include <fauna/blocks/gated.hpp>
#include <fauna/blocks/heads.hpp>
#include <fauna/blocks/linear.hpp>
#include <fauna/blocks/recurrence.hpp>
#include <fauna/compose/at.hpp>
#include <fauna/compose/concat.hpp>
#include <fauna/compose/seq.hpp>
#include <fauna/core/row_states.hpp>
#include <fauna/ops/mlstm_gates/op.hpp>

namespace fauna::inline v0 {

/// Rows of [i | f] to rows of [fade | β | least], Heads columns each. Its state: m of each head.
template <int Heads, int Cap = 15> struct MlstmGates : Leaf<2 * Heads, 3 * Heads> {
  static constexpr const char* kind_name = "MlstmGates";
  template <class S> struct State { View<S, dyn, Heads> m; };
  template <class S> struct Saved { View<S, dyn, Heads> entering; };

  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    s.entering = a.take_view<S, dyn, Heads>(shape.sequences);
  }
  template <class S> static constexpr void plan_state(State<S>& s, Shape const& shape, Arena& a) {
    s.m = a.take_view<S, dyn, Heads>(shape.sequences);
  }
  template <class F, class... St> static constexpr void visit_state(F&& f, St&... s) { f(StatePiece{}, s.m...); }
  static constexpr double flops(double) { return 20.0 * Heads; }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const&, St& st, In<C, 2 * Heads> x, Out<C, 3 * Heads> y, Sv& saved) {
    using B = typename C::backend_type;
    if (c.keeps()) {
      if (st.m) add<B>::run(c.backend, st.m, {}, saved.entering);
      else add<B>::clear(c.backend, saved.entering);
    }
    by_row(
        *c.batch, [&](Batch const& b) { mlstm_gates<B>::forward(c.backend, b, Cap, rows(x), st.m, sums(y)); },
        StatePart{st.m});
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, In<C, 2 * Heads> x, Sv& saved, In<C, 3 * Heads> dy,
                       Out<C, 2 * Heads> dx, St& dst) {
    mlstm_gates<typename C::backend_type>::backward(c.backend, *c.batch, Cap, rows(x), saved.entering, sums(dy),
                                                    rows(dx), dst.m);
  }

 private:
  template <class V> static constexpr MlstmGateRows<typename V::element> rows(V x) {
    return {x.template columns<0, Heads>(), x.template columns<Heads, Heads>()};
  }
  template <class V> static constexpr MlstmGateSums<typename V::element> sums(V y) {
    return {y.template columns<0, Heads>(), y.template columns<Heads, Heads>(), y.template columns<2 * Heads, Heads>()};
  }
};

/// A gate of numbers by the head, whose bias starts at From for the first head and To for the last.
template <int Width, int Heads, int From, int To> struct HeadGate : Linear<Width, Heads, true, zeros> {
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    Linear<Width, Heads, true, zeros>::visit(w, at, [&f](Tensor t, auto& v) {
      if (t.is_vector()) t.draw_rows = start;
      f(t, v);
    });
  }

 private:
  static void start(Filling const& f, float* to) {
    f.each(to, [](int, int h) { return From + (Heads > 1 ? (To - From) * h / (Heads - 1.0) : 0.0); });
  }
};
template <int W, int H, int F, int T> struct bare_<HeadGate<W, H, F, T>> : bare_<Linear<W, H, true, zeros>> {};

/// Rows of Width columns to rows of Width. Its state: K rows of N + 1 numbers a head, and m.
template <int Width, int Heads, int K, int N>
struct Mlstm
    : Seq<Concat<
              At<"ogate_preact", Linear<Width, Heads * N, false>>,
              Seq<Concat<At<"q", Linear<Width, Heads * K, false>>, At<"k", Linear<Width, Heads * K, false>>,
                         At<"v", Linear<Width, Heads * N, false>>,
                         Seq<Concat<At<"igate_preact", HeadGate<Width, Heads, -10, -10>>,
                                    At<"fgate_preact", HeadGate<Width, Heads, 3, 6>>>,
                             MlstmGates<Heads>>>,
                  Recur<Recurrence{.fade = fades::by_head, .strength = true, .normalised = true}, Heads, Heads, K, N>,
                  At<"multihead_norm", HeadNorm<Heads, LayerNorm<N, false, Epsilon{1e-6F}>, false>>>>,
          Gated<activation::sigmoid, Heads * N>,
          At<"out_proj", Linear<Heads * N, Width, false, residual_normal(0.02F)>>> {};

}  // namespace fauna::inline v0
