// Rows that a number opens, as kernels: a warp for each row. The maths is in op.hpp.
#pragma once
#include <fauna/backend/simt.cuh>
#include <fauna/ops/row_gate/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

struct RowGate {
  Matrix<const float> xg;
  Matrix<float> y;
  template <class T> FAUNA_KERNEL void operator()(T const& t, int r) const {
    const float open = simt::sigmoid(xg(r, y.cols()));
    for (int c = t.lane(); c < y.cols(); c += warp_size) y(r, c) = open * xg(r, c);
  }
};
struct RowGateBackward {
  Matrix<const float> xg, dy;
  Matrix<float> dxg;
  template <class T> FAUNA_KERNEL void operator()(T const& t, int r) const {
    const int C = dy.cols();
    const float open = simt::sigmoid(xg(r, C));
    float along = 0;
    for (int c = t.lane(); c < C; c += warp_size) {
      along += dy(r, c) * xg(r, c);
      dxg(r, c) = open * dy(r, c);
    }
    along = simt::warp_sum(t, along);
    if (t.lane() == 0) dxg(r, C) = open * (1 - open) * along;
  }
};

}  // namespace kernels

template <Device B> struct row_gate<B> {
  static void forward(B const& b, Matrix<const float> xg, Matrix<float> y) {
    simt::each_row(b, y.rows(), kernels::RowGate{xg, y});
  }
  static void backward(B const& b, Matrix<const float> xg, Matrix<const float> dy, Matrix<float> dxg) {
    simt::each_row(b, dy.rows(), kernels::RowGateBackward{xg, dy, dxg});
  }
};

}  // namespace fauna::inline v0
