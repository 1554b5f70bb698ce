#pragma once
#include <fauna/backend/cpu.hpp>
#include <fauna/ops/activation/lanes.hpp>
#include <fauna/ops/activation/op.hpp>

namespace fauna::inline v0 {

template <class P, isa T, unsigned Tag> struct activate<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;

  static void forward(B const& b, activation a, Matrix<const float> x, Matrix<float> y) {
    parallel_for(b.threads, x.rows(), grain(x.cols()), [&](int from, int to) {
      simd::with_form(a, [&](auto form) {
        for (int r = from; r < to; ++r) {
          const float* in = x.row(r);
          float* out = y.row(r);
          simd::for_lanes<W>(x.cols(), [=](int c, int n) FAUNA_LANES {
            vec v, f;
            simd::get<W>(v, in + c, n);
            simd::activate_lanes<form.value, W>(f, v);
            simd::put<W>(out + c, f, n);
          });
        }
      });
    });
  }

  static void backward(B const& b, activation a, Matrix<const float> x, Matrix<const float> dy, Matrix<float> dx) {
    parallel_for(b.threads, x.rows(), grain(x.cols()), [&](int from, int to) {
      simd::with_form(a, [&](auto form) {
        for (int r = from; r < to; ++r) {
          const float *in = x.row(r), *d_out = dy.row(r);
          float* d_in = dx.row(r);
          simd::for_lanes<W>(x.cols(), [=](int c, int n) FAUNA_LANES {
            vec v, d, g;
            simd::get<W>(v, in + c, n);
            simd::get<W>(d, d_out + c, n);
            simd::activate_gradient_lanes<form.value, W>(g, v);
            simd::put<W>(d_in + c, d * g, n);
          });
        }
      });
    });
  }

 private:
  static constexpr int grain(int cols) { return 1 + 4096 / (cols + 1); }
};

}  // namespace fauna::inline v0
