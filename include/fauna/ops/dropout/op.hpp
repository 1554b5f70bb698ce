// Inverted dropout (Srivastava et al. 2014, "Dropout", section 10, scaled in training instead of in inference):
//   y_rc = base_rc + x_rc m_rc / (1 - p),  m_rc = 0 with probability p, else 1
// The mask is a function of (key, r · cols + c) alone, so it is the same for any number of threads, and the backward
// pass is the same call with dy in the place of x.
#pragma once
#include <fauna/core/backend.hpp>
#include <fauna/core/rng.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// dropout<B>::apply(b, key, p, x, base, y)   x, y [R,C]; base [R,C] or a view of null; y may be x or base; p in [0, 1]
/// Takes no scratch.
template <class B> struct dropout {
  static_assert(always_false<B>, "fauna: no dropout for this backend: include <fauna/ops/dropout/cpu.hpp> or ref.hpp");
};

/// The decision for the element at a position: row * cols + column.
constexpr bool dropout_drops(Key key, float p, std::uint64_t position) { return key.uniform(position) < p; }
/// What kept elements are multiplied by.
constexpr float dropout_scale(float p) { return p < 1 ? 1 / (1 - p) : 0; }

}  // namespace fauna::inline v0
