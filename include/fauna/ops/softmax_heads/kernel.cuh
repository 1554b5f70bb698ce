// The softmax of heads as kernels: a warp for each head of a row. The maths is in op.hpp.
#pragma once
#include <cmath>

#include <fauna/backend/simt.cuh>
#include <fauna/ops/softmax_heads/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

/// y may be x, dx may be dy: each lane reads its elements before it writes them.
struct SoftmaxHeads {
  int N;
  Matrix<const float> x;
  Matrix<float> y;
  template <class T> FAUNA_KERNEL void operator()(T const& thread, int row) const {
    const int heads = x.cols() / N, t = row / heads, h = row % heads * N;
    float most = -INFINITY, sum = 0;
    for (int c = h + thread.lane(); c < h + N; c += warp_size) most = x(t, c) > most ? x(t, c) : most;
    most = simt::warp_max(thread, most);
    for (int c = h + thread.lane(); c < h + N; c += warp_size) sum += y(t, c) = std::exp(x(t, c) - most);
    sum = simt::warp_sum(thread, sum);
    for (int c = h + thread.lane(); c < h + N; c += warp_size) y(t, c) = y(t, c) / sum;
  }
};
struct SoftmaxHeadsBackward {
  int N;
  Matrix<const float> y, dy;
  Matrix<float> dx;
  template <class T> FAUNA_KERNEL void operator()(T const& thread, int row) const {
    const int heads = y.cols() / N, t = row / heads, h = row % heads * N;
    float along = 0;
    for (int c = h + thread.lane(); c < h + N; c += warp_size) along += dy(t, c) * y(t, c);
    along = simt::warp_sum(thread, along);
    for (int c = h + thread.lane(); c < h + N; c += warp_size) dx(t, c) = y(t, c) * (dy(t, c) - along);
  }
};

}  // namespace kernels

template <Device B> struct softmax_heads<B> {
  static void forward(B const& b, int N, Matrix<const float> x, Matrix<float> y) {
    simt::each_row(b, x.rows() * (x.cols() / N), kernels::SoftmaxHeads{N, x, y});
  }
  static void backward(B const& b, int N, Matrix<const float> y, Matrix<const float> dy, Matrix<float> dx) {
    simt::each_row(b, y.rows() * (y.cols() / N), kernels::SoftmaxHeadsBackward{N, y, dy, dx});
  }
};

}  // namespace fauna::inline v0
