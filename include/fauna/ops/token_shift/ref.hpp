#pragma once
#include <fauna/ops/token_shift/op.hpp>

namespace fauna::inline v0 {

template <class S> struct token_shift<Ref<S>> {
  static void forward(Ref<S> const&, Batch const& batch, Matrix<const S> x, Matrix<const S> mu, Matrix<S> state,
                      Matrix<S> y) {
    const int C = x.cols();
    for (int q = 0; q < batch.sequences; ++q) {
      for (int r = batch.first(q); r < batch.last(q); ++r)
        for (int i = 0; i < mu.rows(); ++i)
          for (int c = 0; c < C; ++c)
            y(r, i * C + c) = x(r, c) + (before(batch.continues(q, r), q, x, state, c) - x(r, c)) * mu(i, c);
      for (int c = 0; state && batch.last(q) > batch.first(q) && c < C; ++c) state(q, c) = x(batch.last(q) - 1, c);
    }
  }
  static void backward(Ref<S> const&, Batch const& batch, Matrix<const S> x, Matrix<const S> entering,
                       Matrix<const S> mu, Matrix<const S> dy, Matrix<S> dx, Matrix<S> dmu, Matrix<S> dstate) {
    const int C = x.cols();
    for (int q = 0; q < batch.sequences; ++q) {
      if (batch.first(q) == batch.last(q)) continue;
      for (int c = 0; c < C; ++c) {
        S into(0);  // the gradient of the entering state
        for (int r = batch.first(q); r < batch.last(q); ++r) dx(r, c) = S(0);
        if (dstate) dx(batch.last(q) - 1, c) = dstate(q, c);
        for (int r = batch.first(q); r < batch.last(q); ++r) {
          const int p = batch.continues(q, r);
          S of_before(0);
          for (int i = 0; i < mu.rows(); ++i) {
            const S d = dy(r, i * C + c);
            dx(r, c) += d * (S(1) - mu(i, c));
            of_before += d * mu(i, c);
            if (dmu) dmu(i, c) += d * (before(p, q, x, entering, c) - x(r, c));
          }
          if (p >= 0) dx(p, c) += of_before;
          else if (p == Batch::the_state) into += of_before;
        }
        if (dstate) dstate(q, c) = into;
      }
    }
  }

 private:
  static S before(int p, int q, Matrix<const S> x, Matrix<const S> state, int c) {
    return p >= 0 ? x(p, c) : p == Batch::the_state && state ? state(q, c) : S(0);
  }
};

}  // namespace fauna::inline v0
