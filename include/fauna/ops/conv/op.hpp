// Causal depthwise convolution: every column has K taps of its own, over the rows that a row continues (Gu and Dao
// 2023, section 3.4). With a_k(r) the row k steps before r, rows of the state included and zero before the beginning:
//   y_r = bias + Σ_k tap_{K-1-k} ∘ x_{a_k(r)}      the last tap is the row's own
//   dx_s = Σ_{r, k: a_k(r) = s} tap_{K-1-k} ∘ dy_r      dtap_{K-1-k} += Σ_r dy_r ∘ x_{a_k(r)}      dbias += Σ_r dy_r
#pragma once
#include <fauna/core/backend.hpp>
#include <fauna/core/batch.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// causal_conv<B>::forward(b, batch, x, taps, bias, state, y)
///   x, y [R,C], not the same; taps [K,C]: those of checkpoints turned, one row a tap; bias [C] or null; state
///   [sequences (K-1), C]: the last rows of each sequence, the last of them last, replaced by those of the batch; null:
///   zeros.
/// causal_conv<B>::backward(b, batch, x, entering, taps, dy, dx, dtaps, dbias, dstate)
///   entering: the state before forward, or null; dx is overwritten; dtaps [K,C] and dbias [C] are added to, or null;
///   dstate [sequences (K-1), C] or null: the gradient of the leaving state in, of the entering one out.
/// Neither takes scratch. The bits do not depend on the number of threads, nor on how rows are cut into calls.
template <class B> struct causal_conv {
  static_assert(always_false<B>, "fauna: no causal_conv for this backend: include <fauna/ops/conv/cpu.hpp> or ref.hpp");
};

/// The row of a state of K - 1 rows that Batch::ancestor's answer means; `ancestor` is the_state or less.
constexpr int conv_state_row(int taps, int ancestor) { return taps - 2 + (ancestor - Batch::the_state); }

}  // namespace fauna::inline v0
