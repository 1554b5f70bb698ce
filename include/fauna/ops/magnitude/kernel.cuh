#pragma once
#include <cmath>

#include <fauna/backend/simt.cuh>
#include <fauna/ops/add/kernel.cuh>
#include <fauna/ops/magnitude/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

/// A warp for each row.
struct RowLengths {
  Matrix<const float> v;
  float* n;
  template <class T> FAUNA_KERNEL void operator()(T const& t, int r) const {
    double sum = 0;
    for (int c = t.lane(); c < v.cols(); c += warp_size)
      sum += static_cast<double>(v(r, c)) * static_cast<double>(v(r, c));
    const auto length = static_cast<float>(std::sqrt(simt::warp_sum(t, sum)));
    if (t.lane() == 0) n[r] = length > 0 ? length : 1;
  }
};
struct Magnitude {
  Matrix<const float> z;
  const float *m, *n, *bias;
  Matrix<float> y;
  FAUNA_KERNEL void operator()(int r, int c) const {
    y(r, c) = m[c] / n[c] * z(r, c) + (bias != nullptr ? bias[c] : 0);
  }
};
struct MagnitudeBackward {
  Matrix<const float> dy;
  const float *m, *n;
  Matrix<float> dz;
  FAUNA_KERNEL void operator()(int r, int c) const { dz(r, c) = m[c] / n[c] * dy(r, c); }
};
/// What column_sums adds up for dm.
struct MagnitudeTerm {
  Matrix<const float> z, dy;
  const float* n;
  FAUNA_KERNEL float operator()(int r, int c) const { return dy(r, c) * z(r, c) / n[c]; }
};

}  // namespace kernels

template <Device B> struct magnitude<B> {
  static void lengths(B const& b, Matrix<const float> v, float* n) {
    simt::each_row(b, v.rows(), kernels::RowLengths{v, n});
  }
  static void forward(B const& b, Matrix<const float> z, const float* m, const float* n, const float* bias,
                      Matrix<float> y) {
    simt::each_element(b, z, kernels::Magnitude{z, m, n, bias, y});
  }
  static void backward(B const& b, Matrix<const float> z, const float* m, const float* n, Matrix<const float> dy,
                       Matrix<float> dz, float* dm) {
    // The sum first: dz may be z.
    if (dm != nullptr) simt::column_sums(b, kernels::MagnitudeTerm{z, dy, n}, dy.rows(), dy.cols(), dm);
    simt::each_element(b, dy, kernels::MagnitudeBackward{dy, m, n, dz});
  }
};

}  // namespace fauna::inline v0
