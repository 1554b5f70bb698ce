#pragma once
#include <cmath>

#include <fauna/backend/cpu.hpp>
#include <fauna/backend/simd.hpp>
#include <fauna/ops/row_gate/op.hpp>

namespace fauna::inline v0 {

/// Threads own rows.
template <class P, isa T, unsigned Tag> struct row_gate<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;

  static void forward(B const& b, Matrix<const float> xg, Matrix<float> y) {
    const int C = y.cols();
    parallel_for(b.threads, y.rows(), 1 + 16384 / (C + 1), [&](int from, int to) {
      for (int r = from; r < to; ++r) {
        const float *in = xg.row(r), open = opened(in[C]);
        float* out = y.row(r);
        simd::for_lanes<W>(C, [=](int c, int n) FAUNA_LANES {
          vec v;
          simd::get<W>(v, in + c, n);
          simd::put<W>(out + c, v * open, n);
        });
      }
    });
  }
  static void backward(B const& b, Matrix<const float> xg, Matrix<const float> dy, Matrix<float> dxg) {
    const int C = dy.cols();
    parallel_for(b.threads, dy.rows(), 1 + 8192 / (C + 1), [&](int from, int to) {
      for (int r = from; r < to; ++r) {
        const float *in = xg.row(r), *d = dy.row(r), open = opened(in[C]);
        float* out = dxg.row(r);
        vec along{};
        simd::for_lanes<W>(C, [&along, in, d, out, open](int c, int n) FAUNA_LANES {
          vec v, g;
          simd::get<W>(v, in + c, n);
          simd::get<W>(g, d + c, n);
          along += v * g;
          simd::put<W>(out + c, g * open, n);
        });
        out[C] = open * (1 - open) * simd::sum<W>(along);
      }
    });
  }

 private:
  static float opened(float g) { return 1 / (1 + std::exp(-g)); }
};

}  // namespace fauna::inline v0
