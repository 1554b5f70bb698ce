#pragma once
#include <cmath>

#include <fauna/ops/activation/op.hpp>

namespace fauna::inline v0 {

/// The activation of one scalar.
template <class S> S activation_value(activation a, S x) {
  using std::erf, std::exp, std::tanh;
  switch (a) {
    case activation::none: return x;
    case activation::gelu: return x * (S(1) + erf(x * S(0.70710678118654752440))) * S(0.5);
    case activation::gelu_tanh:
      return x * (S(1) + tanh(S(0.79788456080286535588) * (x + S(0.044715) * x * x * x))) * S(0.5);
    case activation::silu: return x / (S(1) + exp(-x));
    case activation::relu: return x > S(0) ? x : S(0);
    case activation::relu_squared: return x > S(0) ? x * x : S(0);
    case activation::sigmoid: return S(1) / (S(1) + exp(-x));
    case activation::tanh: return tanh(x);
  }
  return x;
}

/// Its derivative.
template <class S> S activation_gradient(activation a, S x) {
  using std::erf, std::exp, std::tanh;
  switch (a) {
    case activation::none: return S(1);
    case activation::gelu:
      return (S(1) + erf(x * S(0.70710678118654752440))) * S(0.5) +
             x * S(0.39894228040143267794) * exp(-x * x * S(0.5));
    case activation::gelu_tanh: {
      const S t = tanh(S(0.79788456080286535588) * (x + S(0.044715) * x * x * x));
      const S du = S(0.79788456080286535588) * (S(1) + S(0.134145) * x * x);
      return (S(1) + t) * S(0.5) + x * (S(1) - t * t) * du * S(0.5);
    }
    case activation::silu: {
      const S s = S(1) / (S(1) + exp(-x));
      return s * (S(1) + x * (S(1) - s));
    }
    case activation::relu: return x > S(0) ? S(1) : S(0);
    case activation::relu_squared: return x > S(0) ? x + x : S(0);
    case activation::sigmoid: {
      const S s = S(1) / (S(1) + exp(-x));
      return s * (S(1) - s);
    }
    case activation::tanh: {
      const S t = tanh(x);
      return S(1) - t * t;
    }
  }
  return S(1);
}

template <class S> struct activate<Ref<S>> {
  using B = Ref<S>;

  static void forward(B const&, activation a, Matrix<const S> x, Matrix<S> y) {
    for (int r = 0; r < x.rows(); ++r)
      for (int c = 0; c < x.cols(); ++c) y(r, c) = activation_value(a, x(r, c));
  }

  static void backward(B const&, activation a, Matrix<const S> x, Matrix<const S> dy, Matrix<S> dx) {
    for (int r = 0; r < x.rows(); ++r)
      for (int c = 0; c < x.cols(); ++c) dx(r, c) = dy(r, c) * activation_gradient(a, x(r, c));
  }
};

}  // namespace fauna::inline v0
