// The recurrence of RWKV-7 (Peng et al. 2025, "RWKV-7 'Goose' with expressive dynamic state evolution", equation 17):
// the delta rule with a decay for each column and a removal that is decoupled from what is written. A head has a state
// S of N x N numbers, rows for values and columns for keys; row t continues row p (Batch::continues):
//   S_t = S_p diag(w_t) + (S_p a_t) b_tᵀ + v_t k_tᵀ      y_t = S_t r_t
// Backward, with G_t the gradient of S_t, from the rows that continue t and from the leaving state (derived in
// docs/ops/wkv7.md):
//   G_t += dy_t r_tᵀ      dr_t = S_tᵀ dy_t      dw_t = Σ_rows G_t ∘ S_p      dk_t = G_tᵀ v_t      dv_t = G_t k_t
//   db_t = G_tᵀ (S_p a_t)      da_t = S_pᵀ (G_t b_t)      G_p += G_t diag(w_t) + (G_t b_t) a_tᵀ
// States are not kept, but for one in `wkv7_chunk` rows: backward runs forward again from there. (Dividing by w, to
// step a state back, loses digits wherever w is small.)
#pragma once
#include <fauna/core/backend.hpp>
#include <fauna/core/batch.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// The rows of the recurrence: [R, heads N] each, w between 0 and 1.
template <class S> struct Wkv7Rows { Matrix<S> r, w, k, v, a, b; };

inline constexpr int wkv7_chunk = 16;
/// States that training keeps for each head: those at the beginning of every chunk of a sequence's rows.
constexpr int wkv7_kept(int rows, int sequences) { return rows / wkv7_chunk + sequences; }
/// Where those of a sequence begin.
constexpr int wkv7_first_kept(Batch const& batch, int sequence) {
  return batch.first(sequence) / wkv7_chunk + sequence;
}

/// wkv7<B>::forward(b, batch, N, rows, state, y, kept)
///   N: numbers of a head; state [sequences heads N, N]: replaced by what leaves; null: zeros; y [R, heads N]; kept
///   [wkv7_kept(R, sequences) heads N, N], or null: no backward pass follows
/// wkv7<B>::backward(b, batch, N, rows, kept, dy, drows, dstate)
///   drows is added to; dstate [sequences heads N, N] or null: the gradient of the leaving state in, of the entering
///   one out
/// wkv7<B>::workspace(N, threads): the bytes that either takes from b.scratch. A tree of rows takes memory of its own,
/// for the states after all of its rows: trees are short.
/// The bits do not depend on the number of threads, nor on how rows are cut into calls.
template <class B> struct wkv7 {
  static_assert(always_false<B>, "fauna: no wkv7 for this backend: include <fauna/ops/wkv7/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
