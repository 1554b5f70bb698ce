// Numbers held within bounds.
#pragma once
#include <fauna/core/backend.hpp>

namespace fauna::inline v0 {

/// clamp<B>::forward(b, double limit, x, y)        y_rc = x_rc within -limit and limit
/// clamp<B>::backward(b, double limit, x, dy, dx)  dx_rc = dy_rc where x_rc is within, else 0
/// All of one shape; limit is rounded to the scalar first. y may be x, dx may be dy.
template <class B> struct clamp {
  static_assert(always_false<B>, "fauna: no clamp for this backend: include <fauna/ops/clamp/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
