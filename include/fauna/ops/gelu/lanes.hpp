// The activations and their derivatives on vectors, for the loops of ops/gelu and for the epilogues of ops/gemm: one
// source, so that fused and unfused give the same bits. The formulas are those of op.hpp.
#pragma once
#include <fauna/backend/simd.hpp>
#include <fauna/core/activation.hpp>

namespace fauna::inline v0::simd {

/// y = activation(x), to 5e-7 |x|.
template <int W> FAUNA_INLINE void gelu_lanes(activation a, vfloat<W>& y, vfloat<W> const& x) {
  vfloat<W> t;
  if (a == activation::gelu) {
    erf<W>(t, x * 0.70710678F);
  } else if (a == activation::gelu_tanh) {
    tanh<W>(t, x * (0.79788456F + 0.035677408F * x * x));  // √(2/π) · 0.044715
  } else {
    y = x;
    return;
  }
  y = x * (0.5F + 0.5F * t);
}

/// g = d activation / dx at x, to 1e-6.
template <int W> FAUNA_INLINE void gelu_gradient_lanes(activation a, vfloat<W>& g, vfloat<W> const& x) {
  vfloat<W> t;
  if (a == activation::gelu) {
    vfloat<W> density;
    erf<W>(t, x * 0.70710678F);
    exp<W>(density, x * x * -0.5F);
    g = (0.5F + 0.5F * t) + x * (0.39894228F * density);
  } else if (a == activation::gelu_tanh) {
    const vfloat<W> xx = x * x;
    tanh<W>(t, x * (0.79788456F + 0.035677408F * xx));
    g = (0.5F + 0.5F * t) * (1.0F + (1.0F - t) * (x * (0.79788456F + 0.10703222F * xx)));  // √(2/π) · 0.134145
  } else {
    g = vfloat<W>{} + 1.0F;
  }
}

}  // namespace fauna::inline v0::simd
