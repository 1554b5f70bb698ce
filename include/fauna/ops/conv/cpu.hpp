#pragma once
#include <fauna/backend/cpu.hpp>
#include <fauna/backend/simd.hpp>
#include <fauna/ops/conv/op.hpp>

namespace fauna::inline v0 {

/// Threads own columns: nothing is summed by two of them.
template <class P, isa T, unsigned Tag> struct causal_conv<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;
  static constexpr int most_taps = 8;

  static void forward(B const& b, Batch const& batch, Matrix<const float> x, Matrix<const float> taps,
                      const float* bias, Matrix<float> state, Matrix<float> y) {
    const int K = check(taps);
    over_columns(b, x, [&](int first, int cols) {
      for (int q = 0; q < batch.sequences; ++q) {
        for (int r = batch.first(q); r < batch.last(q); ++r) {
          const float* from[most_taps];
          rows(batch, q, r, K, x, state, from);
          float* out = y.row(r) + first;
          simd::for_lanes<W>(cols, [&](int c, int n) FAUNA_LANES {
            vec sum{}, v, w;
            if (bias) simd::get<W>(sum, bias + first + c, n);
            for (int k = 0; k < K; ++k) {
              if (from[k] == nullptr) continue;
              simd::get<W>(v, from[k] + first + c, n);
              simd::get<W>(w, taps.row(K - 1 - k) + first + c, n);
              sum += w * v;
            }
            simd::put<W>(out + c, sum, n);
          });
        }
        if (state && batch.last(q) > batch.first(q)) leave(batch, q, K, x, state, first, cols);
      }
    });
  }
  static void backward(B const& b, Batch const& batch, Matrix<const float> x, Matrix<const float> entering,
                       Matrix<const float> taps, Matrix<const float> dy, Matrix<float> dx, Matrix<float> dtaps,
                       float* dbias, Matrix<float> dstate) {
    const int K = check(taps);
    over_columns(b, x, [&](int first, int cols) {
      const auto add = [&](float* to, const float* d, const float* tap) {
        simd::for_lanes<W>(cols, [=](int c, int n) FAUNA_LANES {
          vec v, w, s;
          simd::get<W>(v, d + c, n);
          if (tap) {
            simd::get<W>(w, tap + c, n);
            v *= w;
          }
          simd::get<W>(s, to + c, n);
          simd::put<W>(to + c, s + v, n);
        });
      };
      for (int q = 0; q < batch.sequences; ++q) {
        const int from_row = batch.first(q), to_row = batch.last(q);
        if (from_row == to_row) continue;
        for (int r = from_row; r < to_row; ++r)
          for (int c = first; c < first + cols; ++c) dx(r, c) = 0;
        // The gradient of the leaving state goes to the rows that it was made of; that of the entering one gathers in
        // the same place, from its first row on, which the first steps of the walk below leave alone.
        float leaving[most_taps][column_block];
        for (int i = 0; i < K - 1; ++i)
          for (int c = 0; c < cols; ++c) {
            leaving[i][c] = dstate ? dstate(q * (K - 1) + i, first + c) : 0;
            if (dstate) dstate(q * (K - 1) + i, first + c) = 0;
          }
        const auto place = [&](int ancestor) -> float* {
          if (ancestor >= 0) return dx.row(ancestor) + first;
          const int i = conv_state_row(K, ancestor);
          if (ancestor == Batch::nothing || !dstate || i < 0) return nullptr;
          return dstate.row(q * (K - 1) + i) + first;
        };
        for (int k = 0; dstate && k < K - 1; ++k)
          if (float* to = place(batch.ancestor(q, to_row - 1, k))) add(to, leaving[K - 2 - k], nullptr);
        for (int r = from_row; r < to_row; ++r) {
          const float* d = dy.row(r) + first;
          if (dbias) add(dbias + first, d, nullptr);
          for (int k = 0; k < K; ++k) {
            const int a = batch.ancestor(q, r, k);
            if (float* to = place(a)) add(to, d, taps.row(K - 1 - k) + first);
            if (const float* v = row(a, K, q, x, entering); dtaps && v) add(dtaps.row(K - 1 - k) + first, d, v + first);
          }
        }
      }
    });
  }

 private:
  static constexpr int column_block = 64;

  static int check(Matrix<const float> taps) {
    if (taps.rows() < 1 || taps.rows() > most_taps)
      fail("causal_conv", std::to_string(taps.rows()) + " taps", "1 to " + std::to_string(most_taps));
    return taps.rows();
  }
  template <class F> static void over_columns(B const& b, Matrix<const float> x, F&& f) {
    const int blocks = (x.cols() + column_block - 1) / column_block;
    parallel_for(b.threads, blocks, 1 + 256 / (x.rows() + 1), [&](int from, int to) {
      for (int i = from; i < to; ++i) {
        const int first = i * column_block, left = x.cols() - first;
        f(first, left < column_block ? left : column_block);
      }
    });
  }
  static const float* row(int ancestor, int taps, int sequence, Matrix<const float> x, Matrix<const float> state) {
    if (ancestor >= 0) return x.row(ancestor);
    const int i = conv_state_row(taps, ancestor);
    if (ancestor == Batch::nothing || !state || i < 0) return nullptr;
    return state.row(sequence * (taps - 1) + i);
  }
  /// from[k]: the row k steps before, or null for zeros.
  static void rows(Batch const& batch, int q, int r, int K, Matrix<const float> x, Matrix<const float> state,
                   const float** from) {
    for (int k = 0; k < K; ++k) from[k] = row(batch.ancestor(q, r, k), K, q, x, state);
  }
  /// The state's rows become the last ones of the sequence. Row i gets one that stood behind it, so ascending i is
  /// safe.
  static void leave(Batch const& batch, int q, int K, Matrix<const float> x, Matrix<float> state, int first, int cols) {
    for (int i = 0; i < K - 1; ++i) {
      const float* from = row(batch.ancestor(q, batch.last(q) - 1, K - 2 - i), K, q, x, state);
      float* to = state.row(q * (K - 1) + i);
      for (int c = first; c < first + cols; ++c) to[c] = from ? from[c] : 0;
    }
  }
};

}  // namespace fauna::inline v0
