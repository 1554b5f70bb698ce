#pragma once
#include <cmath>

#include <fauna/backend/cpu.hpp>
#include <fauna/backend/simd.hpp>
#include <fauna/ops/fade/op.hpp>

namespace fauna::inline v0 {

/// Threads own heads: the gradients of their parameters are summed over ascending rows.
template <class P, isa T, unsigned Tag> struct fade_gate<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;

  static void forward(B const& b, FadeShape const& n, Matrix<const float> x, const float* A_log, const float* bias,
                      Matrix<float> y) {
    over_heads(b, n, x, [&](int h, int t) {
      const float rho = rate(n, A_log, h);
      lanes(n, h, [&](int c, int left) FAUNA_LANES {
        vec l, z;
        softplus_of(l, z, n, x.row(t), bias, c, left);
        simd::exp<W>(l, l * -rho);
        simd::put<W>(y.row(t) + c, l, left);
      });
    });
  }
  static void backward(B const& b, FadeShape const& n, Matrix<const float> x, const float* A_log, const float* bias,
                       Matrix<const float> dy, Matrix<float> dx, float* dA_log, float* dbias) {
    over_heads(b, n, x, [&](int h, int t) {
      const float rho = rate(n, A_log, h);
      vec of_rate = vec{};  // as `of_rate{}`, caught by the lambda, nvcc 13 cannot compile it
      lanes(n, h, [&](int c, int left) FAUNA_LANES {
        vec soft, z, e, d;
        softplus_of(soft, z, n, x.row(t), bias, c, left);
        simd::exp<W>(e, soft * -rho);
        simd::get<W>(d, dy.row(t) + c, left);
        d *= e;  // of the logarithm
        of_rate -= d * soft * rho;
        simd::exp<W>(e, -z);
        d = d * (-rho * n.sign) / (1.0F + e);
        simd::put<W>(dx.row(t) + c, d, left);
        if (dbias == nullptr) return;
        vec sum;
        simd::get<W>(sum, dbias + c, left);
        simd::put<W>(dbias + c, sum + d, left);
      });
      if (dA_log) dA_log[h] += simd::sum<W>(of_rate);
    });
  }

 private:
  template <class F> static void over_heads(B const& b, FadeShape const& n, Matrix<const float> x, F&& f) {
    parallel_for(b.threads, x.cols() / n.head, 1 + 4096 / (x.rows() * n.head + 1), [&](int from, int to) {
      for (int t = 0; t < x.rows(); ++t)
        for (int h = from; h < to; ++h) f(h, t);
    });
  }
  /// f(column, count) for a head's columns.
  template <class F> static void lanes(FadeShape const& n, int h, F&& f) {
    const int first = h * n.head;
    simd::for_lanes<W>(n.head, [&](int c, int left) FAUNA_LANES { f(first + c, left); });
  }
  static float rate(FadeShape const& n, const float* A_log, int h) { return A_log ? std::exp(A_log[h]) : n.rate; }

  /// z = ±(x + bias), y = softplus(z).
  FAUNA_INLINE static void softplus_of(vec& y, vec& z, FadeShape const& n, const float* x, const float* bias, int c,
                                       int left) {
    vec add{};
    simd::get<W>(z, x + c, left);
    if (bias) simd::get<W>(add, bias + c, left);
    z = (z + add) * n.sign;
    simd::softplus<W>(y, z);
  }
};

}  // namespace fauna::inline v0
