#pragma once
#include <cmath>

#include <fauna/ops/softmax_heads/op.hpp>

namespace fauna::inline v0 {

template <class S> struct softmax_heads<Ref<S>> {
  static void forward(Ref<S> const&, int N, Matrix<const S> x, Matrix<S> y) {
    using std::exp;
    for (int t = 0; t < x.rows(); ++t)
      for (int h = 0; h < x.cols(); h += N) {
        S most = x(t, h), sum(0);
        for (int j = h; j < h + N; ++j) most = x(t, j) > most ? x(t, j) : most;
        for (int j = h; j < h + N; ++j) sum += y(t, j) = exp(x(t, j) - most);
        for (int j = h; j < h + N; ++j) y(t, j) = y(t, j) / sum;
      }
  }
  static void backward(Ref<S> const&, int N, Matrix<const S> y, Matrix<const S> dy, Matrix<S> dx) {
    for (int t = 0; t < y.rows(); ++t)
      for (int h = 0; h < y.cols(); h += N) {
        S along(0);
        for (int j = h; j < h + N; ++j) along += dy(t, j) * y(t, j);
        for (int j = h; j < h + N; ++j) dx(t, j) = y(t, j) * (dy(t, j) - along);
      }
  }
};

}  // namespace fauna::inline v0
