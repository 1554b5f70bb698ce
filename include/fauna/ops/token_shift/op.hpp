// Token shift (Peng et al. 2023, "RWKV: Reinventing RNNs for the Transformer era", section 3.1): each row mixed with
// the row p that it continues (Batch::continues; zeros before the beginning), column by column, in as many ways as
// there are rows of μ:
//   y_r = [y_r0 | y_r1 | ...]      y_ri = x_r + (x_p - x_r) ∘ μ_i
// RWKV-4 and 5 keep m = 1 - μ instead, what is left of the row itself: weighs::row.
// Backward:
//   dx_r = Σ_i dy_ri ∘ (1 - μ_i) + Σ_{s continues r} Σ_i dy_si ∘ μ_i      dμ_i += Σ_r dy_ri ∘ (x_p - x_r)
#pragma once
#include <fauna/core/backend.hpp>
#include <fauna/core/batch.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// What a mix weighs: the row before, or the row itself.
enum class weighs : int { before, row };

/// token_shift<B>::forward(b, batch, x, mu, state, y, what = weighs::before)
///   x [R,C]; mu [n,C], or null: y is the row before itself, [R,C]; y [R, n C], not x; state [sequences, C]: the last
///   row of each sequence, replaced by that of the batch; null: zeros.
/// token_shift<B>::backward(b, batch, x, entering, mu, dy, dx, dmu, dstate, what = weighs::before)
///   entering: the state before forward, or null; dx [R,C] is overwritten; dmu [n,C] is added to, or null; dstate
///   [sequences, C] or null: the gradient of the leaving state in, of the entering one out.
/// Neither takes scratch. The bits do not depend on the number of threads, nor on how rows are cut into calls.
template <class B> struct token_shift {
  static_assert(always_false<B>,
                "fauna: no token_shift for this backend: include <fauna/ops/token_shift/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
