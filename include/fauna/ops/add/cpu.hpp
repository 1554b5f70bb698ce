#pragma once
#include <fauna/backend/cpu.hpp>
#include <fauna/ops/add/op.hpp>

namespace fauna::inline v0 {

template <class P, isa T, unsigned Tag> struct add<Cpu<P, T, Tag>> {
  static void run(Cpu<P, T, Tag> const& cpu, Matrix<const float> a, Matrix<const float> b, Matrix<float> y) {
    const int grain = 1 + 32768 / (y.cols() + 1);
    parallel_for(cpu.threads, y.rows(), grain, [&](int from, int to) {
      for (int r = from; r < to; ++r) {
        const float* p = a.row(r);
        const float* q = b ? b.row(r) : nullptr;
        float* out = y.row(r);
        if (q == nullptr)
          for (int c = 0; c < y.cols(); ++c) out[c] = p[c];
        else
          for (int c = 0; c < y.cols(); ++c) out[c] = p[c] + q[c];
      }
    });
  }
  static void clear(Cpu<P, T, Tag> const& cpu, Matrix<float> y) {
    const int grain = 1 + 32768 / (y.cols() + 1);
    parallel_for(cpu.threads, y.rows(), grain, [&](int from, int to) {
      for (int r = from; r < to; ++r)
        for (int c = 0; c < y.cols(); ++c) y(r, c) = 0;
    });
  }
  /// Threads own columns, so each sum runs over ascending rows whatever their number.
  static void column_sums(Cpu<P, T, Tag> const& cpu, Matrix<const float> x, float* sums) {
    const int pieces = (x.cols() + 63) / 64;
    parallel_for(cpu.threads, pieces, 1 + 512 / (x.rows() + 1), [&](int from, int to) {
      const int last = to * 64 < x.cols() ? to * 64 : x.cols();
      for (int r = 0; r < x.rows(); ++r) {
        const float* row = x.row(r);
        for (int c = from * 64; c < last; ++c) sums[c] += row[c];
      }
    });
  }
  static double total(Cpu<P, T, Tag> const&, const float* x, int n) {
    double sum = 0;
    for (int i = 0; i < n; ++i) sum += static_cast<double>(x[i]);
    return sum;
  }
};

}  // namespace fauna::inline v0
