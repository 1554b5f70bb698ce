// The recurrence of RWKV-5 and 6 on a device is the one of ops/recurrence with a fade by key, which reads the state
// that a row continues; the bonus of the row itself comes on top. The maths is in op.hpp.
#pragma once
#include <cmath>

#include <fauna/ops/recurrence/kernel.cuh>
#include <fauna/ops/wkv6/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

/// w = exp(-e^d), of every row.
struct Wkv6Fade {
  Matrix<const float> d;
  bool constant;
  Matrix<float> w;
  FAUNA_KERNEL void operator()(int t, int c) const { w(t, c) = std::exp(-std::exp(d(constant ? 0 : t, c))); }
};
/// dd, and where it is constant what column_sums adds up for it.
struct Wkv6FadeSlope {
  Matrix<const float> d;
  bool constant;
  Matrix<const float> w, dw;
  FAUNA_KERNEL float operator()(int t, int c) const { return -std::exp(d(constant ? 0 : t, c)) * w(t, c) * dw(t, c); }
};
struct Wkv6FadeBackward {
  Wkv6FadeSlope slope;
  Matrix<float> dd;
  FAUNA_KERNEL void operator()(int t, int c) const { dd(t, c) = slope(t, c); }
};

/// y += (Σ u ∘ r ∘ k) v, a head of a row by a warp.
struct Wkv6Bonus {
  int N;
  Matrix<const float> r, k, v;
  const float* u;
  Matrix<float> y;
  template <class T> FAUNA_KERNEL void operator()(T const& thread, int row) const {
    const int heads = v.cols() / N, t = row / heads, h = row % heads * N;
    float bonus = 0;
    for (int c = h + thread.lane(); c < h + N; c += warp_size) bonus += u[c] * r(t, c) * k(t, c);
    bonus = simt::warp_sum(thread, bonus);
    for (int c = h + thread.lane(); c < h + N; c += warp_size) y(t, c) += bonus * v(t, c);
  }
};
/// Added to what the recurrence gives. What du is a sum of is written to a term.
struct Wkv6BonusBackward {
  int N;
  Matrix<const float> r, k, v;
  const float* u;
  Matrix<const float> dy;
  Matrix<float> dr, dk, dv, of_u;
  template <class T> FAUNA_KERNEL void operator()(T const& thread, int row) const {
    const int heads = v.cols() / N, t = row / heads, h = row % heads * N;
    float bonus = 0, beta = 0;
    for (int c = h + thread.lane(); c < h + N; c += warp_size) {
      bonus += u[c] * r(t, c) * k(t, c);
      beta += v(t, c) * dy(t, c);
    }
    bonus = simt::warp_sum(thread, bonus);
    beta = simt::warp_sum(thread, beta);
    for (int c = h + thread.lane(); c < h + N; c += warp_size) {
      dr(t, c) += beta * u[c] * k(t, c);
      dk(t, c) += beta * u[c] * r(t, c);
      dv(t, c) += bonus * dy(t, c);
      of_u(t, c) = beta * r(t, c) * k(t, c);
    }
  }
};

}  // namespace kernels

template <Device B> struct wkv6<B> {
  static constexpr RecurrenceWalk walk{.of = {.fade = fades::by_key}, .reads_before = true, .chunk = wkv7_chunk};
  static constexpr std::size_t workspace(int, int) { return 0; }

  static void forward(B const& b, Batch const& batch, int N, Wkv6Rows<const float> in, const float* u,
                      Matrix<float> state, Matrix<float> y, Matrix<float> kept) {
    const int R = batch.rows, C = in.r.cols(), H = C / N;
    const simt::TemporaryMatrix<B> w(b, R, C);
    simt::each_element(b, R, C, kernels::Wkv6Fade{in.d, in.constant, w});
    simt::recur<walk>(b, batch, shape(N, H), rows(in, Matrix<const float>(w)), state, y, kept);
    simt::each_row(b, R * H, kernels::Wkv6Bonus{N, in.r, in.k, in.v, u, y});
  }
  static void backward(B const& b, Batch const& batch, int N, Wkv6Rows<const float> in, const float* u,
                       Matrix<const float> kept, Matrix<const float> dy, Wkv6Rows<float> d, float* du,
                       Matrix<float> dstate) {
    const int R = batch.rows, C = in.r.cols(), H = C / N;
    const simt::TemporaryMatrix<B> w(b, R, C), dw(b, R, C), of_u(b, R, C);
    simt::each_element(b, R, C, kernels::Wkv6Fade{in.d, in.constant, w});
    for (auto const& m : {d.r, d.k, d.v, dw.view()}) add<B>::clear(b, m);
    simt::recur_back<walk>(b, batch, shape(N, H), rows(in, Matrix<const float>(w)), kept, dy, rows(d, dw.view()),
                           dstate);
    simt::each_row(b, R * H, kernels::Wkv6BonusBackward{N, in.r, in.k, in.v, u, dy, d.r, d.k, d.v, of_u});
    if (du) add<B>::column_sums(b, of_u, du);
    const kernels::Wkv6FadeSlope slope{in.d, in.constant, w, dw};
    if (!in.constant) simt::each_element(b, R, C, kernels::Wkv6FadeBackward{slope, d.d});
    else if (d.d) simt::column_sums(b, slope, R, C, d.d.data());
  }

 private:
  static RecurrenceShape shape(int N, int heads) {
    return {.heads = heads, .key_heads = heads, .keys = N, .values = N};
  }
  template <class S> static RecurrenceRows<S> rows(Wkv6Rows<S> const& of, Matrix<S> fade) {
    return {.q = of.r, .k = of.k, .v = of.v, .fade = fade, .beta = {}, .a = {}, .b = {}, .least = {}};
  }
};

}  // namespace fauna::inline v0
