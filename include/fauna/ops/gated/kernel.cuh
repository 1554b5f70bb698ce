#pragma once
#include <fauna/ops/activation/kernel.cuh>
#include <fauna/ops/gated/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

struct Gated {
  activation form;
  Matrix<const float> x;
  Matrix<float> y;
  FAUNA_KERNEL void operator()(int r, int c) const { y(r, c) = activation_of(form, x(r, c)) * x(r, y.cols() + c); }
};

struct GatedBackward {
  activation form;
  Matrix<const float> x, dy;
  Matrix<float> dx;
  FAUNA_KERNEL void operator()(int r, int c) const {
    const float g = x(r, c), u = x(r, dy.cols() + c), d = dy(r, c);  // read before dx, which may be x
    dx(r, c) = d * u * activation_slope(form, g);
    dx(r, dy.cols() + c) = d * activation_of(form, g);
  }
};

}  // namespace kernels

template <Device B> struct gated<B> {
  static void forward(B const& b, activation a, Matrix<const float> x, Matrix<float> y) {
    simt::each_element(b, y, kernels::Gated{a, x, y});
  }
  static void backward(B const& b, activation a, Matrix<const float> x, Matrix<const float> dy, Matrix<float> dx) {
    simt::each_element(b, dy, kernels::GatedBackward{a, x, dy, dx});
  }
};

}  // namespace fauna::inline v0
