// Expert choice (Zhou et al. 2022, "Mixture-of-experts with expert choice routing", section 3.2): experts choose rows.
//   p = softmax(x W_gateᵀ), a row over experts      expert e takes the k rows with the largest p_re,  k = ⌈R C / E⌉
//   w_re = p_re
// Every expert has as much to do, whatever the scores; a row has C experts on average, or none. Which they are depends
// on all rows of the batch, later ones too: not causal, and of no use in a decoder.
#pragma once
#include <fauna/blocks/top_k.hpp>

namespace fauna::inline v0 {

/// C: experts of a row on average, the paper's capacity factor. A slot of a row is an expert, or -1.
template <int Width, int E, int C> struct ExpertChoice : Gate<Width, E> {
  using Matrix_ = Gate<Width, E>;
  static constexpr int slots = E;
  static constexpr double chosen = C;
  static constexpr bool causal = false;
  static constexpr int rows_each(int rows) { return (rows * C + E - 1) / E; }
  static constexpr int choices(int rows) { return E * rows_each(rows); }
  using fault = std::conditional_t<(C >= 1 && C <= E), void, more_experts_chosen_than_there_are<ExpertChoice, E, C>>;

  template <class D> struct Weights { typename D::template storage<kind::control> gate; };
  template <class S> struct Saved { View<S, dyn, E> logits, p; };
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    Matrix_::visit(w.gate, at, f);
  }
  template <class S> static constexpr void plan(Saved<S>& s, int rows, Arena& a) {
    s.logits = a.take_view<S, dyn, E>(rows);
    s.p = a.take_view<S, dyn, E>(rows);
  }
  template <class B> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    Scope s(a);
    Matrix_::template plan_scratch<B>(shape, a);
    a.take_view<typename B::scalar, dyn, E>(shape.rows());
  }

  template <class Cl, class W, class S>
  static void forward(Cl const& c, W const& w, View<const S, dyn, Width> x, Saved<S>& kept, Routes<S, E> to) {
    const int rows = x.rows(), k = rows_each(rows);
    const View<S, dyn, E> l = kept.logits.middle_rows(0, rows), p = kept.p.middle_rows(0, rows);
    Matrix_::scores(c, w.gate, x, l);
    router<typename Cl::backend_type>::forward(c.backend, as_const(l), {.renormalised = false}, Matrix<const S>{}, p,
                                               none(to.ids), none(to.weights));
    for (int e = 0; e < E; ++e)
      for (int r = 0; r < rows; ++r) {
        int before = 0;  // rows that the expert likes more; the earlier one among equals
        for (int s = 0; s < rows && before < k; ++s) before += p(s, e) > p(r, e) || (p(s, e) == p(r, e) && s < r);
        to.ids(r, e) = before < k ? e : -1;
        to.weights(r, e) = before < k ? p(r, e) : S(0);
      }
  }
  template <class Cl, class W, class G, class S>
  static void backward(Cl const& c, W const& w, G& dw, View<const S, dyn, Width> x, Saved<S> const& s,
                       Routes<const S, E> to, View<const S, dyn, E> dweights, View<S, dyn, Width> dx) {
    Scope scope(c.scratch());
    const auto dl = c.scratch().template take_view<S, dyn, E>(x.rows());
    // A slot's weight is the probability of its expert; those without a place have gradient 0.
    router<typename Cl::backend_type>::backward(c.backend, as_const(s.p), {.renormalised = false}, none(to.ids),
                                                none(to.weights), none(dweights), dweights, dl);
    Matrix_::backward(c, w.gate, dw.gate, x, as_const(dl), dx);
  }

 private:
  /// No choice of the row's own.
  template <class T> static Matrix<T> none(View<T, dyn, E> v) { return Matrix<T>(v.data(), v.rows(), 0, v.stride()); }
};

}  // namespace fauna::inline v0
