// Softmax over each head of a row (Bridle 1990, "Probabilistic interpretation of feedforward classification network
// outputs"), where it stands alone: what attention and routers do with theirs is part of their ops.
//   y = e^{x - max x} / Σ e^{x - max x} over a head's N columns      dx = y (dy - Σ(dy y))
#pragma once
#include <fauna/core/backend.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// softmax_heads<B>::forward(b, N, x, y)          x, y [R, heads N]; y may be x
/// softmax_heads<B>::backward(b, N, y, dy, dx)    y as forward left it; dx may be dy
/// Neither takes scratch. The bits do not depend on the number of threads.
template <class B> struct softmax_heads {
  static_assert(always_false<B>,
                "fauna: no softmax_heads for this backend: include <fauna/ops/softmax_heads/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
