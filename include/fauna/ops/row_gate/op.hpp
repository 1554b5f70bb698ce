// Rows that a number of their own opens or closes: rows of [x | g], C columns and one, become
//   y = σ(g) x      x' = σ(g) y',  g' = σ(g) (1 - σ(g)) y' · x
#pragma once
#include <fauna/core/backend.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// row_gate<B>::forward(b, xg [R,C+1], y [R,C])
/// row_gate<B>::backward(b, xg, dy [R,C], dxg [R,C+1])
/// They take no scratch. A row's bits depend on that row alone.
template <class B> struct row_gate {
  static_assert(always_false<B>,
                "fauna: no row_gate for this backend: include <fauna/ops/row_gate/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
