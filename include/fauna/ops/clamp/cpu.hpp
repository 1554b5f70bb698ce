#pragma once
#include <fauna/backend/cpu.hpp>
#include <fauna/backend/simd.hpp>
#include <fauna/ops/clamp/op.hpp>

namespace fauna::inline v0 {

template <class P, isa T, unsigned Tag> struct clamp<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;

  static void forward(B const& b, double limit, Matrix<const float> x, Matrix<float> y) {
    const auto most = static_cast<float>(limit);
    each_row(b, x, [=](int r) {
      simd::for_lanes<W>(x.cols(), [&x, &y, r, most](int c, int left) FAUNA_LANES {
        vec v;
        simd::get<W>(v, x.row(r) + c, left);
        v = v > most ? vec{} + most : v < -most ? vec{} - most : v;
        simd::put<W>(y.row(r) + c, v, left);
      });
    });
  }
  static void backward(B const& b, double limit, Matrix<const float> x, Matrix<const float> dy, Matrix<float> dx) {
    const auto most = static_cast<float>(limit);
    each_row(b, x, [=](int r) {
      simd::for_lanes<W>(x.cols(), [&x, &dy, &dx, r, most](int c, int left) FAUNA_LANES {
        vec v, d;
        simd::get<W>(v, x.row(r) + c, left);
        simd::get<W>(d, dy.row(r) + c, left);
        d = v > most ? vec{} : v < -most ? vec{} : d;
        simd::put<W>(dx.row(r) + c, d, left);
      });
    });
  }

 private:
  template <class F> static void each_row(B const& b, Matrix<const float> x, F&& f) {
    parallel_for(b.threads, x.rows(), 1 + 32768 / (x.cols() + 1), [&](int from, int to) {
      for (int r = from; r < to; ++r) f(r);
    });
  }
};

}  // namespace fauna::inline v0
