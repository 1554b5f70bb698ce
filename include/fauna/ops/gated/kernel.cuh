#pragma once
#include <fauna/ops/activation/kernel.cuh>
#include <fauna/ops/gated/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

struct Gated {
  static constexpr int threads = 256;
  using Shared = None;
  activation form;
  Matrix<const float> x;
  Matrix<float> y;
  template <class T> FAUNA_KERNEL void operator()(T const& t, Shared&) const {
    int r, c;
    if (simt::find_element(t, threads, y, r, c)) y(r, c) = activation_of(form, x(r, c)) * x(r, y.cols() + c);
  }
};

struct GatedBackward {
  static constexpr int threads = 256;
  using Shared = None;
  activation form;
  Matrix<const float> x, dy;
  Matrix<float> dx;
  template <class T> FAUNA_KERNEL void operator()(T const& t, Shared&) const {
    int r, c;
    if (!simt::find_element(t, threads, dy, r, c)) return;
    const float g = x(r, c), u = x(r, dy.cols() + c), d = dy(r, c);  // read before dx, which may be x
    dx(r, c) = d * u * activation_slope(form, g);
    dx(r, dy.cols() + c) = d * activation_of(form, g);
  }
};

}  // namespace kernels

template <Device B> struct gated<B> {
  static void forward(B const& b, activation a, Matrix<const float> x, Matrix<float> y) {
    b.launch(kernels::Gated{a, x, y}, simt::element_blocks(y, kernels::Gated::threads));
  }
  static void backward(B const& b, activation a, Matrix<const float> x, Matrix<const float> dy, Matrix<float> dx) {
    b.launch(kernels::GatedBackward{a, x, dy, dx}, simt::element_blocks(dy, kernels::GatedBackward::threads));
  }
};

}  // namespace fauna::inline v0
