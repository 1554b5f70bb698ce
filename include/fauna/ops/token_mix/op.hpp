// Each row mixed with another one, the row before it as a rule, in as many ways as there are rows of μ, of which each
// may have a part m of the row's own (Peng et al. 2024, "Eagle and Finch: RWKV with matrix-valued states and dynamic
// recurrence", equation 14; with constant weights alone: ops/token_shift):
//   y_r = [y_r0 | y_r1 | ...]      y_ri = x_r + (before_r - x_r) ∘ (μ_i + m_ri)
// Backward:
//   dx_r += Σ_i dy_ri ∘ (1 - μ_i - m_ri)      dbefore_r += Σ_i dy_ri ∘ (μ_i + m_ri)
//   dm_ri = dy_ri ∘ (before_r - x_r)      dμ_i += Σ_r dm_ri
#pragma once
#include <fauna/core/backend.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// token_mix<B>::forward(b, x, before, mu, m, y)
///   x and before [R,C]; mu [n,C]; m [R, n C], or null: zeros; y [R, n C], neither x nor before; y may be m
/// token_mix<B>::backward(b, x, before, mu, m, dy, dx, dbefore, dmu, dm)
///   dx and dbefore are added to; dmu is added to, or null; dm is overwritten, or null; it may be dy
/// Neither takes scratch. The bits do not depend on the number of threads.
template <class B> struct token_mix {
  static_assert(always_false<B>,
                "fauna: no token_mix for this backend: include <fauna/ops/token_mix/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
