#pragma once
#include <fauna/backend/cpu.hpp>
#include <fauna/ops/activation/lanes.hpp>
#include <fauna/ops/clamped_swiglu/op.hpp>

namespace fauna::inline v0 {

template <class P, isa T, unsigned Tag> struct clamped_swiglu<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;

  static void forward(B const& b, ClampedGate const& how, Matrix<const float> x, Matrix<float> y) {
    const float limit = how.limit, slope = how.slope;
    each_row(b, y, [=](int r, int cols) {
      const float *gate = x.row(r), *up = gate + cols;
      float* out = y.row(r);
      simd::for_lanes<W>(cols, [=](int c, int n) FAUNA_LANES {
        vec g, u, s;
        simd::get<W>(g, gate + c, n);
        simd::get<W>(u, up + c, n);
        g = g > limit ? vec{} + limit : g;
        simd::clamp<W>(u, u, limit);
        simd::activate_lanes<activation::sigmoid, W>(s, slope * g);
        simd::put<W>(out + c, g * s * (u + 1.0F), n);
      });
    });
  }
  static void backward(B const& b, ClampedGate const& how, Matrix<const float> x, Matrix<const float> dy,
                       Matrix<float> dx) {
    const float limit = how.limit, slope = how.slope;
    each_row(b, dy, [=](int r, int cols) {
      const float *gate = x.row(r), *up = gate + cols, *d_out = dy.row(r);
      float *d_gate = dx.row(r), *d_up = d_gate + cols;
      simd::for_lanes<W>(cols, [=](int c, int n) FAUNA_LANES {
        vec g, u, d, within, opened, s, steep;
        simd::get<W>(g, gate + c, n);
        simd::get<W>(u, up + c, n);
        simd::get<W>(d, d_out + c, n);
        within = g > limit ? vec{} + limit : g;
        simd::clamp<W>(opened, u, limit);
        simd::activate_lanes<activation::sigmoid, W>(s, slope * within);
        simd::activate_gradient_lanes<activation::silu, W>(steep, slope * within);
        simd::put<W>(d_gate + c, g > limit ? vec{} : d * (opened + 1.0F) * steep, n);
        simd::put<W>(d_up + c, u > limit ? vec{} : u < -limit ? vec{} : d * within * s, n);
      });
    });
  }

 private:
  template <class E, class F> static void each_row(B const& b, Matrix<E> rows, F&& f) {
    parallel_for(b.threads, rows.rows(), 1 + 4096 / (rows.cols() + 1), [&](int from, int to) {
      for (int r = from; r < to; ++r) f(r, rows.cols());
    });
  }
};

}  // namespace fauna::inline v0
