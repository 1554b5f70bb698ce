// Every head of a row at length 1 (Yang et al. 2024, "Parallelizing linear transformers with the delta rule over
// sequence length", section 3.3: keys of length 1 make I - β k kᵀ a contraction).
//   r = 1 / √(Σ x² + ε) over a head's N columns      y = r x      dx = r (dy - y Σ(dy y))
#pragma once
#include <fauna/core/backend.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// unit_heads<B>::forward(b, N, eps, x, y)          x, y [R, heads N]; y may be x
/// unit_heads<B>::backward(b, N, eps, x, dy, dx)    dx may be dy
/// Neither takes scratch. The bits do not depend on the number of threads.
template <class B> struct unit_heads {
  static_assert(always_false<B>,
                "fauna: no unit_heads for this backend: include <fauna/ops/unit_heads/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
