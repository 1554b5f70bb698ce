// One recurrence for the kin of linear attention (Yang et al. 2024, "Parallelizing linear transformers with the delta
// rule over sequence length", table 4, has most of them side by side). A head has a state S of K x N numbers, rows for
// keys and columns for values; row t continues row p (Batch::continues):
//   F = diag(f_t) S_p                        what fades: f is nothing, one number a head, or one a key;
//   F = S_p diag(f_t)                        or one a column of values
//   S_t = F + k_t u_tᵀ                       erase none:       u = β v
//   S_t = F + k_t u_tᵀ                       erase delta:      u = β (v - Fᵀ k)
//   S_t = F + k_t u_tᵀ                       erase apart:      u = β (v - Fᵀ a)
//   S_t = F + b_t (S_pᵀ a_t)ᵀ + k_t u_tᵀ     erase decoupled:  u = β v
//   y_t = s S_tᵀ q_t                         s: a scale. Normalised: v has one more column, of ones, and
//   y_t = (s S_tᵀ q_t) / max(|n|, e_t)       n = that column of s S_tᵀ q_t
// Backward, with G the gradient of S_t, from the rows that continue t and from the leaving state (derived in
// docs/ops/recurrence.md):
//   G += s q dyᵀ      dq = s S_t dy      du = Gᵀ k      dk = G u      dF = G
//   none, decoupled   dv = β du      dβ = v · du
//   delta             e = v - Fᵀ k:  dv = β du      dβ = e · du      dk -= F dv      dF -= k dvᵀ
//   apart             the same with a for k in e, dk and the last, dk then being da
//   decoupled         r = S_pᵀ a, dr = Gᵀ b:  db = G r      da = S_p dr      dS_p += a drᵀ
//   df = Σ_columns dF ∘ S_p      dS_p += diag(f) dF
// States are not kept, but for one in `recurrence_chunk` rows: backward runs forward again from there.
#pragma once
#include <fauna/core/backend.hpp>
#include <fauna/core/batch.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// What a state fades by. fixed: the same numbers for all rows. by_value: without a removal or a normaliser.
enum class fades : int { nothing, fixed, by_head, by_key, by_value };
/// What is taken out of a state before something is written: under the key that is written, or under one of its own,
/// after the state has faded (apart) or before (decoupled).
enum class erases : int { nothing, delta, apart, decoupled };

/// Which of the kin, as a template argument (docs/ops/recurrence.md has the table).
struct Recurrence {
  fades fade = fades::nothing;
  erases erase = erases::nothing;
  bool strength = false;    ///< has it β? Otherwise 1
  bool normalised = false;  ///< is y divided?
  constexpr bool operator==(Recurrence const&) const = default;
};

/// Heads, of which key_heads share keys and queries in groups of equal size, neighbours together: q and k have
/// key_heads, all else has heads.
struct RecurrenceShape {
  int heads = 1, key_heads = 1, keys = 1, values = 1;
  float scale = 1;
  const float* fixed = nullptr;  ///< fades::fixed: f [heads], in the host's memory
};

/// Rows of the recurrence: q, k [R, key_heads K], v [R, heads N], fade [R, heads], [R, heads K] or [R, heads N], beta
/// [R, heads], a, b [R, heads K], least [R, heads]: e, above 0. What a Recurrence does not have is null.
template <class S> struct RecurrenceRows { Matrix<S> q, k, v, fade, beta, a, b, least; };

/// Columns of a state: those of values, and the normaliser.
constexpr int recurrence_columns(Recurrence r, int values) { return values + (r.normalised ? 1 : 0); }

inline constexpr int recurrence_chunk = 16;
/// States that training keeps for each head: those at the beginning of every chunk of a sequence's rows.
constexpr int recurrence_kept(int rows, int sequences) { return rows / recurrence_chunk + sequences; }
/// Where those of a sequence begin.
constexpr int recurrence_first_kept(Batch const& batch, int sequence) {
  return batch.first(sequence) / recurrence_chunk + sequence;
}

/// recurrence<R, B>::forward(b, batch, shape, rows, state, y, kept)
///   state [sequences heads K, columns]: replaced by what leaves; null: zeros; y [rows, heads N]; kept
///   [recurrence_kept(rows, sequences) heads K, columns], or null: no backward pass follows
/// recurrence<R, B>::backward(b, batch, shape, rows, kept, dy, drows, dstate)
///   drows is added to, all that R has, but for fixed numbers; dstate as the state, or null: the gradient of the
///   leaving state in, of the entering one out
/// recurrence<R, B>::workspace(shape, threads): the bytes that either takes from b.scratch. A tree of rows takes memory
/// of its own, for the states after all of its rows: trees are short.
/// The bits do not depend on the number of threads, nor on how rows are cut into calls.
template <Recurrence R, class B> struct recurrence {
  static_assert(always_false<B>,
                "fauna: no recurrence for this backend: include <fauna/ops/recurrence/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
