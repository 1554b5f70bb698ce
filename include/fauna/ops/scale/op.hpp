// Every number times the same one.
#pragma once
#include <fauna/core/backend.hpp>

namespace fauna::inline v0 {

/// scale<B>::run(b, double factor, Matrix<S> x)   x_rc *= factor, which is rounded to S first
template <class B> struct scale {
  static_assert(always_false<B>, "fauna: no scale for this backend: include <fauna/ops/scale/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
