// Layer norm as kernels: a warp for each row, in lanes of columns; sums over the rows as in ops/add/kernel.cuh. The
// maths is in op.hpp.
#pragma once
#include <cmath>

#include <fauna/backend/simt.cuh>
#include <fauna/ops/add/kernel.cuh>
#include <fauna/ops/layer_norm/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

/// o + w_c.
struct LayerNormGain {
  const float* weight;
  int offset;
  FAUNA_KERNEL float operator[](int c) const { return static_cast<float>(offset) + (weight ? weight[c] : 0.0F); }
};

struct LayerNorm {
  Matrix<const float> x;
  LayerNormGain weight;
  const float* bias;
  Matrix<float> y;
  float *mean, *rstd, eps;

  template <class T> FAUNA_KERNEL void operator()(T const& t, int r) const {
    const int C = x.cols();
    const float* x_r = x.row(r);
    float sum = 0, squares = 0;
    for (int c = t.lane(); c < C; c += warp_size) sum += x_r[c];
    const float mu = simt::warp_sum(t, sum) / static_cast<float>(C);
    for (int c = t.lane(); c < C; c += warp_size) squares += (x_r[c] - mu) * (x_r[c] - mu);
    const float rs = 1 / std::sqrt(simt::warp_sum(t, squares) / static_cast<float>(C) + eps);
    for (int c = t.lane(); c < C; c += warp_size) y(r, c) = (x_r[c] - mu) * rs * weight[c] + (bias ? bias[c] : 0);
    if (t.lane() != 0) return;
    if (mean) mean[r] = mu;
    if (rstd) rstd[r] = rs;
  }
};

/// dx, row by row. dy and base may be dx: each lane reads its elements before it writes them.
struct LayerNormBackward {
  Matrix<const float> x;
  LayerNormGain weight;
  const float *mean, *rstd;
  Matrix<const float> dy;
  Matrix<float> dx;
  Matrix<const float> base;

  template <class T> FAUNA_KERNEL void operator()(T const& t, int r) const {
    const int C = x.cols();
    const float mu = mean[r], rs = rstd[r];
    float g_sum = 0, gx_sum = 0;
    for (int c = t.lane(); c < C; c += warp_size) {
      const float g = weight[c] * dy(r, c);
      g_sum += g;
      gx_sum += g * (x(r, c) - mu) * rs;
    }
    const float g_mean = simt::warp_sum(t, g_sum) / static_cast<float>(C);
    const float gx_mean = simt::warp_sum(t, gx_sum) / static_cast<float>(C);
    for (int c = t.lane(); c < C; c += warp_size) {
      const float xhat = (x(r, c) - mu) * rs;
      const float d = rs * (weight[c] * dy(r, c) - g_mean - xhat * gx_mean);
      dx(r, c) = base ? base(r, c) + d : d;
    }
  }
};

/// What column_sums adds up for dweight: dy x̂.
struct LayerNormWeightTerm {
  Matrix<const float> x, dy;
  const float *mean, *rstd;
  FAUNA_KERNEL float operator()(int r, int c) const { return dy(r, c) * ((x(r, c) - mean[r]) * rstd[r]); }
};

}  // namespace kernels

template <Device B> struct layer_norm<B> {
  static constexpr std::size_t workspace(int, int, int) { return 0; }

  static void forward(B const& b, Matrix<const float> x, const float* weight, const float* bias, Matrix<float> y,
                      float* mean, float* rstd, double eps, int offset = 0) {
    simt::each_row(b, x.rows(), kernels::LayerNorm{x, {weight, offset}, bias, y, mean, rstd, static_cast<float>(eps)});
  }

  static void backward(B const& b, Matrix<const float> x, const float* weight, const float* mean, const float* rstd,
                       Matrix<const float> dy, Matrix<float> dx, Matrix<const float> base, float* dweight, float* dbias,
                       int offset = 0) {
    // The sums first: dx may be dy.
    if (dweight) simt::column_sums(b, kernels::LayerNormWeightTerm{x, dy, mean, rstd}, x.rows(), x.cols(), dweight);
    if (dbias) simt::column_sums(b, kernels::Elements{dy}, x.rows(), x.cols(), dbias);
    simt::each_row(b, x.rows(), kernels::LayerNormBackward{x, {weight, offset}, mean, rstd, dy, dx, base});
  }
};

}  // namespace fauna::inline v0
