#pragma once
#include <fauna/backend/cpu.hpp>
#include <fauna/backend/simd.hpp>
#include <fauna/ops/softmax_heads/op.hpp>

namespace fauna::inline v0 {

/// Threads own rows.
template <class P, isa T, unsigned Tag> struct softmax_heads<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;

  static void forward(B const& b, int N, Matrix<const float> x, Matrix<float> y) {
    over_heads(b, N, x, [&](int t, int h) {
      const float* in = x.row(t) + h;
      float *out = y.row(t) + h, most = in[0];
      for (int i = 1; i < N; ++i) most = in[i] > most ? in[i] : most;
      vec sums{};
      simd::for_lanes<W>(N, [&, in, out, most](int c, int n) FAUNA_LANES {
        vec v;
        simd::get<W>(v, in + c, n);
        simd::exp<W>(v, v - most);
        simd::put<W>(out + c, v, n);
        simd::get<W>(v, out + c, n);  // zeros past the end
        sums += v;
      });
      const float share = 1.0F / simd::sum<W>(sums);
      simd::for_lanes<W>(N, [&, out, share](int c, int n) FAUNA_LANES {
        vec v;
        simd::get<W>(v, out + c, n);
        simd::put<W>(out + c, v * share, n);
      });
    });
  }
  static void backward(B const& b, int N, Matrix<const float> y, Matrix<const float> dy, Matrix<float> dx) {
    over_heads(b, N, y, [&](int t, int h) {
      const float *p = y.row(t) + h, *d = dy.row(t) + h;
      float* out = dx.row(t) + h;
      vec sums{};
      simd::for_lanes<W>(N, [&, p, d](int c, int n) FAUNA_LANES {
        vec v, g;
        simd::get<W>(v, p + c, n);
        simd::get<W>(g, d + c, n);
        sums += v * g;
      });
      const float along = simd::sum<W>(sums);
      simd::for_lanes<W>(N, [&, p, d, out, along](int c, int n) FAUNA_LANES {
        vec v, g;
        simd::get<W>(v, p + c, n);
        simd::get<W>(g, d + c, n);
        simd::put<W>(out + c, v * (g - along), n);
      });
    });
  }

 private:
  template <class F> static void over_heads(B const& b, int N, Matrix<const float> x, F&& f) {
    parallel_for(b.threads, x.rows(), 1 + 4096 / (x.cols() + 1), [&](int from, int to) {
      for (int t = from; t < to; ++t)
        for (int h = 0; h < x.cols(); h += N) f(t, h);
    });
  }
};

}  // namespace fauna::inline v0
