// The recurrence of Mamba-2 on a device is the one of ops/recurrence, row by row, with a fade by head, δ for strength,
// B for keys and C for queries; D x comes on top. The maths is in op.hpp.
#pragma once
#include <cmath>

#include <fauna/ops/recurrence/kernel.cuh>
#include <fauna/ops/ssd/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

/// What a head's numbers make of a row, by heads of `size` columns.
struct SsdRow {
  SsdRows<const float> in;
  SsdHeads<const float> v;
  int size;
  FAUNA_KERNEL float step(int t, int h) const { return simt::softplus(in.dt(t, h) + v.dt_bias[h]); }
  FAUNA_KERNEL float rate(int h) const { return -std::exp(v.A_log[h]); }
};

/// δ and exp(δ A).
struct SsdSteps {
  SsdRow of;
  Matrix<float> step, fade;
  FAUNA_KERNEL void operator()(int t, int h) const {
    step(t, h) = of.step(t, h);
    fade(t, h) = std::exp(of.step(t, h) * of.rate(h));
  }
};

/// y += D x; of gradients: dx += D dy.
struct SsdSkip {
  Matrix<const float> x;
  const float* D;
  int size;
  Matrix<float> y;
  FAUNA_KERNEL void operator()(int t, int c) const { y(t, c) += D[c / size] * x(t, c); }
};
/// What head_sums adds up for dD.
struct SsdSkipTerm {
  Matrix<const float> x, dy;
  FAUNA_KERNEL float operator()(int t, int c) const { return dy(t, c) * x(t, c); }
};

/// What column_sums adds up for dA_log: of δ A, times δ A.
struct SsdRateTerm {
  SsdRow of;
  Matrix<const float> fade, dfade;
  FAUNA_KERNEL float operator()(int t, int h) const { return dfade(t, h) * fade(t, h) * of.step(t, h) * of.rate(h); }
};
/// d(dt), of the gradients of δ and of the fade.
struct SsdStepsBackward {
  SsdRow of;
  Matrix<const float> fade, dstep, dfade;
  Matrix<float> ddt;
  FAUNA_KERNEL void operator()(int t, int h) const {
    const float d = dstep(t, h) + dfade(t, h) * fade(t, h) * of.rate(h);
    ddt(t, h) = d * simt::sigmoid(of.in.dt(t, h) + of.v.dt_bias[h]);
  }
};

}  // namespace kernels

template <Device B> struct ssd<B> {
  static constexpr RecurrenceWalk walk{.of = {.fade = fades::by_head, .strength = true}, .chunk = ssd_chunk};
  static constexpr std::size_t workspace(SsdSizes const&, int, int, int, bool) { return 0; }

  static void forward(B const& b, Batch const& batch, SsdSizes const& z, SsdRows<const float> in,
                      SsdHeads<const float> v, Matrix<float> state, Matrix<float> y, Matrix<float> kept) {
    const int R = batch.rows;
    const simt::TemporaryMatrix<B> step(b, R, z.heads), fade(b, R, z.heads);
    simt::each_element(b, R, z.heads, kernels::SsdSteps{{in, v, z.size}, step, fade});
    simt::recur<walk>(b, batch, shape(z), rows<const float>(in, fade, step), state, y, kept);
    simt::each_element(b, y, kernels::SsdSkip{in.x, v.D, z.size, y});
  }
  static void backward(B const& b, Batch const& batch, SsdSizes const& z, SsdRows<const float> in,
                       SsdHeads<const float> v, Matrix<const float> kept, Matrix<const float> dy, SsdRows<float> d,
                       SsdHeads<float> dv, Matrix<float> dstate) {
    const int R = batch.rows;
    const kernels::SsdRow of{in, v, z.size};
    const simt::TemporaryMatrix<B> step(b, R, z.heads), fade(b, R, z.heads), dstep(b, R, z.heads), dfade(b, R, z.heads);
    simt::each_element(b, R, z.heads, kernels::SsdSteps{of, step, fade});
    for (auto const& m : {d.x, d.b, d.c, dstep.view(), dfade.view()}) add<B>::clear(b, m);
    simt::recur_back<walk>(b, batch, shape(z), rows<const float>(in, fade, step), kept, dy,
                           rows<float>(d, dfade, dstep), dstate);
    simt::each_element(b, d.x, kernels::SsdSkip{dy, v.D, z.size, d.x});
    simt::each_element(b, d.dt, kernels::SsdStepsBackward{of, fade, dstep, dfade, d.dt});
    if (dv.A_log) simt::column_sums(b, kernels::SsdRateTerm{of, fade, dfade}, R, z.heads, dv.A_log);
    if (dv.D) simt::head_sums(b, kernels::SsdSkipTerm{in.x, dy}, R, z.heads, z.size, dv.D);
    if (dv.dt_bias) add<B>::column_sums(b, d.dt, dv.dt_bias);
  }

 private:
  static RecurrenceShape shape(SsdSizes const& z) {
    return {.heads = z.heads, .key_heads = z.groups, .keys = z.states, .values = z.size};
  }
  template <class S> static RecurrenceRows<S> rows(SsdRows<S> const& of, Matrix<S> fade, Matrix<S> step) {
    return {.q = of.c, .k = of.b, .v = of.x, .fade = fade, .beta = step, .a = {}, .b = {}, .least = {}};
  }
};

}  // namespace fauna::inline v0
