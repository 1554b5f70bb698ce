#pragma once
#include <fauna/backend/simt.cuh>
#include <fauna/ops/scale/op.hpp>

namespace fauna::inline v0 {

namespace kernels {

struct Scale {
  float factor;
  Matrix<float> x;
  FAUNA_KERNEL void operator()(int r, int c) const { x(r, c) *= factor; }
};

}  // namespace kernels

template <Device B> struct scale<B> {
  static void run(B const& b, double factor, Matrix<float> x) {
    simt::each_element(b, x, kernels::Scale{static_cast<float>(factor), x});
  }
};

}  // namespace fauna::inline v0
