// Decays as kernels, element by element. The maths is in op.hpp.
#pragma once
#include <cmath>

#include <fauna/backend/simt.cuh>
#include <fauna/ops/add/kernel.cuh>
#include <fauna/ops/fade/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

/// What goes into a decay.
struct FadeRows {
  FadeShape n;
  Matrix<const float> x;
  const float *A_log, *bias;

  FAUNA_KERNEL float z(int t, int c) const { return n.sign * (x(t, c) + (bias ? bias[c] : 0)); }
  FAUNA_KERNEL float rate(int c) const { return A_log ? std::exp(A_log[c / n.head]) : n.rate; }
  /// log y
  FAUNA_KERNEL float log(int t, int c) const { return -rate(c) * simt::softplus(z(t, c)); }
};

struct Fade {
  FadeRows in;
  Matrix<float> y;
  FAUNA_KERNEL void operator()(int t, int c) const { y(t, c) = std::exp(in.log(t, c)); }
};

/// dx, and what column_sums adds up for dbias.
struct FadeSlope {
  FadeRows in;
  Matrix<const float> dy;
  FAUNA_KERNEL float operator()(int t, int c) const {
    return -dy(t, c) * std::exp(in.log(t, c)) * in.rate(c) * in.n.sign * simt::sigmoid(in.z(t, c));
  }
};
struct FadeBackward {
  FadeSlope slope;
  Matrix<float> dx;
  FAUNA_KERNEL void operator()(int t, int c) const { dx(t, c) = slope(t, c); }
};

/// What head_sums adds up for dA_log.
struct FadeRateTerm {
  FadeRows in;
  Matrix<const float> dy;
  FAUNA_KERNEL float operator()(int t, int c) const {
    const float l = in.log(t, c);
    return dy(t, c) * std::exp(l) * l;
  }
};

}  // namespace kernels

template <Device B> struct fade_gate<B> {
  static void forward(B const& b, FadeShape const& n, Matrix<const float> x, const float* A_log, const float* bias,
                      Matrix<float> y) {
    simt::each_element(b, y, kernels::Fade{{n, x, A_log, bias}, y});
  }
  static void backward(B const& b, FadeShape const& n, Matrix<const float> x, const float* A_log, const float* bias,
                       Matrix<const float> dy, Matrix<float> dx, float* dA_log, float* dbias) {
    const kernels::FadeRows in{n, x, A_log, bias};
    // The sums first: dx may be dy.
    if (dA_log) simt::head_sums(b, kernels::FadeRateTerm{in, dy}, x.rows(), x.cols() / n.head, n.head, dA_log);
    if (dbias) simt::column_sums(b, kernels::FadeSlope{in, dy}, x.rows(), x.cols(), dbias);
    simt::each_element(b, dx, kernels::FadeBackward{{in, dy}, dx});
  }
};

}  // namespace fauna::inline v0
