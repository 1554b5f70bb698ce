// Layer normalisation of each row (Ba, Kiros, Hinton 2016, "Layer Normalization", equations 3 and 4).
//   μ = Σ_c x_c / C      σ² = Σ_c (x_c - μ)² / C      r = 1 / √(σ² + ε)      x̂_c = (x_c - μ) r
//   y_c = (o + w_c) x̂_c + b_c
// o is 0, or 1 where the checkpoint keeps weights around zero (Nemotron) or has none.
// Backward, with g_c = (o + w_c) dy_c (derived in docs/ops/layer_norm.md):
//   dx_c = r (g_c - Σ g / C - x̂_c Σ(g x̂) / C)      dw_c = Σ_rows dy_c x̂_c      db_c = Σ_rows dy_c
// The variance is summed from the differences, in a second pass over the row: Σx²/C - μ² would cancel.
#pragma once
#include <fauna/core/backend.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// layer_norm<B>::forward(b, x, weight, bias, y, mean, rstd, eps, offset = 0)
///   x, y [R,C], y may be x; weight [C] or null (zeros); bias [C] or null; mean and rstd [R] are kept for backward, or
///   both null.
/// layer_norm<B>::backward(b, x, weight, mean, rstd, dy, dx, base, dweight, dbias, offset = 0)
///   dx [R,C] = base + the gradient; base [R,C] or a view of null, may be dx or dy, and dx may be dy;
///   dweight and dbias [C] are added to; either may be null. Their bits do not depend on the number of threads.
/// layer_norm<B>::workspace(rows, cols, threads): the bytes that either takes from b.scratch.
template <class B> struct layer_norm {
  static_assert(always_false<B>,
                "fauna: no layer_norm for this backend: include <fauna/ops/layer_norm/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
