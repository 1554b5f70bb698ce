// Adam with decoupled weight decay (Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2),
// in the order of PyTorch's AdamW. With step t = 1, 2, ..., learning rate η of the segment, decay λ, gradient g scaled
// by gradient_scale:
//   p ← p - η λ p      m ← m + (1 - β₁)(g - m)      v ← β₂ v + (1 - β₂) g²
//   p ← p - η / (1 - β₁ᵗ) · m / (√v / √(1 - β₂ᵗ) + ε)
#pragma once
#include <cmath>

#include <fauna/core/backend.hpp>
#include <fauna/ops/adamw/segment.hpp>

namespace fauna::inline v0 {

struct AdamWStep {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  long long step = 1;           ///< t, from 1
  double gradient_scale = 1;    ///< multiplies every gradient: the clip coefficient
  bool clear_gradient = false;  ///< leaves zeros in the gradients, for the next step to add to
};

/// The step's constants for one segment, in double: what PyTorch computes in Python before it touches a tensor.
struct AdamWFactors {
  double keep;        ///< 1 - η λ
  double step_size;   ///< η / (1 - β₁ᵗ)
  double root_scale;  ///< √(1 - β₂ᵗ)
  AdamWFactors(AdamWStep const& a, double decay, double lr_scale)
      : keep(1 - a.lr * lr_scale * decay),
        step_size(a.lr * lr_scale / (1 - std::pow(a.beta1, static_cast<double>(a.step)))),
        root_scale(std::sqrt(1 - std::pow(a.beta2, static_cast<double>(a.step)))) {}
};

/// adamw<B>::step(b, segments, n, AdamWStep): updates value, m and v of the n segments; takes no scratch. Element by
/// element, so the bits do not depend on the number of threads.
template <class B> struct adamw {
  static_assert(always_false<B>, "fauna: no adamw for this backend: include <fauna/ops/adamw/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
