#pragma once
#include <fauna/backend/simt.cuh>
#include <fauna/ops/add/kernel.cuh>
#include <fauna/ops/affine/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

struct Affine {
  Matrix<const float> z;
  const float *factor, *shift;
  Matrix<float> y;
  FAUNA_KERNEL void operator()(int r, int c) const { y(r, c) = factor[c] * (z(r, c) + shift[c]); }
};
struct AffineBackward {
  Matrix<const float> dy;
  const float* factor;
  Matrix<float> dz;
  FAUNA_KERNEL void operator()(int r, int c) const { dz(r, c) = factor[c] * dy(r, c); }
};
/// What column_sums adds up for dfactor and dshift.
struct AffineFactorTerm {
  Matrix<const float> z, dy;
  const float* shift;
  FAUNA_KERNEL float operator()(int r, int c) const { return dy(r, c) * (z(r, c) + shift[c]); }
};
struct AffineShiftTerm {
  Matrix<const float> dy;
  const float* factor;
  FAUNA_KERNEL float operator()(int r, int c) const { return factor[c] * dy(r, c); }
};

}  // namespace kernels

template <Device B> struct affine<B> {
  static void forward(B const& b, Matrix<const float> z, const float* factor, const float* shift, Matrix<float> y) {
    simt::each_element(b, z, kernels::Affine{z, factor, shift, y});
  }
  static void backward(B const& b, Matrix<const float> z, const float* factor, const float* shift,
                       Matrix<const float> dy, Matrix<float> dz, float* dfactor, float* dshift) {
    // The sums first: dz may be z or dy.
    const int R = dy.rows(), C = dy.cols();
    if (dfactor != nullptr) simt::column_sums(b, kernels::AffineFactorTerm{z, dy, shift}, R, C, dfactor);
    if (dshift != nullptr) simt::column_sums(b, kernels::AffineShiftTerm{dy, factor}, R, C, dshift);
    simt::each_element(b, dy, kernels::AffineBackward{dy, factor, dz});
  }
};

}  // namespace fauna::inline v0
