#pragma once
#include <cmath>

#include <fauna/backend/cpu.hpp>
#include <fauna/ops/magnitude/op.hpp>

namespace fauna::inline v0 {

/// Threads own rows of lengths and forward, and columns of backward. The loops are short beside the products that they
/// stand between, and a compiler makes vectors of them.
template <class P, isa T, unsigned Tag> struct magnitude<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;

  static void lengths(B const& b, Matrix<const float> v, float* n) {
    parallel_for(b.threads, v.rows(), 1 + 16384 / (v.cols() + 1), [&](int from, int to) {
      for (int r = from; r < to; ++r) {
        const float* row = v.row(r);
        double sum = 0;
        for (int c = 0; c < v.cols(); ++c) sum += static_cast<double>(row[c]) * static_cast<double>(row[c]);
        const auto length = static_cast<float>(std::sqrt(sum));
        n[r] = length > 0 ? length : 1;
      }
    });
  }
  static void forward(B const& b, Matrix<const float> z, const float* m, const float* n, const float* bias,
                      Matrix<float> y) {
    parallel_for(b.threads, y.rows(), 1 + 16384 / (y.cols() + 1), [&](int from, int to) {
      for (int r = from; r < to; ++r) {
        const float* in = z.row(r);
        float* out = y.row(r);
        for (int c = 0; c < y.cols(); ++c) out[c] = m[c] / n[c] * in[c] + (bias != nullptr ? bias[c] : 0);
      }
    });
  }
  static void backward(B const& b, Matrix<const float> z, const float* m, const float* n, Matrix<const float> dy,
                       Matrix<float> dz, float* dm) {
    constexpr int line = static_cast<int>(alignment / sizeof(float));
    const int cols = dy.cols(), lines = (cols + line - 1) / line;
    parallel_for(b.threads, lines, 1 + 1024 / (dy.rows() + 1), [&](int from, int to) {
      const int first = from * line, last = to * line < cols ? to * line : cols;
      for (int r = 0; r < dy.rows(); ++r) {
        const float *in = z.row(r), *d = dy.row(r);
        float* out = dz.row(r);
        for (int c = first; c < last; ++c) {
          if (dm != nullptr) dm[c] += d[c] * in[c] / n[c];
          out[c] = m[c] / n[c] * d[c];
        }
      }
    });
  }
};

}  // namespace fauna::inline v0
