// What follows the sum: bias, activation, the gate of the backward pass. Applied to each tile of C while it is still in
// the first-level cache.
#pragma once
#include <fauna/backend/simd.hpp>
#include <fauna/ops/gemm/op.hpp>

namespace fauna::inline v0::gemm_detail {

/// gelu x = x Phi(x), with Phi by erf or by its tanh approximation (Hendrycks & Gimpel 2016).
template <int W> FAUNA_INLINE void activate(activation act, simd::vfloat<W>& v) {
  simd::vfloat<W> t;
  if (act == activation::gelu) simd::erf<W>(t, v * 0.70710678118654752F);
  else simd::tanh<W>(t, 0.79788456080286536F * (v + 0.044715F * v * v * v));
  v = 0.5F * v * (1.0F + t);
}
/// d gelu / dx = Phi(x) + x Phi'(x).
template <int W> FAUNA_INLINE void slope(activation act, simd::vfloat<W>& y, simd::vfloat<W> const& x) {
  simd::vfloat<W> t;
  if (act == activation::gelu) {
    simd::erf<W>(t, x * 0.70710678118654752F);
    simd::exp<W>(y, -0.5F * x * x);
    y = 0.5F * (1.0F + t) + 0.39894228040143268F * x * y;
  } else {
    simd::tanh<W>(t, 0.79788456080286536F * (x + 0.044715F * x * x * x));
    y = 0.5F * (1.0F + t) + 0.5F * x * (1.0F - t * t) * (0.79788456080286536F * (1.0F + 3.0F * 0.044715F * x * x));
  }
}

/// Finishes C[row, row + m) x [col, col + n), which starts at c.
template <class B>
void finish(Epilogue<float> const& e, int row, int col, int m, int n, float* c, std::ptrdiff_t stride) {
  constexpr int W = B::lanes;
  for (int i = 0; i < m; ++i) {
    float* out = c + i * stride;
    const float* gate = e.gate ? e.gate + static_cast<std::ptrdiff_t>(row + i) * e.gate_stride + col : nullptr;
    float* pre = e.pre ? e.pre + static_cast<std::ptrdiff_t>(row + i) * e.pre_stride + col : nullptr;
    for (int j = 0; j < n; j += W) {
      const int left = n - j < W ? n - j : W;
      const auto get = [&](simd::vfloat<W>& v, const float* p) {
        if (left == W) simd::load<W>(v, p);
        else simd::load_first<W>(v, p, left);
      };
      const auto put = [&](float* p, simd::vfloat<W> const& v) {
        if (left == W) simd::store<W>(p, v);
        else simd::store_first<W>(p, v, left);
      };
      simd::vfloat<W> v, t;
      get(v, out + j);
      if (e.bias) {
        get(t, e.bias + col + j);
        v += t;
      }
      if (pre) put(pre + j, v);
      if (gate) {
        simd::vfloat<W> s;
        get(t, gate + j);
        slope<W>(e.act, s, t);
        v *= s;
      } else if (e.act != activation::none) {
        activate<W>(e.act, v);
      }
      put(out + j, v);
    }
  }
}

}  // namespace fauna::inline v0::gemm_detail
