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
    parallel_for(b.threads, x.rows(), 1 + 4096 / (x.cols() + 1), [&](int from, int to) {
      for (int r = from; r < to; ++r) {
        for (int c = 0; c < x.cols(); c += W) {
          const int left = x.cols() - c;
          vec v, f;
          simd::get<W>(v, x.row(r) + c, left);
          simd::gelu_lanes<W>(a, f, v);
          simd::put<W>(y.row(r) + c, f, left);
        }
      }
    });
  }

  static void backward(B const& b, activation a, Matrix<const float> x, Matrix<const float> dy, Matrix<float> dx) {
    parallel_for(b.threads, x.rows(), 1 + 4096 / (x.cols() + 1), [&](int from, int to) {
      for (int r = from; r < to; ++r) {
        for (int c = 0; c < x.cols(); c += W) {
          const int left = x.cols() - c;
          vec v, d, g;
          simd::get<W>(v, x.row(r) + c, left);
          simd::get<W>(d, dy.row(r) + c, left);
          simd::gelu_gradient_lanes<W>(a, g, v);
          simd::put<W>(dx.row(r) + c, d * g, left);
        }
      }
    });
  }
};

}  // namespace fauna::inline v0
