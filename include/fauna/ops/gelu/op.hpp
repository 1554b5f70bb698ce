// Gaussian error linear unit (Hendrycks and Gimpel 2016, "Gaussian Error Linear Units", section 2):
//   gelu       y = x Φ(x),  Φ(x) = (1 + erf(x / √2)) / 2         dy/dx = Φ(x) + x φ(x),  φ(x) = exp(-x²/2) / √(2π)
//   gelu_tanh  y = x (1 + tanh u) / 2,  u = √(2/π) (x + 0.044715 x³)
//              dy/dx = (1 + t) / 2 + x (1 - t²) u' / 2,  t = tanh u,  u' = √(2/π) (1 + 0.134145 x²)
//   none       y = x
#pragma once
#include <fauna/core/activation.hpp>
#include <fauna/core/backend.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// gelu<B>::forward(b, activation, x, y)        x, y [R,C]; y may be x
/// gelu<B>::backward(b, activation, x, dy, dx)  dx = dy · dy/dx at x; dx may be dy
/// Neither takes scratch.
template <class B> struct gelu {
  static_assert(always_false<B>, "fauna: no gelu for this backend: include <fauna/ops/gelu/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
