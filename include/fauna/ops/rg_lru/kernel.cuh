// The RG-LRU as kernels: a thread for each channel of a sequence walks its rows; all else is element by element. The
// maths is in op.hpp.
#pragma once
#include <cmath>

#include <fauna/backend/simt.cuh>
#include <fauna/ops/add/kernel.cuh>
#include <fauna/ops/rg_lru/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

struct RgLruGates {
  bool begins;
  float i, r, l, a, g;
};

/// What comes in, of a batch.
struct RgLruPast {
  Batch batch;
  RgLruRows<const float> in;
  const float* lambda;

  FAUNA_KERNEL RgLruGates gates(int q, int t, int c) const {
    const float i = simt::sigmoid(in.i(t, c)), r = simt::sigmoid(in.r(t, c));
    if (rg_lru_begins(batch, q, t)) return {true, i, r, 0, 0, 1};
    const float l = -rg_lru_sharpness * simt::softplus(lambda[c]) * r;
    return {false, i, r, l, std::exp(l), std::sqrt(-std::expm1(2 * l))};
  }
};

FAUNA_KERNEL inline float rg_lru_before(int p, int q, int c, Matrix<const float> h, Matrix<const float> state) {
  if (p >= 0) return h(p, c);
  return p == Batch::the_state && state ? state(q, c) : 0;
}

struct RgLru {
  RgLruPast past;
  Matrix<float> state, h;
  FAUNA_KERNEL void operator()(int q, int c) const {
    Batch const& batch = past.batch;
    const int last = batch.last(q);
    for (int t = batch.first(q); t < last; ++t) {
      const RgLruGates g = past.gates(q, t, c);
      h(t, c) = g.a * rg_lru_before(batch.continues(q, t), q, c, h, state) + g.g * g.i * past.in.x(t, c);
    }
    if (state && last > batch.first(q)) state(q, c) = h(last - 1, c);
  }
};

/// H: the gradients of h after every row.
struct RgLruGradients {
  RgLruPast past;
  Matrix<const float> dh;
  Matrix<float> dstate, H;
  FAUNA_KERNEL void operator()(int q, int c) const {
    Batch const& batch = past.batch;
    const int first = batch.first(q), last = batch.last(q);
    if (first == last) return;
    for (int t = first; t < last; ++t) H(t, c) = dh(t, c);
    if (dstate) H(last - 1, c) += dstate(q, c);
    float into = 0;  // the gradient of the entering state
    for (int t = last - 1; t >= first; --t) {
      const RgLruGates g = past.gates(q, t, c);
      const int p = batch.continues(q, t);
      (p >= 0 ? H(p, c) : into) += g.a * H(t, c);  // a = 0 where a text begins
    }
    if (dstate) dstate(q, c) = into;
  }
};

/// What follows from H.
struct RgLruBackward {
  RgLruPast past;
  Matrix<const float> entering, h, H;
  RgLruRows<float> d;
  FAUNA_KERNEL void operator()(int t, int c) const {
    const int q = simt::sequence_of(past.batch, t);
    const RgLruGates g = past.gates(q, t, c);
    const float of_h = H(t, c), x = past.in.x(t, c);
    d.x(t, c) = of_h * g.g * g.i;
    d.i(t, c) = of_h * g.g * x * g.i * (1 - g.i);
    d.r(t, c) = of_log(q, t, c, g) * g.l * (1 - g.r);
  }
  /// dl
  FAUNA_KERNEL float of_log(int q, int t, int c, RgLruGates const& g) const {
    if (g.begins) return 0;
    const float before = rg_lru_before(past.batch.continues(q, t), q, c, h, entering);
    const float steepness = g.g * rg_lru_steepest < 1 ? rg_lru_steepest : 1 / g.g;
    return g.a * H(t, c) * (before - g.i * past.in.x(t, c) * g.a * steepness);
  }
};

/// What column_sums adds up for dΛ.
struct RgLruTerm {
  RgLruBackward all;
  FAUNA_KERNEL float operator()(int t, int c) const {
    const int q = simt::sequence_of(all.past.batch, t);
    const RgLruGates g = all.past.gates(q, t, c);
    return -all.of_log(q, t, c, g) * rg_lru_sharpness * g.r * simt::sigmoid(all.past.lambda[c]);
  }
};

}  // namespace kernels

template <Device B> struct rg_lru<B> {
  /// Backward: the gradients of h after every row.
  static constexpr std::size_t workspace(int rows, int cols) {
    return aligned(static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols) * sizeof(float));
  }

  static void forward(B const& b, Batch const& batch, RgLruRows<const float> const& in, const float* lambda,
                      Matrix<float> state, Matrix<float> h) {
    const simt::BatchOnDevice<B> rows(b, batch);
    simt::each_element(b, batch.sequences, h.cols(), kernels::RgLru{{rows.get(), in, lambda}, state, h});
  }
  static void backward(B const& b, Batch const& batch, RgLruRows<const float> const& in, const float* lambda,
                       Matrix<const float> entering, Matrix<const float> h, Matrix<const float> dh,
                       RgLruRows<float> const& d, float* dlambda, Matrix<float> dstate) {
    const simt::BatchOnDevice<B> rows(b, batch);
    const kernels::RgLruPast past{rows.get(), in, lambda};
    Scope scope(*b.scratch);
    const Matrix<float> H = b.scratch->template take_view<float, dyn, dyn>(h.rows(), h.cols());
    simt::each_element(b, batch.sequences, h.cols(), kernels::RgLruGradients{past, dh, dstate, H});
    const kernels::RgLruBackward all{past, entering, h, H, d};
    if (dlambda) simt::column_sums(b, kernels::RgLruTerm{all}, h.rows(), h.cols(), dlambda);
    simt::each_element(b, h, all);
  }
};

}  // namespace fauna::inline v0
