#pragma once
#include <cmath>

#include <fauna/ops/gelu/op.hpp>

namespace fauna::inline v0 {

/// The activation of one scalar, and its derivative.
template <class S> S gelu_value(activation a, S x) {
  using std::erf, std::tanh;
  if (a == activation::gelu) return x * (S(1) + erf(x * S(0.70710678118654752440))) * S(0.5);
  if (a == activation::gelu_tanh)
    return x * (S(1) + tanh(S(0.79788456080286535588) * (x + S(0.044715) * x * x * x))) * S(0.5);
  return x;
}
template <class S> S gelu_gradient(activation a, S x) {
  using std::erf, std::exp, std::tanh;
  if (a == activation::gelu)
    return (S(1) + erf(x * S(0.70710678118654752440))) * S(0.5) + x * S(0.39894228040143267794) * exp(-x * x * S(0.5));
  if (a == activation::gelu_tanh) {
    const S t = tanh(S(0.79788456080286535588) * (x + S(0.044715) * x * x * x));
    const S du = S(0.79788456080286535588) * (S(1) + S(0.134145) * x * x);
    return (S(1) + t) * S(0.5) + x * (S(1) - t * t) * du * S(0.5);
  }
  return S(1);
}

template <class S> struct gelu<Ref<S>> {
  using B = Ref<S>;

  static void forward(B const&, activation a, Matrix<const S> x, Matrix<S> y) {
    for (int r = 0; r < x.rows(); ++r)
      for (int c = 0; c < x.cols(); ++c) y(r, c) = gelu_value(a, x(r, c));
  }

  static void backward(B const&, activation a, Matrix<const S> x, Matrix<const S> dy, Matrix<S> dx) {
    for (int r = 0; r < x.rows(); ++r)
      for (int c = 0; c < x.cols(); ++c) dx(r, c) = dy(r, c) * gelu_gradient(a, x(r, c));
  }
};

}  // namespace fauna::inline v0
