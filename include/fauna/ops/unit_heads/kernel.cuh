// Heads at length 1 as kernels: a warp for each head of a row. The maths is in op.hpp.
#pragma once
#include <cmath>

#include <fauna/backend/simt.cuh>
#include <fauna/ops/unit_heads/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

/// 1 / √(Σ x² + ε) over N columns from h on, in every lane of a warp.
template <class T>
FAUNA_KERNEL float unit_shrink(T const& thread, Matrix<const float> x, int t, int h, int N, float eps) {
  float squares = 0;
  for (int c = h + thread.lane(); c < h + N; c += warp_size) squares += x(t, c) * x(t, c);
  return 1 / std::sqrt(simt::warp_sum(thread, squares) + eps);
}

struct UnitHeads {
  int N;
  float eps;
  Matrix<const float> x;
  Matrix<float> y;
  template <class T> FAUNA_KERNEL void operator()(T const& thread, int row) const {
    const int heads = x.cols() / N, t = row / heads, h = row % heads * N;
    const float r = unit_shrink(thread, x, t, h, N, eps);
    for (int c = h + thread.lane(); c < h + N; c += warp_size) y(t, c) = r * x(t, c);
  }
};

/// dx may be dy: each lane reads its elements before it writes them.
struct UnitHeadsBackward {
  int N;
  float eps;
  Matrix<const float> x, dy;
  Matrix<float> dx;
  template <class T> FAUNA_KERNEL void operator()(T const& thread, int row) const {
    const int heads = x.cols() / N, t = row / heads, h = row % heads * N;
    const float r = unit_shrink(thread, x, t, h, N, eps);
    float along = 0;
    for (int c = h + thread.lane(); c < h + N; c += warp_size) along += dy(t, c) * (r * x(t, c));
    along = simt::warp_sum(thread, along);
    for (int c = h + thread.lane(); c < h + N; c += warp_size) dx(t, c) = r * (dy(t, c) - r * x(t, c) * along);
  }
};

}  // namespace kernels

template <Device B> struct unit_heads<B> {
  static void forward(B const& b, int N, double eps, Matrix<const float> x, Matrix<float> y) {
    simt::each_row(b, x.rows() * (x.cols() / N), kernels::UnitHeads{N, static_cast<float>(eps), x, y});
  }
  static void backward(B const& b, int N, double eps, Matrix<const float> x, Matrix<const float> dy, Matrix<float> dx) {
    simt::each_row(b, x.rows() * (x.cols() / N), kernels::UnitHeadsBackward{N, static_cast<float>(eps), x, dy, dx});
  }
};

}  // namespace fauna::inline v0
