// Pointwise activations.
//   none          y = x
//   gelu          y = x Φ(x),  Φ(x) = (1 + erf(x / √2)) / 2        dy/dx = Φ(x) + x φ(x),  φ(x) = exp(-x²/2) / √(2π)
//   gelu_tanh     y = x (1 + tanh u) / 2,  u = √(2/π) (x + 0.044715 x³)
//                 dy/dx = (1 + t) / 2 + x (1 - t²) u' / 2,  t = tanh u,  u' = √(2/π) (1 + 0.134145 x²)
//   silu          y = x σ(x),  σ(x) = 1 / (1 + exp(-x))            dy/dx = σ(x) (1 + x (1 - σ(x)))
//   relu          y = max(x, 0)                                    dy/dx = 1 where x > 0, else 0
//   relu_squared  y = max(x, 0)²                                   dy/dx = 2 max(x, 0)
//   sigmoid       y = σ(x)                                         dy/dx = y (1 - y)
//   tanh          y = tanh x = 2 σ(2x) - 1                         dy/dx = 1 - y²
// Hendrycks and Gimpel 2016, "Gaussian Error Linear Units", section 2 (gelu, its tanh form, silu); So et al. 2021,
// "Primer", section 4 (squared ReLU).
#pragma once
#include <fauna/core/activation.hpp>
#include <fauna/core/backend.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// activate<B>::forward(b, activation, x, y)        x, y [R,C]; y may be x
/// activate<B>::backward(b, activation, x, dy, dx)  dx = dy · dy/dx at x; dx may be dy
/// Neither takes scratch.
template <class B> struct activate {
  static_assert(always_false<B>,
                "fauna: no activate for this backend: include <fauna/ops/activation/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
