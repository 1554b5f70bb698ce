#pragma once
#include <cmath>

#include <fauna/backend/cpu.hpp>
#include <fauna/backend/simd.hpp>
#include <fauna/ops/unit_heads/op.hpp>

namespace fauna::inline v0 {

/// Threads own rows.
template <class P, isa T, unsigned Tag> struct unit_heads<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;

  static void forward(B const& b, int N, double eps, Matrix<const float> x, Matrix<float> y) {
    over_heads(b, N, x, [&](int t, int h) {
      const float *in = x.row(t) + h, r = shrink(in, N, eps);
      float* out = y.row(t) + h;
      simd::for_lanes<W>(N, [=](int c, int n) FAUNA_LANES {
        vec v;
        simd::get<W>(v, in + c, n);
        simd::put<W>(out + c, v * r, n);
      });
    });
  }
  static void backward(B const& b, int N, double eps, Matrix<const float> x, Matrix<const float> dy, Matrix<float> dx) {
    over_heads(b, N, x, [&](int t, int h) {
      const float *in = x.row(t) + h, *d = dy.row(t) + h, r = shrink(in, N, eps), along = dot(in, d, N) * r * r;
      float* out = dx.row(t) + h;
      simd::for_lanes<W>(N, [=](int c, int n) FAUNA_LANES {
        vec v, g;
        simd::get<W>(v, in + c, n);
        simd::get<W>(g, d + c, n);
        simd::put<W>(out + c, r * (g - v * along), n);
      });
    });
  }

 private:
  template <class F> static void over_heads(B const& b, int N, Matrix<const float> x, F&& f) {
    parallel_for(b.threads, x.rows(), 1 + 8192 / (x.cols() + 1), [&](int from, int to) {
      for (int t = from; t < to; ++t)
        for (int h = 0; h < x.cols(); h += N) f(t, h);
    });
  }
  static float dot(const float* a, const float* b, int N) {
    vec sums{};
    simd::for_lanes<W>(N, [&sums, a, b](int c, int n) FAUNA_LANES {
      vec v, w;
      simd::get<W>(v, a + c, n);
      simd::get<W>(w, b + c, n);
      sums += v * w;
    });
    return simd::sum<W>(sums);
  }
  static float shrink(const float* x, int N, double eps) {
    return 1.0F / std::sqrt(dot(x, x, N) + static_cast<float>(eps));
  }
};

}  // namespace fauna::inline v0
