// The causal convolution as kernels: every element by itself, a gradient from all the rows that its row went into. The
// maths is in op.hpp.
#pragma once
#include <fauna/backend/simt.cuh>
#include <fauna/ops/add/kernel.cuh>
#include <fauna/ops/conv/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

/// Column c of the row that Batch::ancestor answered; of a row that is not there, 0.
FAUNA_KERNEL inline float conv_input(int ancestor, int taps, int sequence, Matrix<const float> x,
                                     Matrix<const float> state, int c) {
  if (ancestor >= 0) return x(ancestor, c);
  const int i = conv_state_row(taps, ancestor);
  return ancestor == Batch::nothing || !state || i < 0 ? 0 : state(sequence * (taps - 1) + i, c);
}

struct CausalConv {
  Batch batch;
  Matrix<const float> x, taps;
  const float* bias;
  Matrix<const float> state;
  Matrix<float> y;
  FAUNA_KERNEL void operator()(int r, int c) const {
    const int K = taps.rows(), q = simt::sequence_of(batch, r);
    float sum = bias ? bias[c] : 0;
    for (int k = 0; k < K; ++k) sum += taps(K - 1 - k, c) * conv_input(batch.ancestor(q, r, k), K, q, x, state, c);
    y(r, c) = sum;
  }
};

/// The state of a sequence becomes its last rows. Row i gets one that stood behind it, so ascending i is safe.
struct ConvLeaves {
  Batch batch;
  int taps;
  Matrix<const float> x;
  Matrix<float> state;
  FAUNA_KERNEL void operator()(int q, int c) const {
    const int last = batch.last(q);
    if (batch.first(q) == last) return;
    for (int i = 0; i < taps - 1; ++i)
      state(q * (taps - 1) + i, c) = conv_input(batch.ancestor(q, last - 1, taps - 2 - i), taps, q, x, state, c);
  }
};

/// dx: what every row that has this one among its last ones gives it, and the leaving state.
struct ConvBackward {
  Batch batch;
  Matrix<const float> taps, dy, dstate;
  Matrix<float> dx;
  FAUNA_KERNEL void operator()(int s, int c) const {
    const int K = taps.rows(), q = simt::sequence_of(batch, s);
    float sum = 0;
    if (const int k = steps_from(q, batch.last(q) - 1, s, K - 1); dstate && k < K - 1)
      sum += dstate(q * (K - 1) + K - 2 - k, c);
    const int end = simt::end_of_steps(batch, q, s, K - 1);
    for (int r = s; r < end; ++r)
      if (const int k = steps_from(q, r, s, K); k < K) sum += taps(K - 1 - k, c) * dy(r, c);
    dx(s, c) = sum;
  }

 private:
  /// How many steps before r is s? `most`, where it is not among so many.
  FAUNA_KERNEL int steps_from(int q, int r, int s, int most) const {
    int k = 0;
    for (; k < most && r != s; ++k) {
      if (r < s) return most;
      r = batch.continues(q, r);
    }
    return k;
  }
};

/// The gradient of the entering state, in the place of the leaving one's. Row i takes from rows before it, so
/// descending i is safe.
struct ConvEntering {
  Batch batch;
  Matrix<const float> taps, dy;
  Matrix<float> dstate;
  FAUNA_KERNEL void operator()(int q, int c) const {
    const int K = taps.rows(), first = batch.first(q), last = batch.last(q);
    if (first == last) return;
    const int end = simt::end_of_steps(batch, q, first, K - 2);
    for (int i = K - 2; i >= 0; --i) {
      const auto is_i = [&](int ancestor) { return ancestor <= Batch::the_state && conv_state_row(K, ancestor) == i; };
      float sum = 0;
      for (int k = 0; k < K - 1; ++k)
        if (is_i(batch.ancestor(q, last - 1, k))) sum += dstate(q * (K - 1) + K - 2 - k, c);
      for (int r = first; r < end; ++r)
        for (int k = 0; k < K; ++k)
          if (is_i(batch.ancestor(q, r, k))) sum += taps(K - 1 - k, c) * dy(r, c);
      dstate(q * (K - 1) + i, c) = sum;
    }
  }
};

/// What column_sums adds up for the tap of the row k steps before.
struct ConvTapTerm {
  Batch batch;
  int taps, k;
  Matrix<const float> x, entering, dy;
  FAUNA_KERNEL float operator()(int r, int c) const {
    const int q = simt::sequence_of(batch, r);
    return dy(r, c) * conv_input(batch.ancestor(q, r, k), taps, q, x, entering, c);
  }
};

}  // namespace kernels

template <Device B> struct causal_conv<B> {
  static void forward(B const& b, Batch const& batch, Matrix<const float> x, Matrix<const float> taps,
                      const float* bias, Matrix<float> state, Matrix<float> y) {
    const simt::BatchOnDevice<B> rows(b, batch);
    simt::each_element(b, y, kernels::CausalConv{rows.get(), x, taps, bias, state, y});
    if (state) simt::each_element(b, batch.sequences, x.cols(), kernels::ConvLeaves{rows.get(), taps.rows(), x, state});
  }
  static void backward(B const& b, Batch const& batch, Matrix<const float> x, Matrix<const float> entering,
                       Matrix<const float> taps, Matrix<const float> dy, Matrix<float> dx, Matrix<float> dtaps,
                       float* dbias, Matrix<float> dstate) {
    const simt::BatchOnDevice<B> rows(b, batch);
    const int K = taps.rows();
    for (int k = 0; dtaps && k < K; ++k)
      simt::column_sums(b, kernels::ConvTapTerm{rows.get(), K, k, x, entering, dy}, x.rows(), x.cols(),
                        dtaps.row(K - 1 - k));
    if (dbias) add<B>::column_sums(b, dy, dbias);
    simt::each_element(b, dx, kernels::ConvBackward{rows.get(), taps, dy, dstate, dx});
    if (dstate) simt::each_element(b, batch.sequences, x.cols(), kernels::ConvEntering{rows.get(), taps, dy, dstate});
  }
};

}  // namespace fauna::inline v0
