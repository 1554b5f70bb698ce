#pragma once
#include <fauna/backend/cpu.hpp>
#include <fauna/backend/simd.hpp>
#include <fauna/ops/product/op.hpp>

namespace fauna::inline v0 {

template <class P, isa T, unsigned Tag> struct product<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;

  static void run(B const& b, Matrix<const float> x, Matrix<const float> z, Matrix<float> y) {
    parallel_for(b.threads, y.rows(), 1 + 16384 / (y.cols() + 1), [&](int from, int to) {
      for (int r = from; r < to; ++r) {
        const float *p = x.row(r), *q = z.row(r);
        float* out = y.row(r);
        simd::for_lanes<W>(y.cols(), [=](int c, int n) FAUNA_LANES {
          simd::vfloat<W> v, w;
          simd::get<W>(v, p + c, n);
          simd::get<W>(w, q + c, n);
          simd::put<W>(out + c, v * w, n);
        });
      }
    });
  }
};

}  // namespace fauna::inline v0
