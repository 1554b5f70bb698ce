// RMS norm as kernels: a warp for each row. The maths is in op.hpp.
#pragma once
#include <cmath>

#include <fauna/backend/simt.cuh>
#include <fauna/ops/add/kernel.cuh>
#include <fauna/ops/rms_norm/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

struct RmsNorm {
  Matrix<const float> x;
  const float* weight;
  float offset;
  Matrix<float> y;
  float *rstd, eps;

  template <class T> FAUNA_KERNEL void operator()(T const& t, int r) const {
    const int C = x.cols();
    float squares = 0;
    for (int c = t.lane(); c < C; c += warp_size) squares += x(r, c) * x(r, c);
    const float rs = 1 / std::sqrt(simt::warp_sum(t, squares) / static_cast<float>(C) + eps);
    for (int c = t.lane(); c < C; c += warp_size) y(r, c) = (offset + weight[c]) * (x(r, c) * rs);
    if (rstd && t.lane() == 0) rstd[r] = rs;
  }
};

/// dx, row by row. dy and base may be dx: each lane reads its elements before it writes them.
struct RmsNormBackward {
  Matrix<const float> x;
  const float* weight;
  float offset;
  const float* rstd;
  Matrix<const float> dy;
  Matrix<float> dx;
  Matrix<const float> base;

  template <class T> FAUNA_KERNEL void operator()(T const& t, int r) const {
    const int C = x.cols();
    const float rs = rstd[r];
    float gx = 0;
    for (int c = t.lane(); c < C; c += warp_size) gx += (offset + weight[c]) * dy(r, c) * x(r, c);
    const float mean = simt::warp_sum(t, gx) * rs * rs / static_cast<float>(C);
    for (int c = t.lane(); c < C; c += warp_size) {
      const float d = rs * ((offset + weight[c]) * dy(r, c) - x(r, c) * mean);
      dx(r, c) = base ? base(r, c) + d : d;
    }
  }
};

/// What column_sums adds up for dweight: dy x r.
struct RmsNormWeightTerm {
  Matrix<const float> x, dy;
  const float* rstd;
  FAUNA_KERNEL float operator()(int r, int c) const { return dy(r, c) * x(r, c) * rstd[r]; }
};

}  // namespace kernels

template <Device B> struct rms_norm<B> {
  static constexpr std::size_t workspace(int, int, int) { return 0; }

  static void forward(B const& b, Matrix<const float> x, const float* weight, int offset, Matrix<float> y, float* rstd,
                      double eps) {
    simt::each_row(b, x.rows(),
                   kernels::RmsNorm{x, weight, static_cast<float>(offset), y, rstd, static_cast<float>(eps)});
  }
  static void backward(B const& b, Matrix<const float> x, const float* weight, int offset, const float* rstd,
                       Matrix<const float> dy, Matrix<float> dx, Matrix<const float> base, float* dweight) {
    // The sum first: dx may be dy.
    if (dweight) simt::column_sums(b, kernels::RmsNormWeightTerm{x, dy, rstd}, x.rows(), x.cols(), dweight);
    simt::each_row(b, x.rows(), kernels::RmsNormBackward{x, weight, static_cast<float>(offset), rstd, dy, dx, base});
  }
};

}  // namespace fauna::inline v0
