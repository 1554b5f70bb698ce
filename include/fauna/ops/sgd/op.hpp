// Stochastic gradient descent with momentum (Sutskever et al. 2013, "On the importance of initialization and momentum
// in deep learning", section 2), in PyTorch's arrangement. Learning rate η of the segment, momentum μ, decay λ,
// gradient g scaled by gradient_scale:
//   g ← g + λ p      m ← μ m + g      p ← p - η (m, or g + μ m with nesterov)
#pragma once
#include <fauna/core/backend.hpp>
#include <fauna/ops/adamw/segment.hpp>

namespace fauna::inline v0 {

struct SgdStep {
  double lr = 1e-3, momentum = 0;  ///< without momentum, m is not read and may be null
  bool nesterov = false;
  double gradient_scale = 1;    ///< multiplies every gradient: the clip coefficient
  bool clear_gradient = false;  ///< leaves zeros in the gradients, for the next step to add to
};

/// sgd<B>::step(b, segments, n, SgdStep): updates value and m of the n segments; takes no scratch.
template <class B> struct sgd {
  static_assert(always_false<B>, "fauna: no sgd for this backend: include <fauna/ops/sgd/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
