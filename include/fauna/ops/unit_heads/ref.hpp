#pragma once
#include <cmath>

#include <fauna/ops/unit_heads/op.hpp>

namespace fauna::inline v0 {

template <class S> struct unit_heads<Ref<S>> {
  static void forward(Ref<S> const&, int N, double eps, Matrix<const S> x, Matrix<S> y) {
    for (int t = 0; t < x.rows(); ++t)
      for (int h = 0; h < x.cols(); h += N) {
        const S r = shrink(x, t, h, N, eps);
        for (int j = h; j < h + N; ++j) y(t, j) = r * x(t, j);
      }
  }
  static void backward(Ref<S> const&, int N, double eps, Matrix<const S> x, Matrix<const S> dy, Matrix<S> dx) {
    for (int t = 0; t < x.rows(); ++t)
      for (int h = 0; h < x.cols(); h += N) {
        const S r = shrink(x, t, h, N, eps);
        S along(0);
        for (int j = h; j < h + N; ++j) along += dy(t, j) * (r * x(t, j));
        for (int j = h; j < h + N; ++j) dx(t, j) = r * (dy(t, j) - r * x(t, j) * along);
      }
  }

 private:
  static S shrink(Matrix<const S> x, int t, int h, int N, double eps) {
    using std::sqrt;
    S squares(eps);
    for (int j = h; j < h + N; ++j) squares += x(t, j) * x(t, j);
    return S(1) / sqrt(squares);
  }
};

}  // namespace fauna::inline v0
