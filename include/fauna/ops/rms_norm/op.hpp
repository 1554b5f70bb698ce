// Root-mean-square normalisation of each row (Zhang and Sennrich 2019, "Root Mean Square Layer Normalization",
// equation 4).
//   r = 1 / √(Σ_c x_c² / C + ε)      y_c = (o + w_c) x_c r
// o is 0, or 1 where the checkpoint keeps weights around zero (Gemma). Backward, with g_c = (o + w_c) dy_c:
//   dx_c = r (g_c - x_c r² Σ(g x) / C)      dw_c = Σ_rows dy_c x_c r
// since dr/dx_c = -r³ x_c / C.
#pragma once
#include <fauna/core/backend.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// rms_norm<B>::forward(b, x, weight, offset, y, rstd, eps)
///   x, y [R,C], y may be x; weight [C]; offset 0 or 1; rstd [R] is kept for backward, or null.
/// rms_norm<B>::backward(b, x, weight, offset, rstd, dy, dx, base, dweight)
///   dx [R,C] = base + the gradient; base [R,C] or a view of null, may be dx or dy, and dx may be dy;
///   dweight [C] is added to, or null. Its bits do not depend on the number of threads.
/// rms_norm<B>::workspace(rows, cols, threads): the bytes that either takes from b.scratch.
template <class B> struct rms_norm {
  static_assert(always_false<B>,
                "fauna: no rms_norm for this backend: include <fauna/ops/rms_norm/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
