// Clipping by global norm (Pascanu, Mikolov, Bengio 2013, "On the difficulty of training recurrent neural networks",
// algorithm 1), with PyTorch's constants:
//   norm = √ Σ g² over all trainable segments      coefficient = min(1, max_norm / (norm + 1e-6))
// The gradients are not rewritten: the optimizer takes the coefficient as gradient_scale.
#pragma once
#include <cmath>

#include <fauna/core/backend.hpp>
#include <fauna/ops/adamw/segment.hpp>

namespace fauna::inline v0 {

/// What a segment's gradient looks like: `zero` means that every element is, `not_finite` that one is not.
enum class gradient_state : unsigned char { frozen, zero, finite, not_finite };

/// Of a segment whose squares sum to `sum`, in which none has underflowed or overflowed.
constexpr gradient_state state_of(Segment<float> const& s, double sum) {
  return !s.trainable         ? gradient_state::frozen
         : sum == 0           ? gradient_state::zero
         : std::isfinite(sum) ? gradient_state::finite
                              : gradient_state::not_finite;
}

/// What to multiply gradients by, so that their norm is at most max_norm; 1 where max_norm is 0 (off).
constexpr double clip_coefficient(double max_norm, double norm) {
  const double c = max_norm / (norm + 1e-6);
  return max_norm > 0 && !(c > 1) ? c : 1;
}

/// clip<B>::global_norm(b, segments, n, states): the norm, in double; states [n] or null receives what each segment's
/// gradient looks like. Squares are summed in pieces of 4096 elements and the pieces in order, so that the bits do not
/// depend on the number of threads.
/// clip<B>::workspace(segments, n): the bytes that it takes from b.scratch.
template <class B> struct clip {
  static_assert(always_false<B>, "fauna: no clip for this backend: include <fauna/ops/clip/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
