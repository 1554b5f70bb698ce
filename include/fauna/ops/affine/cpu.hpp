#pragma once
#include <fauna/backend/cpu.hpp>
#include <fauna/ops/affine/op.hpp>

namespace fauna::inline v0 {

/// Threads own rows of forward, and columns of backward. The loops are short beside the products that they stand
/// between, and a compiler makes vectors of them.
template <class P, isa T, unsigned Tag> struct affine<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;

  static void forward(B const& b, Matrix<const float> z, const float* factor, const float* shift, Matrix<float> y) {
    parallel_for(b.threads, y.rows(), 1 + 16384 / (y.cols() + 1), [&](int from, int to) {
      for (int r = from; r < to; ++r) {
        const float* in = z.row(r);
        float* out = y.row(r);
        for (int c = 0; c < y.cols(); ++c) out[c] = factor[c] * (in[c] + shift[c]);
      }
    });
  }
  static void backward(B const& b, Matrix<const float> z, const float* factor, const float* shift,
                       Matrix<const float> dy, Matrix<float> dz, float* dfactor, float* dshift) {
    constexpr int line = static_cast<int>(alignment / sizeof(float));
    const int cols = dy.cols(), lines = (cols + line - 1) / line;
    parallel_for(b.threads, lines, 1 + 1024 / (dy.rows() + 1), [&](int from, int to) {
      const int first = from * line, last = to * line < cols ? to * line : cols;
      for (int r = 0; r < dy.rows(); ++r) {
        const float *in = z.row(r), *up = dy.row(r);
        float* out = dz.row(r);
        for (int c = first; c < last; ++c) {
          const float d = factor[c] * up[c];
          if (dfactor != nullptr) dfactor[c] += up[c] * (in[c] + shift[c]);
          if (dshift != nullptr) dshift[c] += d;
          out[c] = d;
        }
      }
    });
  }
};

}  // namespace fauna::inline v0
