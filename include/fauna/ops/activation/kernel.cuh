#pragma once
#include <cmath>

#include <fauna/backend/simt.cuh>
#include <fauna/ops/activation/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

FAUNA_KERNEL inline float activation_of(activation a, float x) {
  switch (a) {
    case activation::none: return x;
    case activation::gelu: return 0.5F * x * (1 + std::erf(x * 0.707106781F));
    case activation::gelu_tanh: return 0.5F * x * (1 + std::tanh(0.797884561F * (x + 0.044715F * x * x * x)));
    case activation::silu: return x / (1 + std::exp(-x));
    case activation::relu: return x > 0 ? x : 0;
    case activation::relu_squared: return x > 0 ? x * x : 0;
    case activation::sigmoid: return 1 / (1 + std::exp(-x));
    case activation::tanh: return std::tanh(x);
  }
  return x;
}
FAUNA_KERNEL inline float activation_slope(activation a, float x) {
  switch (a) {
    case activation::none: return 1;
    case activation::gelu: return 0.5F * (1 + std::erf(x * 0.707106781F)) + x * 0.398942280F * std::exp(-0.5F * x * x);
    case activation::gelu_tanh: {
      const float t = std::tanh(0.797884561F * (x + 0.044715F * x * x * x));
      const float du = 0.797884561F * (1 + 0.134145F * x * x);
      return 0.5F * (1 + t) + 0.5F * x * (1 - t * t) * du;
    }
    case activation::silu: {
      const float s = 1 / (1 + std::exp(-x));
      return s * (1 + x * (1 - s));
    }
    case activation::relu: return x > 0 ? 1 : 0;
    case activation::relu_squared: return x > 0 ? 2 * x : 0;
    case activation::sigmoid: {
      const float s = 1 / (1 + std::exp(-x));
      return s * (1 - s);
    }
    case activation::tanh: {
      const float t = std::tanh(x);
      return 1 - t * t;
    }
  }
  return 1;
}

struct Activate {
  activation form;
  Matrix<const float> x;
  Matrix<float> y;
  FAUNA_KERNEL void operator()(int r, int c) const { y(r, c) = activation_of(form, x(r, c)); }
};

struct ActivateBackward {
  activation form;
  Matrix<const float> x, dy;
  Matrix<float> dx;
  FAUNA_KERNEL void operator()(int r, int c) const { dx(r, c) = dy(r, c) * activation_slope(form, x(r, c)); }
};

}  // namespace kernels

template <Device B> struct activate<B> {
  static void forward(B const& b, activation a, Matrix<const float> x, Matrix<float> y) {
    simt::each_element(b, y, kernels::Activate{a, x, y});
  }
  static void backward(B const& b, activation a, Matrix<const float> x, Matrix<const float> dy, Matrix<float> dx) {
    simt::each_element(b, dx, kernels::ActivateBackward{a, x, dy, dx});
  }
};

}  // namespace fauna::inline v0
