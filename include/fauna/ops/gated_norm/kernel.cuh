// The gated norm as kernels: a warp for each group of a row. The maths is in op.hpp.
#pragma once
#include <cmath>

#include <fauna/backend/simt.cuh>
#include <fauna/ops/activation/kernel.cuh>
#include <fauna/ops/add/kernel.cuh>
#include <fauna/ops/gated_norm/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

/// What is normalised, and its gate.
struct GatedRows {
  bool gate_first;
  int group;  ///< columns of each
  Matrix<const float> y, z;

  FAUNA_KERNEL int groups() const { return y.cols() / group; }
  FAUNA_KERNEL float gate(int r, int c) const { return activation_of(activation::silu, z(r, c)); }
  FAUNA_KERNEL float u(int r, int c) const { return gate_first ? y(r, c) * gate(r, c) : y(r, c); }
  /// The gradient of what the norm gives.
  FAUNA_KERNEL float d(Matrix<const float> dout, int r, int c) const {
    return gate_first ? dout(r, c) : dout(r, c) * gate(r, c);
  }
};

struct GatedNormForward {
  GatedRows in;
  const float* weight;
  float eps;
  Matrix<float> out, rstd;
  template <class T> FAUNA_KERNEL void operator()(T const& t, int row) const {
    const int r = row / in.groups(), g = row % in.groups(), first = g * in.group, last = first + in.group;
    float squares = 0;
    for (int c = first + t.lane(); c < last; c += warp_size) squares += in.u(r, c) * in.u(r, c);
    const float rs = 1 / std::sqrt(simt::warp_sum(t, squares) / static_cast<float>(in.group) + eps);
    for (int c = first + t.lane(); c < last; c += warp_size)
      out(r, c) = weight[c] * (in.u(r, c) * rs) * (in.gate_first ? 1 : in.gate(r, c));
    if (rstd && t.lane() == 0) rstd(r, g) = rs;
  }
};

/// dy may be dout: each lane reads its elements before it writes them.
struct GatedNormBackward {
  GatedRows in;
  const float* weight;
  Matrix<const float> rstd, dout;
  Matrix<float> dy, dz;
  template <class T> FAUNA_KERNEL void operator()(T const& t, int row) const {
    const int r = row / in.groups(), g = row % in.groups(), first = g * in.group, last = first + in.group;
    const float rs = rstd(r, g);
    float sum = 0;
    for (int c = first + t.lane(); c < last; c += warp_size) sum += weight[c] * in.d(dout, r, c) * in.u(r, c);
    const float mean = simt::warp_sum(t, sum) * rs * rs / static_cast<float>(in.group);
    for (int c = first + t.lane(); c < last; c += warp_size) {
      const float u = in.u(r, c), o = dout(r, c), du = rs * (weight[c] * in.d(dout, r, c) - u * mean),
                  slope = activation_slope(activation::silu, in.z(r, c));
      dz(r, c) = (in.gate_first ? du * in.y(r, c) : o * weight[c] * u * rs) * slope;
      dy(r, c) = in.gate_first ? du * in.gate(r, c) : du;
    }
  }
};

/// What column_sums adds up for dweight.
struct GatedNormTerm {
  GatedRows in;
  Matrix<const float> rstd, dout;
  FAUNA_KERNEL float operator()(int r, int c) const { return in.d(dout, r, c) * in.u(r, c) * rstd(r, c / in.group); }
};

}  // namespace kernels

template <Device B> struct gated_norm<B> {
  static constexpr std::size_t workspace(int, int) { return 0; }

  static void forward(B const& b, GatedNorm const& f, Matrix<const float> y, Matrix<const float> z, const float* weight,
                      Matrix<float> out, Matrix<float> rstd) {
    const kernels::GatedRows in{f.gate_first, y.cols() / f.groups, y, z};
    simt::each_row(b, y.rows() * f.groups, kernels::GatedNormForward{in, weight, static_cast<float>(f.eps), out, rstd});
  }
  static void backward(B const& b, GatedNorm const& f, Matrix<const float> y, Matrix<const float> z,
                       const float* weight, Matrix<const float> rstd, Matrix<const float> dout, Matrix<float> dy,
                       Matrix<float> dz, float* dweight) {
    const kernels::GatedRows in{f.gate_first, y.cols() / f.groups, y, z};
    // The sum first: dy may be dout.
    if (dweight) simt::column_sums(b, kernels::GatedNormTerm{in, rstd, dout}, y.rows(), y.cols(), dweight);
    simt::each_row(b, y.rows() * f.groups, kernels::GatedNormBackward{in, weight, rstd, dout, dy, dz});
  }
};

}  // namespace fauna::inline v0
