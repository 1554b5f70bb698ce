// A factor and a shift for each column:
//   y = s ∘ (z + b)      dz = s ∘ dy      ds = Σ_rows dy ∘ (z + b)      db = Σ_rows dz
#pragma once
#include <fauna/core/backend.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// affine<B>::forward(b, z [R,C], factor, shift, y [R,C])
///   factor, shift: C numbers; y may be z
/// affine<B>::backward(b, z [R,C], factor, shift, dy [R,C], dz [R,C], dfactor, dshift)
///   dfactor and dshift accumulate, or are null; dz may be z or dy
/// They take no scratch. A row's bits depend on that row alone; dfactor and dshift are sums in ascending order of rows.
template <class B> struct affine {
  static_assert(always_false<B>, "fauna: no affine for this backend: include <fauna/ops/affine/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
