#pragma once
#include <cmath>
#include <vector>

#include <fauna/ops/rg_lru/op.hpp>

namespace fauna::inline v0 {

template <class S> struct rg_lru<Ref<S>> {
  static constexpr std::size_t workspace(int, int) { return 0; }

  static void forward(Ref<S> const&, Batch const& batch, RgLruRows<const S> const& in, const S* lambda, Matrix<S> state,
                      Matrix<S> h) {
    for (int q = 0; q < batch.sequences; ++q)
      for (int c = 0; c < h.cols() && batch.last(q) > batch.first(q); ++c) {
        for (int t = batch.first(q); t < batch.last(q); ++t) {
          const Gates g(batch, q, t, in, lambda[c], c);
          h(t, c) = g.a * before(batch.continues(q, t), q, c, h, state) + g.g * g.i * in.x(t, c);
        }
        if (state) state(q, c) = h(batch.last(q) - 1, c);
      }
  }
  static void backward(Ref<S> const&, Batch const& batch, RgLruRows<const S> const& in, const S* lambda,
                       Matrix<const S> entering, Matrix<const S> h, Matrix<const S> dh, RgLruRows<S> const& d,
                       S* dlambda, Matrix<S> dstate) {
    for (int q = 0; q < batch.sequences; ++q)
      for (int c = 0; c < h.cols() && batch.last(q) > batch.first(q); ++c) {
        const int first = batch.first(q), last = batch.last(q);
        std::vector<S> H;
        for (int t = first; t < last; ++t) H.push_back(dh(t, c));
        S into(0);  // the gradient of the entering state
        if (dstate) H.back() += dstate(q, c);
        for (int t = last - 1; t >= first; --t) {
          const Gates g(batch, q, t, in, lambda[c], c);
          const int p = batch.continues(q, t);
          const S of_h = H[static_cast<std::size_t>(t - first)], x = in.x(t, c);
          d.x(t, c) = of_h * g.g * g.i;
          d.i(t, c) = of_h * g.g * x * g.i * (S(1) - g.i);
          d.r(t, c) = S(0);
          if (g.begins) continue;
          const S dl = g.a * (of_h * before(p, q, c, h, entering) - of_h * g.i * x * g.a * g.steepness());
          d.r(t, c) = dl * g.l * (S(1) - g.r);
          if (dlambda) dlambda[c] -= dl * S(static_cast<double>(rg_lru_sharpness)) * g.r * sigmoid(lambda[c]);
          (p >= 0 ? H[static_cast<std::size_t>(p - first)] : into) += g.a * of_h;
        }
        if (dstate) dstate(q, c) = into;
      }
  }

 private:
  static S sigmoid(S x) {
    using std::exp;
    return S(1) / (S(1) + exp(-x));
  }
  struct Gates {
    bool begins;
    S i, r, l{}, a{}, g = S(1);
    Gates(Batch const& batch, int q, int t, RgLruRows<const S> const& in, S lambda, int c)
        : begins(rg_lru_begins(batch, q, t)), i(sigmoid(in.i(t, c))), r(sigmoid(in.r(t, c))) {
      using std::exp, std::log, std::sqrt;
      if (begins) return;
      const S soft = lambda > S(20) ? lambda : log(S(1) + exp(lambda));
      l = S(static_cast<double>(-rg_lru_sharpness)) * soft * r;
      a = exp(l);
      g = sqrt(S(1) - exp(l + l));
    }
    /// 1 / g
    S steepness() const {
      const S most = S(static_cast<double>(rg_lru_steepest));
      return g * most < S(1) ? most : S(1) / g;
    }
  };
  template <class E> static S before(int p, int q, int c, Matrix<const S> h, Matrix<E> state) {
    if (p >= 0) return h(p, c);
    return p == Batch::the_state && state ? state(q, c) : S(0);
  }
};

}  // namespace fauna::inline v0
