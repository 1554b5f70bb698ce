// Noisy top-k gating (Shazeer et al. 2017, "Outrageously large neural networks: the sparsely-gated mixture-of-experts
// layer", equations 3 to 11 and appendix A). In training
//   h_e = l_e + ε_e σ_e,  l = x W_gateᵀ,  σ = softplus(x W_noiseᵀ),  ε ~ N(0, 1)      w = softmax of the K largest h
// and in evaluation h = l. Two side losses, of the square of the coefficient of variation, CV²(v) = E Σ v² / (Σ v)² -
// 1:
//   importance  CV² of Σ_r w_re
//   load        CV² of Σ_r P_re,   P_re = Φ((l_re - t_re) / σ_re): the chance that e is chosen if its noise is drawn
//               again, with t_re the K-th largest h of the row without e
// The load has a gradient because of the noise alone; where all experts are chosen it has none.
#pragma once
#include <cmath>

#include <fauna/blocks/top_k.hpp>

namespace fauna::inline v0 {

/// What the side losses count where nobody says otherwise.
struct NoisyLosses {
  float importance = 0.01F, load = 0.01F;
  constexpr bool operator==(NoisyLosses const&) const = default;
};

template <int Width, int E, int K, NoisyLosses How = NoisyLosses{}> struct NoisyTopK : Gate<Width, E> {
  using Matrix_ = Gate<Width, E>;
  static constexpr int slots = K;
  static constexpr double chosen = K;
  static constexpr bool causal = true;
  static constexpr std::size_t parameters = 2 * Matrix_::parameters;
  static constexpr double flops = 2 * Matrix_::flops;
  static constexpr int choices(int rows) { return rows * K; }
  using fault =
      first_fault<std::conditional_t<(K <= E && K >= 1), void, more_experts_chosen_than_there_are<NoisyTopK, E, K>>,
                  std::conditional_t<(K == 1 && E > 1), router_without_gradient<NoisyTopK>, void>>;

  template <class D> struct Weights {
    typename D::template storage<kind::control> gate, noise;  ///< [E, Width]
  };
  template <class S> struct Saved { View<S, dyn, E> l, n, h, p; };
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    Matrix_::visit(w.gate, at, f);
    Matrix_::visit(w.noise, at, f, "noise");
  }
  template <class S> static constexpr void plan(Saved<S>& s, int rows, Arena& a) {
    for (auto* v : {&s.l, &s.n, &s.h, &s.p}) *v = a.take_view<S, dyn, E>(rows);
  }
  template <class B> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    Scope s(a);
    for (int i = 0; i < 2; ++i) a.take_view<typename B::scalar, dyn, E>(shape.rows());
    a.take_view<typename B::scalar, dyn, K>(shape.rows());
    Matrix_::template plan_scratch<B>(shape, a);
  }

  template <class C, class W, class S>
  static void forward(C const& c, W const& w, View<const S, dyn, Width> x, Saved<S>& kept, Routes<S, K> to) {
    const int rows = x.rows();
    const View<S, dyn, E> l = kept.l.middle_rows(0, rows), n = kept.n.middle_rows(0, rows),
                          h = kept.h.middle_rows(0, rows), p = kept.p.middle_rows(0, rows);
    Matrix_::scores(c, w.gate, x, l);
    if (c.mode != mode::eval) Matrix_::scores(c, w.noise, x, n);
    for (int r = 0; r < rows; ++r)
      for (int e = 0; e < E; ++e)
        h(r, e) = c.mode == mode::eval ? l(r, e) : l(r, e) + noise<S>(c, r, e) * softplus(n(r, e));
    router<typename C::backend_type>::forward(c.backend, as_const(h), {}, Matrix<const S>{}.data(), p, to.ids,
                                              to.weights);
    S sums[E];
    if (auto const loss = c.side_loss("importance", static_cast<double>(How.importance)); loss.value) {
      importance(as_const(to.ids), as_const(to.weights), sums);
      *loss.value += variation(sums);
    }
    if (auto const loss = c.side_loss("load", static_cast<double>(How.load)); loss.value) {
      load(kept, as_const(to.ids), rows, sums);
      *loss.value += variation(sums);
    }
  }
  template <class C, class W, class G, class S>
  static void backward(C const& c, W const& w, G& dw, View<const S, dyn, Width> x, Saved<S> const& s,
                       Routes<const S, K> to, View<const S, dyn, K> dweights, View<S, dyn, Width> dx) {
    Scope scope(c.scratch());
    const int rows = x.rows();
    const auto dl = c.scratch().template take_view<S, dyn, E>(rows),
               dn = c.scratch().template take_view<S, dyn, E>(rows);
    const auto dweights_all = c.scratch().template take_view<S, dyn, K>(rows);
    S sums[E], d[E];
    importance(to.ids, to.weights, sums);
    variation_gradient(sums, weight(c, "importance", How.importance), d);
    for (int r = 0; r < rows; ++r)
      for (int j = 0; j < K; ++j) dweights_all(r, j) = dweights(r, j) + d[to.ids(r, j)];
    // dl: of h, until all that goes through h is there.
    router<typename C::backend_type>::backward(c.backend, as_const(s.p), {}, to.ids, to.weights, as_const(dweights_all),
                                               Matrix<const S>{}, dl);
    load(s, to.ids, rows, sums);
    variation_gradient(sums, weight(c, "load", How.load), d);
    for (int r = 0; r < rows; ++r) {
      S direct[E], of_sigma[E];
      for (int e = 0; e < E; ++e) {
        direct[e] = of_sigma[e] = S(0);
        const int t = threshold(s, to.ids, r, e);
        if (t < 0) continue;
        const S sigma = softplus(s.n(r, e)), u = (s.l(r, e) - s.h(r, t)) / sigma;
        const S du = d[e] * density(u) / sigma;
        direct[e] = du;
        of_sigma[e] = S(0) - du * u;
        dl(r, t) -= du;
      }
      for (int e = 0; e < E; ++e) {
        dn(r, e) = (dl(r, e) * noise<S>(c, r, e) + of_sigma[e]) * logistic(s.n(r, e));
        dl(r, e) += direct[e];
      }
    }
    Matrix_::backward(c, w.gate, dw.gate, x, as_const(dl), dx);
    Matrix_::backward(c, w.noise, dw.noise, x, as_const(dn), dx);
  }

 private:
  template <class S, class C> static S noise(C const& c, int r, int e) {
    return static_cast<S>(c.key.normal(static_cast<std::uint64_t>(r) * E + static_cast<std::uint64_t>(e)));
  }
  template <class C> static double weight(C const& c, const char* name, float usual) {
    return c.side_loss(name, static_cast<double>(usual)).weight * c.loss_scale;
  }
  template <class S> static S softplus(S x) {
    using std::exp, std::log;
    return x > S(0) ? x + log(S(1) + exp(S(0) - x)) : log(S(1) + exp(x));
  }
  template <class S> static S logistic(S x) {
    using std::exp;
    return S(1) / (S(1) + exp(S(0) - x));
  }
  template <class S> static S density(S u) {
    using std::exp;
    return static_cast<S>(0.39894228040143267794) * exp(static_cast<S>(-0.5) * u * u);
  }
  /// Whose h expert e must exceed to be chosen; -1: it is chosen whatever it has.
  template <class S> static int threshold(Saved<S> const& s, View<const int, dyn, K> ids, int r, int e) {
    bool chosen = false;
    for (int j = 0; j < K; ++j) chosen = chosen || ids(r, j) == e;
    if (!chosen) return ids(r, K - 1);
    int next = -1;  // the best that is not chosen
    for (int f = 0; f < E; ++f) {
      bool taken = false;
      for (int j = 0; j < K; ++j) taken = taken || ids(r, j) == f;
      if (!taken && (next < 0 || s.h(r, f) > s.h(r, next))) next = f;
    }
    return next;
  }
  template <class S> static void load(Saved<S> const& s, View<const int, dyn, K> ids, int rows, S* sums) {
    using std::erf;
    for (int e = 0; e < E; ++e) sums[e] = S(0);
    for (int r = 0; r < rows; ++r)
      for (int e = 0; e < E; ++e) {
        const int t = threshold(s, ids, r, e);
        sums[e] += t < 0 ? S(1)
                         : static_cast<S>(0.5) * (S(1) + erf(static_cast<S>(0.70710678118654752440) *
                                                             (s.l(r, e) - s.h(r, t)) / softplus(s.n(r, e))));
      }
  }
  template <class S> static void importance(View<const int, dyn, K> ids, View<const S, dyn, K> weights, S* sums) {
    for (int e = 0; e < E; ++e) sums[e] = S(0);
    for (int r = 0; r < ids.rows(); ++r)
      for (int j = 0; j < K; ++j) sums[ids(r, j)] += weights(r, j);
  }
  template <class S> static S variation(const S* v) {
    S all(0), squares(0);
    for (int e = 0; e < E; ++e) {
      all += v[e];
      squares += v[e] * v[e];
    }
    return S(E) * squares / (all * all) - S(1);
  }
  template <class S> static void variation_gradient(const S* v, double weight, S* d) {
    S all(0), squares(0);
    for (int e = 0; e < E; ++e) {
      all += v[e];
      squares += v[e] * v[e];
    }
    for (int e = 0; e < E; ++e)
      d[e] = static_cast<S>(2 * weight * E) * (v[e] / (all * all) - squares / (all * all * all));
  }
};

}  // namespace fauna::inline v0
