#pragma once
#include <fauna/ops/token_mix/op.hpp>

namespace fauna::inline v0 {

template <class S> struct token_mix<Ref<S>> {
  static void forward(Ref<S> const&, Matrix<const S> x, Matrix<const S> before, Matrix<const S> mu, Matrix<const S> m,
                      Matrix<S> y) {
    const int C = x.cols();
    for (int r = 0; r < x.rows(); ++r)
      for (int i = 0; i < mu.rows(); ++i)
        for (int c = 0; c < C; ++c)
          y(r, i * C + c) = x(r, c) + (before(r, c) - x(r, c)) * (mu(i, c) + (m ? m(r, i * C + c) : S(0)));
  }
  static void backward(Ref<S> const&, Matrix<const S> x, Matrix<const S> before, Matrix<const S> mu, Matrix<const S> m,
                       Matrix<const S> dy, Matrix<S> dx, Matrix<S> dbefore, Matrix<S> dmu, Matrix<S> dm) {
    const int C = x.cols();
    for (int r = 0; r < x.rows(); ++r)
      for (int i = 0; i < mu.rows(); ++i)
        for (int c = 0; c < C; ++c) {
          const S d = dy(r, i * C + c), weight = mu(i, c) + (m ? m(r, i * C + c) : S(0)),
                  of_weight = d * (before(r, c) - x(r, c));
          dx(r, c) += d * (S(1) - weight);
          dbefore(r, c) += d * weight;
          if (dmu) dmu(i, c) += of_weight;
          if (dm) dm(r, i * C + c) = of_weight;
        }
  }
};

}  // namespace fauna::inline v0
