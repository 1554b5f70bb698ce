#pragma once
#include <fauna/backend/cpu.hpp>
#include <fauna/backend/simd.hpp>
#include <fauna/ops/token_shift/op.hpp>

namespace fauna::inline v0 {

/// Threads own columns: nothing is summed by two of them.
template <class P, isa T, unsigned Tag> struct token_shift<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;

  static void forward(B const& b, Batch const& batch, Matrix<const float> x, Matrix<const float> mu,
                      Matrix<float> state, Matrix<float> y, weighs what = weighs::before) {
    const int C = x.cols(), n = mu.rows();
    over_columns(b, x, [&](int c, int lanes) {
      for (int q = 0; q < batch.sequences; ++q) {
        for (int r = batch.first(q); r < batch.last(q); ++r) {
          vec now, step, m;
          simd::get<W>(now, x.row(r) + c, lanes);
          before(step, batch.continues(q, r), q, x, state, c, lanes);
          if (!mu) simd::put<W>(y.row(r) + c, step, lanes);
          step -= now;
          for (int i = 0; i < n; ++i) {
            weight(m, mu.row(i) + c, lanes, what);
            simd::put<W>(y.row(r) + i * C + c, now + step * m, lanes);
          }
        }
        if (state && batch.last(q) > batch.first(q))
          for (int k = c; k < c + lanes; ++k) state(q, k) = x(batch.last(q) - 1, k);
      }
    });
  }

  static void backward(B const& b, Batch const& batch, Matrix<const float> x, Matrix<const float> entering,
                       Matrix<const float> mu, Matrix<const float> dy, Matrix<float> dx, Matrix<float> dmu,
                       Matrix<float> dstate, weighs what = weighs::before) {
    const int C = x.cols(), n = mu.rows();
    const float sign = what == weighs::row ? -1.0F : 1.0F;
    over_columns(b, x, [&](int c, int lanes) {
      const auto add = [&](float* to, vec const& v) {
        vec s;
        simd::get<W>(s, to + c, lanes);
        simd::put<W>(to + c, s + v, lanes);
      };
      for (int q = 0; q < batch.sequences; ++q) {
        const int first = batch.first(q), last = batch.last(q);
        if (first == last) continue;
        vec into{};
        for (int r = first; r < last; ++r) simd::put<W>(dx.row(r) + c, into, lanes);
        if (dstate)
          for (int k = c; k < c + lanes; ++k) dx(last - 1, k) = dstate(q, k);
        for (int r = first; r < last; ++r) {
          const int p = batch.continues(q, r);
          vec now, step, of_row{}, of_before{};
          simd::get<W>(now, x.row(r) + c, lanes);
          before(step, p, q, x, entering, c, lanes);
          step -= now;
          if (!mu) simd::get<W>(of_before, dy.row(r) + c, lanes);
          for (int i = 0; i < n; ++i) {
            vec d, m;
            simd::get<W>(d, dy.row(r) + i * C + c, lanes);
            weight(m, mu.row(i) + c, lanes, what);
            of_row += d * (1.0F - m);
            of_before += d * m;
            if (dmu) add(dmu.row(i), d * step * sign);
          }
          add(dx.row(r), of_row);
          if (p >= 0) add(dx.row(p), of_before);
          else if (p == Batch::the_state) into += of_before;
        }
        if (dstate) simd::put<W>(dstate.row(q) + c, into, lanes);
      }
    });
  }

 private:
  /// Of the row before.
  static void weight(vec& m, const float* mu, int lanes, weighs what) {
    simd::get<W>(m, mu, lanes);
    if (what == weighs::row) m = 1.0F - m;
  }
  template <class F> static void over_columns(B const& b, Matrix<const float> x, F&& f) {
    const int tiles = (x.cols() + W - 1) / W;
    parallel_for(b.threads, tiles, 1 + 256 / (x.rows() + 1), [&](int from, int to) {
      for (int c = from * W; c < x.cols() && c < to * W; c += W) f(c, x.cols() - c < W ? x.cols() - c : W);
    });
  }
  static void before(vec& v, int p, int q, Matrix<const float> x, Matrix<const float> state, int c, int lanes) {
    v = vec{};
    if (p >= 0) simd::get<W>(v, x.row(p) + c, lanes);
    else if (p == Batch::the_state && state) simd::get<W>(v, state.row(q) + c, lanes);
  }
};

}  // namespace fauna::inline v0
