// The recurrence of RWKV-4 (Peng et al. 2023, "RWKV: Reinventing RNNs for the Transformer era", equations 16 to 19), a
// weighted mean of values that is read through a receptance, column by column; row t continues row p:
//   y_t = σ(r_t) (A_p + e^{u + k_t} v_t) / (B_p + e^{u + k_t})      A_t = e^w A_p + e^{k_t} v_t      B_t = e^w B_p +
//   e^{k_t}      w = -e^{decay}
// Keys have no bound, so that the sums are kept as A = a e^p and B = b e^p, with p the largest exponent that is in them
// (appendix D): with q = max(p, u + k)
//   y = σ(r) (e^{p-q} a + e^{u+k-q} v) / (e^{p-q} b + e^{u+k-q})
// and with q = max(p + w, k)
//   a' = e^{p+w-q} a + e^{k-q} v      b' = e^{p+w-q} b + e^{k-q}      p' = q
// so no exponent is above 0 and b is never below 1. A state of zeros, which b = 0 tells, has seen nothing: its p counts
// as -1e38.
// Backward is the derivative of exactly that, the state's p included (derived in docs/ops/wkv4.md).
#pragma once
#include <fauna/core/backend.hpp>
#include <fauna/core/batch.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// [R, C] each.
template <class S> struct Wkv4Rows { Matrix<S> r, k, v; };

/// The exponent of a state that has seen nothing.
inline constexpr float wkv4_nothing = -1e38F;

/// wkv4<B>::forward(b, batch, rows, decay, first, state, y, kept)
///   decay and first (u) [C]; y [R,C]; state [3 sequences, C], rows a, b, p of each sequence: replaced by what leaves;
///   null: zeros; kept [3R,C], the states after every row, or null: no backward pass follows
/// wkv4<B>::backward(b, batch, rows, decay, first, entering, kept, dy, drows, ddecay, dfirst, dstate)
///   entering: the state before forward; drows is overwritten; ddecay and dfirst are added to, or null; dstate as the
///   state, or null: the gradient of the leaving state in, of the entering one out
/// Neither takes scratch; a tree of rows takes memory of its own, for the states after all of its rows.
/// The bits do not depend on the number of threads, nor on how rows are cut into calls.
template <class B> struct wkv4 {
  static_assert(always_false<B>, "fauna: no wkv4 for this backend: include <fauna/ops/wkv4/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
