// The maths is in op.hpp.
#pragma once
#include <fauna/ops/activation/kernel.cuh>
#include <fauna/ops/clamped_swiglu/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

struct ClampedSwiGlu {
  ClampedGate how;
  Matrix<const float> x;
  Matrix<float> y;
  FAUNA_KERNEL void operator()(int r, int c) const {
    const float gate = x(r, c), up = x(r, y.cols() + c), g = gate > how.limit ? how.limit : gate,
                u = up > how.limit    ? how.limit
                    : up < -how.limit ? -how.limit
                                      : up;
    y(r, c) = g * activation_of(activation::sigmoid, how.slope * g) * (u + 1);
  }
};
struct ClampedSwiGluBackward {
  ClampedGate how;
  Matrix<const float> x, dy;
  Matrix<float> dx;
  FAUNA_KERNEL void operator()(int r, int c) const {
    const float gate = x(r, c), up = x(r, dy.cols() + c), d = dy(r, c);  // read before dx, which may be x
    const float g = gate > how.limit ? how.limit : gate, u = up > how.limit    ? how.limit
                                                             : up < -how.limit ? -how.limit
                                                                               : up;
    const float s = activation_of(activation::sigmoid, how.slope * g);
    dx(r, c) = gate > how.limit ? 0 : d * (u + 1) * s * (1 + how.slope * g * (1 - s));
    dx(r, dy.cols() + c) = up > how.limit || up < -how.limit ? 0 : d * g * s;
  }
};

}  // namespace kernels

template <Device B> struct clamped_swiglu<B> {
  static void forward(B const& b, ClampedGate const& how, Matrix<const float> x, Matrix<float> y) {
    simt::each_element(b, y, kernels::ClampedSwiGlu{how, x, y});
  }
  static void backward(B const& b, ClampedGate const& how, Matrix<const float> x, Matrix<const float> dy,
                       Matrix<float> dx) {
    simt::each_element(b, dy, kernels::ClampedSwiGluBackward{how, x, dy, dx});
  }
};

}  // namespace fauna::inline v0
