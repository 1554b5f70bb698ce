#pragma once
#include <fauna/ops/token_shift/op.hpp>

namespace fauna::inline v0 {

template <class S> struct token_shift<Ref<S>> {
  static void forward(Ref<S> const&, Batch const& batch, Matrix<const S> x, Matrix<const S> mu, Matrix<S> state,
                      Matrix<S> y, weighs what = weighs::before) {
    const int C = x.cols(), n = mu ? mu.rows() : 1;
    for (int q = 0; q < batch.sequences; ++q) {
      for (int r = batch.first(q); r < batch.last(q); ++r)
        for (int i = 0; i < n; ++i)
          for (int c = 0; c < C; ++c) {
            const S p = before(batch.continues(q, r), q, x, state, c);
            y(r, i * C + c) = mu ? x(r, c) + (p - x(r, c)) * of_before(mu, i, c, what) : p;
          }
      for (int c = 0; state && batch.last(q) > batch.first(q) && c < C; ++c) state(q, c) = x(batch.last(q) - 1, c);
    }
  }
  static void backward(Ref<S> const&, Batch const& batch, Matrix<const S> x, Matrix<const S> entering,
                       Matrix<const S> mu, Matrix<const S> dy, Matrix<S> dx, Matrix<S> dmu, Matrix<S> dstate,
                       weighs what = weighs::before) {
    const int C = x.cols(), n = mu ? mu.rows() : 1;
    for (int q = 0; q < batch.sequences; ++q) {
      if (batch.first(q) == batch.last(q)) continue;
      for (int c = 0; c < C; ++c) {
        S into(0);  // the gradient of the entering state
        for (int r = batch.first(q); r < batch.last(q); ++r) dx(r, c) = S(0);
        if (dstate) dx(batch.last(q) - 1, c) = dstate(q, c);
        for (int r = batch.first(q); r < batch.last(q); ++r) {
          const int p = batch.continues(q, r);
          S back(0);
          for (int i = 0; i < n; ++i) {
            const S d = dy(r, i * C + c), m = mu ? of_before(mu, i, c, what) : S(1);
            dx(r, c) += d * (S(1) - m);
            back += d * m;
            if (dmu) dmu(i, c) += (what == weighs::row ? -d : d) * (before(p, q, x, entering, c) - x(r, c));
          }
          if (p >= 0) dx(p, c) += back;
          else if (p == Batch::the_state) into += back;
        }
        if (dstate) dstate(q, c) = into;
      }
    }
  }

 private:
  static S of_before(Matrix<const S> mu, int i, int c, weighs what) {
    return what == weighs::row ? S(1) - mu(i, c) : mu(i, c);
  }
  static S before(int p, int q, Matrix<const S> x, Matrix<const S> state, int c) {
    return p >= 0 ? x(p, c) : p == Batch::the_state && state ? state(q, c) : S(0);
  }
};

}  // namespace fauna::inline v0
