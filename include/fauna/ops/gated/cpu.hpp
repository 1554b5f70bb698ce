#pragma once
#include <fauna/backend/cpu.hpp>
#include <fauna/ops/activation/lanes.hpp>
#include <fauna/ops/gated/op.hpp>

namespace fauna::inline v0 {

template <class P, isa T, unsigned Tag> struct gated<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;

  static void forward(B const& b, activation a, Matrix<const float> x, Matrix<float> y) {
    const int cols = y.cols();
    parallel_for(b.threads, y.rows(), grain(cols), [&](int from, int to) {
      simd::with_form(a, [&](auto form) {
        for (int r = from; r < to; ++r) {
          const float *gate = x.row(r), *up = gate + cols;
          float* out = y.row(r);
          simd::for_lanes<W>(cols, [=](int c, int n) FAUNA_LANES {
            vec g, u, v;
            simd::get<W>(g, gate + c, n);
            simd::get<W>(u, up + c, n);
            simd::activate_lanes<form.value, W>(v, g);
            simd::put<W>(out + c, v * u, n);
          });
        }
      });
    });
  }

  static void backward(B const& b, activation a, Matrix<const float> x, Matrix<const float> dy, Matrix<float> dx) {
    const int cols = dy.cols();
    parallel_for(b.threads, dy.rows(), grain(cols), [&](int from, int to) {
      simd::with_form(a, [&](auto form) {
        for (int r = from; r < to; ++r) {
          const float *gate = x.row(r), *up = gate + cols, *d_out = dy.row(r);
          float *d_gate = dx.row(r), *d_up = d_gate + cols;
          simd::for_lanes<W>(cols, [=](int c, int n) FAUNA_LANES {
            vec g, u, d, value, slope;
            simd::get<W>(g, gate + c, n);
            simd::get<W>(u, up + c, n);
            simd::get<W>(d, d_out + c, n);
            simd::activate_lanes<form.value, W>(value, g);
            simd::activate_gradient_lanes<form.value, W>(slope, g);
            simd::put<W>(d_gate + c, d * u * slope, n);
            simd::put<W>(d_up + c, d * value, n);
          });
        }
      });
    });
  }

 private:
  static constexpr int grain(int cols) { return 1 + 4096 / (cols + 1); }
};

}  // namespace fauna::inline v0
