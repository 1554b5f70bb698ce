// The recurrence of RWKV-5 and 6 (Peng et al. 2024, "Eagle and Finch: RWKV with matrix-valued states and dynamic
// recurrence", equations 6 and 18): linear attention with a decay for each key's column, of each row (6), or constant
// in time (5), and a bonus u for the row itself. A head has a state S of N x N numbers, rows for keys and columns for
// values; row t continues row p:
//   w_t = exp(-e^{d_t})      y_t = (S_p + diag(u) k_t v_tᵀ)ᵀ r_t      S_t = diag(w_t) S_p + k_t v_tᵀ
// Backward, with G_t the gradient of S_t, from the rows that continue t and from the leaving state, and β = v_t · dy_t:
//   dr_t = S_p dy_t + β u ∘ k_t      dk_t = G_t v_t + β u ∘ r_t      dv_t = G_tᵀ k_t + (Σ u ∘ r_t ∘ k_t) dy_t
//   du += β r_t ∘ k_t      dd_t = -e^{d_t} w_t ∘ Σ_columns G_t ∘ S_p      G_p += diag(w_t) G_t + r_t dy_tᵀ
// States are kept as ops/wkv7 keeps them.
#pragma once
#include <fauna/ops/wkv7/op.hpp>

namespace fauna::inline v0 {

/// [R, heads N] each; d, and its gradient, is [1, heads N] where it is constant.
template <class S> struct Wkv6Rows {
  Matrix<S> r, k, v, d;
  bool constant = false;
};

/// wkv6<B>::forward(b, batch, N, rows, first, state, y, kept)
///   N: numbers of a head; first (u) [heads N]; state [sequences heads N, N]: replaced by what leaves; null: zeros;
///   y [R, heads N]; kept [wkv7_kept(R, sequences) heads N, N], or null: no backward pass follows
/// wkv6<B>::backward(b, batch, N, rows, first, kept, dy, drows, dfirst, dstate)
///   drows is overwritten, but for a constant d, which is added to, or null; dfirst is added to, or null; dstate
///   [sequences heads N, N] or null: the gradient of the leaving state in, of the entering one out
/// wkv6<B>::workspace(N, threads): the bytes that either takes from b.scratch. A tree of rows takes memory of its own,
/// for the states after all of its rows: trees are short.
/// The bits do not depend on the number of threads, nor on how rows are cut into calls.
template <class B> struct wkv6 {
  static_assert(always_false<B>, "fauna: no wkv6 for this backend: include <fauna/ops/wkv6/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
