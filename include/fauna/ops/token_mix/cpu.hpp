#pragma once
#include <fauna/backend/cpu.hpp>
#include <fauna/backend/simd.hpp>
#include <fauna/ops/token_mix/op.hpp>

namespace fauna::inline v0 {

/// Threads own columns: the gradient of μ is summed over ascending rows.
template <class P, isa T, unsigned Tag> struct token_mix<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;

  static void forward(B const& b, Matrix<const float> x, Matrix<const float> before, Matrix<const float> mu,
                      Matrix<const float> m, Matrix<float> y) {
    over(b, x, mu.rows(), [&](int r, int i, int c, int lanes) {
      const int at = i * x.cols() + c;
      vec now, step, weight;
      load(now, step, weight, x, before, mu, m, r, i, c, lanes);
      simd::put<W>(y.row(r) + at, now + step * weight, lanes);
    });
  }
  static void backward(B const& b, Matrix<const float> x, Matrix<const float> before, Matrix<const float> mu,
                       Matrix<const float> m, Matrix<const float> dy, Matrix<float> dx, Matrix<float> dbefore,
                       Matrix<float> dmu, Matrix<float> dm) {
    over(b, x, mu.rows(), [&](int r, int i, int c, int lanes) {
      const int at = i * x.cols() + c;
      vec now, step, weight, d;
      load(now, step, weight, x, before, mu, m, r, i, c, lanes);
      simd::get<W>(d, dy.row(r) + at, lanes);
      const vec of_weight = d * step;
      add(dx.row(r) + c, d * (1.0F - weight), lanes);
      add(dbefore.row(r) + c, d * weight, lanes);
      if (dmu) add(dmu.row(i) + c, of_weight, lanes);
      if (dm) simd::put<W>(dm.row(r) + at, of_weight, lanes);
    });
  }

 private:
  /// f(row, mix, column, lanes) for all rows of each tile of columns, in order.
  template <class F> static void over(B const& b, Matrix<const float> x, int n, F&& f) {
    const int tiles = (x.cols() + W - 1) / W;
    parallel_for(b.threads, tiles, 1 + 256 / (x.rows() * n + 1), [&](int from, int to) {
      for (int r = 0; r < x.rows(); ++r)
        for (int i = 0; i < n; ++i)
          for (int c = from * W; c < x.cols() && c < to * W; c += W) f(r, i, c, x.cols() - c < W ? x.cols() - c : W);
    });
  }
  static void load(vec& now, vec& step, vec& weight, Matrix<const float> const& x, Matrix<const float> const& before,
                   Matrix<const float> const& mu, Matrix<const float> const& m, int r, int i, int c, int lanes) {
    simd::get<W>(now, x.row(r) + c, lanes);
    simd::get<W>(step, before.row(r) + c, lanes);
    step -= now;
    simd::get<W>(weight, mu.row(i) + c, lanes);
    if (!m) return;
    vec own;
    simd::get<W>(own, m.row(r) + i * x.cols() + c, lanes);
    weight += own;
  }
  static void add(float* to, vec const& v, int lanes) {
    vec sum;
    simd::get<W>(sum, to, lanes);
    simd::put<W>(to, sum + v, lanes);
  }
};

}  // namespace fauna::inline v0
