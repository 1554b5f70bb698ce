// What follows the sum: bias, activation, the gate of the backward pass. Applied to each tile of C while it is still in
// the first-level cache.
#pragma once
#include <fauna/backend/simd.hpp>
#include <fauna/ops/activation/lanes.hpp>
#include <fauna/ops/gemm/op.hpp>

namespace fauna::inline v0::gemm_detail {

inline bool finishes(Epilogue<float> const& e) { return e.bias || e.pre || e.gate || e.act != activation::none; }

/// Finishes C[row, row + m) x [col, col + n), which starts at c.
template <class B>
void finish(Epilogue<float> const& e, int row, int col, int m, int n, float* c, std::ptrdiff_t stride) {
  constexpr int W = B::lanes;
  const auto at = [=](auto* p, int p_stride, int i) {
    return p ? p + static_cast<std::ptrdiff_t>(row + i) * p_stride + col : p;
  };
  const float* bias = e.bias ? e.bias + col : nullptr;
  simd::with_form(e.act, [&](auto form) {
    for (int i = 0; i < m; ++i, c += stride) {
      float* const pre = at(e.pre, e.pre_stride, i);
      const float* const gate = at(e.gate, e.gate_stride, i);
      const auto sum = [=](simd::vfloat<W>& v, int j, int count) FAUNA_LANES {
        simd::get<W>(v, c + j, count);
        simd::vfloat<W> t;
        if (bias) {
          simd::get<W>(t, bias + j, count);
          v += t;
        }
        if (pre) simd::put<W>(pre + j, v, count);
      };
      if (gate)
        simd::for_lanes<W>(n, [=](int j, int count) FAUNA_LANES {
          simd::vfloat<W> v, t, slope;
          sum(v, j, count);
          simd::get<W>(t, gate + j, count);
          simd::activate_gradient_lanes<form.value, W>(slope, t);
          simd::put<W>(c + j, v * slope, count);
        });
      else
        simd::for_lanes<W>(n, [=](int j, int count) FAUNA_LANES {
          simd::vfloat<W> v, y;
          sum(v, j, count);
          simd::activate_lanes<form.value, W>(y, v);
          simd::put<W>(c + j, y, count);
        });
    }
  });
}

}  // namespace fauna::inline v0::gemm_detail
