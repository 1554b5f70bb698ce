#pragma once
#include <fauna/backend/simt.cuh>
#include <fauna/ops/clamp/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

struct Clamp {
  float most;
  Matrix<const float> x;
  Matrix<float> y;
  FAUNA_KERNEL void operator()(int r, int c) const {
    const float v = x(r, c);
    y(r, c) = v > most ? most : v < -most ? -most : v;
  }
};
struct ClampBackward {
  float most;
  Matrix<const float> x, dy;
  Matrix<float> dx;
  FAUNA_KERNEL void operator()(int r, int c) const { dx(r, c) = x(r, c) > most || x(r, c) < -most ? 0 : dy(r, c); }
};

}  // namespace kernels

template <Device B> struct clamp<B> {
  static void forward(B const& b, double limit, Matrix<const float> x, Matrix<float> y) {
    simt::each_element(b, x, kernels::Clamp{static_cast<float>(limit), x, y});
  }
  static void backward(B const& b, double limit, Matrix<const float> x, Matrix<const float> dy, Matrix<float> dx) {
    simt::each_element(b, x, kernels::ClampBackward{static_cast<float>(limit), x, dy, dx});
  }
};

}  // namespace fauna::inline v0
