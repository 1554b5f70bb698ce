// The recurrence of Mamba-2 (Dao and Gu 2024, "Transformers are SSMs: Generalized models and efficient algorithms
// through structured state space duality", sections 5 and 6), whose decay is one number a head. A head has P columns
// of x and a state S of N x P numbers; the heads of a group share B and C. Row t continues row p (Batch::continues):
//   δ_t = softplus(dt_t + dt_bias)      a_t = exp(δ_t A),  A = -exp(A_log)
//   S_t = a_t S_p + B_tᵀ (δ_t x_t)      y_t = C_t S_t + D x_t
// Over a chunk of rows that is a few products (derived in docs/ops/ssd.md). With X = δ x, L_ts the product of the
// decays after row s up to row t (0 where t does not continue s), w_t that of all decays up to t, S what enters and S'
// what leaves after row `last`:
//   Y = (C Bᵀ ∘ L) X + diag(w) C S + D x      S' = w_last S + Bᵀ diag(L_last) X
// Backward, with G the gradient of S', M = C Bᵀ ∘ L and E = (dY Xᵀ) ∘ M:
//   d(C Bᵀ) = (dY Xᵀ) ∘ L      dC = d(C Bᵀ) B + diag(w) dY Sᵀ      dB = d(C Bᵀ)ᵀ C + diag(L_last) X Gᵀ
//   dX = Mᵀ dY + diag(L_last) B G      dS = w_last G + Cᵀ diag(w) dY
// and the logarithms of the decays get what every path through them carries.
#pragma once
#include <fauna/core/backend.hpp>
#include <fauna/core/batch.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

struct SsdSizes {
  int heads, size, states, groups;  ///< H, P, N, G; G divides H, and head h is of group h G / H
};
/// The rows of the recurrence: x [R, H P], b and c [R, G N], dt [R, H].
template <class S> struct SsdRows { Matrix<S> x, b, c, dt; };
/// What each head has, [H].
template <class S> struct SsdHeads { S *A_log, *D, *dt_bias; };

inline constexpr int ssd_chunk = 64;
/// States that training keeps for each head: those at the beginning of every chunk of a sequence's rows.
constexpr int ssd_kept(int rows, int sequences) { return rows / ssd_chunk + sequences; }
/// Where those of a sequence begin.
constexpr int ssd_first_kept(Batch const& batch, int sequence) { return batch.first(sequence) / ssd_chunk + sequence; }

/// ssd<B>::forward(b, batch, sizes, rows, heads, state, y, kept)
///   state [sequences H N, P]: replaced by what leaves; null: zeros; y [R, H P]; kept [ssd_kept(R, sequences) H N, P],
///   or null: no backward pass follows
/// ssd<B>::backward(b, batch, sizes, rows, heads, kept, dy, drows, dheads, dstate)
///   drows is overwritten; what dheads points to is added to, or null; dstate [sequences H N, P] or null: the gradient
///   of the leaving state in, of the entering one out
/// ssd<B>::workspace(sizes, rows, sequences, threads, backward): the bytes that either takes from b.scratch. A tree of
/// more than ssd_chunk rows takes memory of its own: trees are short.
/// The bits do not depend on the number of threads. In chunks they depend on where chunks begin, within rounding: row
/// by row, and in calls of fewer than ssd_stepped rows a sequence or of trees, which keep no states, they do not.
template <class B> struct ssd {
  static_assert(always_false<B>, "fauna: no ssd for this backend: include <fauna/ops/ssd/cpu.hpp> or ref.hpp");
};
inline constexpr int ssd_stepped = 16;

}  // namespace fauna::inline v0
