// What stands around Mamba-3's recurrence as kernels: gates with a thread for each head of a sequence, by the loops of
// gates.hpp; the rest with a warp for each head of a row, and one for each group's gradient. The maths is in op.hpp.
#pragma once
#include <cmath>

#include <fauna/backend/simt.cuh>
#include <fauna/ops/add/kernel.cuh>
#include <fauna/ops/mamba3/gates.hpp>

namespace fauna::inline v0 {
namespace kernels {

struct Mamba3Turns {
  Matrix<const float> angle;
  Matrix<float> turns;
  FAUNA_KERNEL void operator()(int r, int c) const {
    turns(r, c) = static_cast<float>(mamba3_detail::pi) * std::tanh(angle(r, c));
  }
};
struct Mamba3GatesForward {
  Batch batch;
  Mamba3Shape n;
  Mamba3GateRows<const float> in;
  Matrix<const float> turns;
  const float* dt_bias;
  Mamba3State<float> state;
  Mamba3Gates<float> out;
  FAUNA_KERNEL void operator()(int s, int h) const {
    mamba3_detail::forward<float>(batch, n, s, h, in, turns, dt_bias, state, out);
  }
};
struct Mamba3GatesBackward {
  Batch batch;
  Mamba3Shape n;
  Mamba3GateRows<const float> in;
  Matrix<const float> turns;
  const float* dt_bias;
  Mamba3State<const float> entering;
  Mamba3Gates<const float> out, dout;
  Mamba3GateRows<float> d;
  Mamba3State<float> dstate;
  Matrix<float> N, T;
  FAUNA_KERNEL void operator()(int s, int h) const {
    mamba3_detail::backward<float>(batch, n, s, h, in, turns, dt_bias, entering, out, dout, d, nullptr, dstate, N, T);
  }
};
struct Mamba3AngleGradient {
  Mamba3Shape n;
  Matrix<const float> turns, T;
  Matrix<float> dangle;
  FAUNA_KERNEL void operator()(int t, int i) const {
    constexpr auto pi = static_cast<float>(mamba3_detail::pi);
    float sum = 0;
    for (int h = 0; h < n.heads; ++h) sum += T(t, h * n.angles + i);
    const float share = turns(t, i) / pi;
    dangle(t, i) = sum * pi * (1 - share * share);
  }
};

/// An element or a pair of a head.
struct Mamba3Turn {
  Mamba3Shape n;
  Mamba3Side<const float> side;
  Matrix<const float> theta;
  Matrix<float> y;
  FAUNA_KERNEL float x(int t, int h, int i) const {
    return side.x(t, h / (n.heads / n.groups) * n.states + i) + side.bias[h * n.states + i];
  }
  FAUNA_KERNEL void operator()(int t, int column) const {
    const int h = column / n.states, i = column % n.states, pair = i / 2;
    if (pair >= n.angles) {
      y(t, column) = x(t, h, i);
      return;
    }
    const float angle = theta(t, h * n.angles + pair), c = std::cos(angle), s = std::sin(angle);
    const float x0 = x(t, h, 2 * pair), x1 = x(t, h, 2 * pair + 1);
    y(t, column) = i % 2 == 0 ? x0 * c - x1 * s : x0 * s + x1 * c;
  }
};
/// A pair: dy is turned back in its place, θ's gradient is added to, or written by the first of the two sides.
struct Mamba3TurnBack {
  Mamba3Shape n;
  bool first;
  Matrix<const float> y, theta;
  Matrix<float> dy, dtheta;
  FAUNA_KERNEL void operator()(int t, int column) const {
    const int h = column / n.angles, at = h * n.states + 2 * (column % n.angles);
    const float angle = theta(t, column), c = std::cos(angle), s = std::sin(angle);
    const float d0 = dy(t, at), d1 = dy(t, at + 1);
    dtheta(t, column) = (first ? 0 : dtheta(t, column)) + y(t, at) * d1 - y(t, at + 1) * d0;
    dy(t, at) = d0 * c + d1 * s;
    dy(t, at + 1) = d1 * c - d0 * s;
  }
};
/// A group's element: the sum over its heads.
struct Mamba3GroupGradient {
  Mamba3Shape n;
  Matrix<const float> dy;
  Matrix<float> dx;
  FAUNA_KERNEL void operator()(int t, int column) const {
    const int of_group = n.heads / n.groups, first = column / n.states * of_group;
    float sum = 0;
    for (int h = first; h < first + of_group; ++h) sum += dy(t, h * n.states + column % n.states);
    dx(t, column) = sum;
  }
};

struct Mamba3Skip {
  Mamba3Shape n;
  Mamba3SkipRows<const float> in;
  const float* D;
  Matrix<float> y;
  template <class T> FAUNA_KERNEL void operator()(T const& thread, int row) const {
    const int t = row / n.heads, h = row % n.heads;
    const float factor = in.now(t, h) * meet(thread, t, h) + D[h];
    for (int j = h * n.size + thread.lane(); j < (h + 1) * n.size; j += warp_size) y(t, j) += factor * in.v(t, j);
  }
  template <class T> FAUNA_KERNEL float meet(T const& thread, int t, int h) const {
    float sum = 0;
    for (int i = h * n.states + thread.lane(); i < (h + 1) * n.states; i += warp_size) sum += in.k(t, i) * in.q(t, i);
    return simt::warp_sum(thread, sum);
  }
};
/// sums [R,H]: dy · v of each head, whose column sums are D's gradient.
struct Mamba3SkipBackward : Mamba3Skip {
  Matrix<const float> dy;
  Mamba3SkipRows<float> d;
  Matrix<float> sums;
  template <class T> FAUNA_KERNEL void operator()(T const& thread, int row) const {
    const int t = row / n.heads, h = row % n.heads;
    const float kq = meet(thread, t, h), factor = in.now(t, h) * kq + D[h];
    float sum = 0;
    for (int j = h * n.size + thread.lane(); j < (h + 1) * n.size; j += warp_size) {
      sum += dy(t, j) * in.v(t, j);
      d.v(t, j) += factor * dy(t, j);
    }
    sum = simt::warp_sum(thread, sum);
    if (thread.lane() == 0) {
      d.now(t, h) = sum * kq;
      sums(t, h) = sum;
    }
    for (int i = h * n.states + thread.lane(); i < (h + 1) * n.states; i += warp_size) {
      d.k(t, i) += in.now(t, h) * sum * in.q(t, i);
      d.q(t, i) += in.now(t, h) * sum * in.k(t, i);
    }
  }
};

}  // namespace kernels

template <Device B> struct mamba3_gates<B> {
  static constexpr std::size_t workspace(Mamba3Shape const&, int) { return 0; }

  static void forward(B const& b, Batch const& batch, Mamba3Shape const& n, Mamba3GateRows<const float> const& in,
                      const float* dt_bias, Mamba3State<float> const& state, Mamba3Gates<float> const& out) {
    const simt::BatchOnDevice<B> on_device(b, batch);
    const simt::TemporaryMatrix<B> turns(b, in.angle.rows(), in.angle.cols());
    simt::each_element(b, in.angle, kernels::Mamba3Turns{in.angle, turns});
    simt::each_element(b, batch.sequences, n.heads,
                       kernels::Mamba3GatesForward{on_device.get(), n, in, turns, dt_bias, state, out});
  }
  static void backward(B const& b, Batch const& batch, Mamba3Shape const& n, Mamba3GateRows<const float> const& in,
                       const float* dt_bias, Mamba3State<const float> const& entering,
                       Mamba3Gates<const float> const& out, Mamba3Gates<const float> const& dout,
                       Mamba3GateRows<float> const& d, float* ddt_bias, Mamba3State<float> const& dstate) {
    const simt::BatchOnDevice<B> on_device(b, batch);
    const simt::TemporaryMatrix<B> turns(b, in.angle.rows(), in.angle.cols()), N(b, batch.rows, n.heads),
        T(b, batch.rows, n.heads * n.angles);
    simt::each_element(b, in.angle, kernels::Mamba3Turns{in.angle, turns});
    simt::each_element(
        b, batch.sequences, n.heads,
        kernels::Mamba3GatesBackward{on_device.get(), n, in, turns, dt_bias, entering, out, dout, d, dstate, N, T});
    simt::each_element(b, d.angle, kernels::Mamba3AngleGradient{n, turns, T, d.angle});
    if (ddt_bias) add<B>::column_sums(b, d.dt, ddt_bias);
  }
};

template <Device B> struct mamba3_heads<B> {
  static void forward(B const& b, Mamba3Shape const& n, Mamba3Side<const float> const& keys,
                      Mamba3Side<const float> const& queries, Matrix<const float> theta, Matrix<float> k,
                      Matrix<float> q) {
    simt::each_element(b, k, kernels::Mamba3Turn{n, keys, theta, k});
    simt::each_element(b, q, kernels::Mamba3Turn{n, queries, theta, q});
  }
  static void backward(B const& b, Mamba3Shape const& n, Matrix<const float> k, Matrix<const float> q,
                       Matrix<const float> theta, Matrix<float> dk, Matrix<float> dq, Mamba3Side<float> const& dkeys,
                       Mamba3Side<float> const& dqueries, Matrix<float> dtheta) {
    back(b, n, true, k, theta, dk, dkeys, dtheta);
    back(b, n, false, q, theta, dq, dqueries, dtheta);
  }

 private:
  static void back(B const& b, Mamba3Shape const& n, bool first, Matrix<const float> y, Matrix<const float> theta,
                   Matrix<float> dy, Mamba3Side<float> const& d, Matrix<float> dtheta) {
    simt::each_element(b, dtheta, kernels::Mamba3TurnBack{n, first, y, theta, dy, dtheta});
    simt::each_element(b, d.x, kernels::Mamba3GroupGradient{n, dy, d.x});
    if (d.bias) add<B>::column_sums(b, dy, d.bias);
  }
};

template <Device B> struct mamba3_skip<B> {
  static void forward(B const& b, Mamba3Shape const& n, Mamba3SkipRows<const float> const& in, const float* D,
                      Matrix<float> y) {
    simt::each_row(b, y.rows() * n.heads, kernels::Mamba3Skip{n, in, D, y});
  }
  static void backward(B const& b, Mamba3Shape const& n, Mamba3SkipRows<const float> const& in, const float* D,
                       Matrix<const float> dy, Mamba3SkipRows<float> const& d, float* dD) {
    const simt::TemporaryMatrix<B> sums(b, dy.rows(), n.heads);
    simt::each_row(b, dy.rows() * n.heads, kernels::Mamba3SkipBackward{{n, in, D, {}}, dy, d, sums});
    if (dD) add<B>::column_sums(b, sums, dD);
  }
};

}  // namespace fauna::inline v0
