#pragma once
#include <fauna/backend/cpu.hpp>
#include <fauna/ops/gelu/lanes.hpp>
#include <fauna/ops/gelu/op.hpp>

namespace fauna::inline v0 {

template <class P, isa T, unsigned Tag> struct gelu<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;

  static void forward(B const& b, activation a, Matrix<const float> x, Matrix<float> y) {
    const int cols = x.cols();
    parallel_for(b.threads, x.rows(), grain(cols), [&](int from, int to) {
      for (int r = from; r < to; ++r) {
        const float* in = x.row(r);
        float* out = y.row(r);
        simd::for_lanes<W>(cols, [=](int c, int n) FAUNA_LANES {
          vec v, f;
          simd::get<W>(v, in + c, n);
          simd::gelu_lanes<W>(a, f, v);
          simd::put<W>(out + c, f, n);
        });
      }
    });
  }

  static void backward(B const& b, activation a, Matrix<const float> x, Matrix<const float> dy, Matrix<float> dx) {
    const int cols = x.cols();
    parallel_for(b.threads, x.rows(), grain(cols), [&](int from, int to) {
      for (int r = from; r < to; ++r) {
        const float *in = x.row(r), *d_out = dy.row(r);
        float* d_in = dx.row(r);
        simd::for_lanes<W>(cols, [=](int c, int n) FAUNA_LANES {
          vec v, d, g;
          simd::get<W>(v, in + c, n);
          simd::get<W>(d, d_out + c, n);
          simd::gelu_gradient_lanes<W>(a, g, v);
          simd::put<W>(d_in + c, d * g, n);
        });
      }
    });
  }

 private:
  static constexpr int grain(int cols) { return 1 + 4096 / (cols + 1); }
};

}  // namespace fauna::inline v0
