// Token shift as kernels: every element by itself. The maths is in op.hpp.
#pragma once
#include <fauna/backend/simt.cuh>
#include <fauna/ops/add/kernel.cuh>
#include <fauna/ops/token_shift/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

/// The rows of a shift, and what they are mixed by.
struct Shifted {
  Batch batch;
  Matrix<const float> x, state, mu;
  weighs what;

  FAUNA_KERNEL int mixes() const { return mu ? mu.rows() : 1; }
  /// Column c of what row r continues.
  FAUNA_KERNEL float before(int r, int c) const {
    const int q = simt::sequence_of(batch, r), p = batch.continues(q, r);
    if (p >= 0) return x(p, c);
    return p == Batch::the_state && state ? state(q, c) : 0;
  }
  /// Of the row before.
  FAUNA_KERNEL float weight(int i, int c) const {
    if (!mu) return 1;
    return what == weighs::row ? 1 - mu(i, c) : mu(i, c);
  }
  /// Σ_i dy_ri ∘ weight_i: what row r gives the one that it continues.
  FAUNA_KERNEL float back(Matrix<const float> dy, int r, int c) const {
    float sum = 0;
    for (int i = 0; i < mixes(); ++i) sum += dy(r, i * x.cols() + c) * weight(i, c);
    return sum;
  }
};

struct TokenShift {
  Shifted rows;
  Matrix<float> y;
  FAUNA_KERNEL void operator()(int r, int c) const {
    const int C = rows.x.cols();
    const float now = rows.x(r, c), before = rows.before(r, c);
    if (!rows.mu) y(r, c) = before;
    for (int i = 0; i < rows.mu.rows(); ++i) y(r, i * C + c) = now + (before - now) * rows.weight(i, c);
  }
};

/// The state of a sequence becomes its last row.
struct ShiftLeaves {
  Batch batch;
  Matrix<const float> x;
  Matrix<float> state;
  FAUNA_KERNEL void operator()(int q, int c) const {
    if (batch.last(q) > batch.first(q)) state(q, c) = x(batch.last(q) - 1, c);
  }
};

/// dx: from the row itself, from those that continue it, and from the leaving state.
struct TokenShiftBackward {
  Shifted rows;
  Matrix<const float> dy, dstate;
  Matrix<float> dx;
  FAUNA_KERNEL void operator()(int s, int c) const {
    Batch const& batch = rows.batch;
    const int q = simt::sequence_of(batch, s), end = simt::end_of_steps(batch, q, s, 1);
    float sum = dstate && s == batch.last(q) - 1 ? dstate(q, c) : 0;
    for (int i = 0; i < rows.mixes(); ++i) sum += dy(s, i * rows.x.cols() + c) * (1 - rows.weight(i, c));
    for (int r = s + 1; r < end; ++r)
      if (batch.continues(q, r) == s) sum += rows.back(dy, r, c);
    dx(s, c) = sum;
  }
};

/// The gradient of the entering state, in the place of the leaving one's.
struct ShiftEntering {
  Shifted rows;
  Matrix<const float> dy;
  Matrix<float> dstate;
  FAUNA_KERNEL void operator()(int q, int c) const {
    Batch const& batch = rows.batch;
    const int first = batch.first(q);
    if (first == batch.last(q)) return;
    const int end = simt::end_of_steps(batch, q, first, 0);
    float sum = 0;
    for (int r = first; r < end; ++r)
      if (batch.continues(q, r) == Batch::the_state) sum += rows.back(dy, r, c);
    dstate(q, c) = sum;
  }
};

/// What column_sums adds up for the i-th mix.
struct ShiftMixTerm {
  Shifted rows;
  Matrix<const float> dy;
  int i;
  FAUNA_KERNEL float operator()(int r, int c) const {
    const float d = dy(r, i * rows.x.cols() + c) * (rows.before(r, c) - rows.x(r, c));
    return rows.what == weighs::row ? -d : d;
  }
};

}  // namespace kernels

template <Device B> struct token_shift<B> {
  static void forward(B const& b, Batch const& batch, Matrix<const float> x, Matrix<const float> mu,
                      Matrix<float> state, Matrix<float> y, weighs what = weighs::before) {
    const simt::BatchOnDevice<B> rows(b, batch);
    simt::each_element(b, x, kernels::TokenShift{{rows.get(), x, state, mu, what}, y});
    if (state) simt::each_element(b, batch.sequences, x.cols(), kernels::ShiftLeaves{rows.get(), x, state});
  }
  static void backward(B const& b, Batch const& batch, Matrix<const float> x, Matrix<const float> entering,
                       Matrix<const float> mu, Matrix<const float> dy, Matrix<float> dx, Matrix<float> dmu,
                       Matrix<float> dstate, weighs what = weighs::before) {
    const simt::BatchOnDevice<B> batch_there(b, batch);
    const kernels::Shifted rows{batch_there.get(), x, entering, mu, what};
    for (int i = 0; dmu && i < mu.rows(); ++i)
      simt::column_sums(b, kernels::ShiftMixTerm{rows, dy, i}, x.rows(), x.cols(), dmu.row(i));
    simt::each_element(b, dx, kernels::TokenShiftBackward{rows, dy, dstate, dx});
    if (dstate) simt::each_element(b, batch.sequences, x.cols(), kernels::ShiftEntering{rows, dy, dstate});
  }
};

}  // namespace fauna::inline v0
