#pragma once
#include <fauna/ops/activation/ref.hpp>
#include <fauna/ops/gated/op.hpp>

namespace fauna::inline v0 {

template <class S> struct gated<Ref<S>> {
  using B = Ref<S>;

  static void forward(B const&, activation a, Matrix<const S> x, Matrix<S> y) {
    const int C = y.cols();
    for (int r = 0; r < y.rows(); ++r)
      for (int c = 0; c < C; ++c) y(r, c) = activation_value(a, x(r, c)) * x(r, C + c);
  }

  static void backward(B const&, activation a, Matrix<const S> x, Matrix<const S> dy, Matrix<S> dx) {
    const int C = dy.cols();
    for (int r = 0; r < dy.rows(); ++r)
      for (int c = 0; c < C; ++c) {
        const S g = x(r, c), u = x(r, C + c);
        dx(r, c) = dy(r, c) * u * activation_gradient(a, g);
        dx(r, C + c) = dy(r, c) * activation_value(a, g);
      }
  }
};

}  // namespace fauna::inline v0
