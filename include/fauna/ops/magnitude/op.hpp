// Columns of a product with magnitudes of their own (Liu et al. 2024, "DoRA: Weight-decomposed low-rank adaptation",
// section 4): of a matrix V whose rows have the lengths n = ‖V‖, and z = x Vᵀ,
//   y = (m / n) ∘ z + b      dz = (m / n) ∘ dy      dm = Σ_rows dy ∘ z / n
// n counts as a constant (section 4.3): nothing flows back through it.
#pragma once
#include <fauna/core/backend.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// magnitude<B>::lengths(b, v [R,C], S* n)
///   n_r = √(Σ_c v_rc²), summed in double, without a derivative; 1 for a row of zeros, which stays one
/// magnitude<B>::forward(b, z [R,C], m, n, bias, y [R,C])
///   m, n, bias: C numbers; bias may be null; y may be z
/// magnitude<B>::backward(b, z [R,C], m, n, dy [R,C], dz [R,C], dm)
///   dm accumulates, or is null; dz may be z
/// They take no scratch. A row's bits depend on that row alone; dm is one sum in ascending order of rows.
template <class B> struct magnitude {
  static_assert(always_false<B>,
                "fauna: no magnitude for this backend: include <fauna/ops/magnitude/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
