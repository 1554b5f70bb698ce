// Attention of some rows of a sequence to others, for ranks that share its rows (Liu et al. 2023, "Ring attention with
// blockwise transformers for near-infinite context", section 3). With s_ij of ops/attention and the j that row i sees
// among these keys:
//   lse'_i = log(exp lse_i + Σ_j exp s_ij)      y'_i = (exp(lse_i) y_i + Σ_j exp(s_ij) v_j) / exp lse'_i
// from lse = -∞ and y = 0 on, one stretch of keys after the other, in any order. Backward needs no merging: with lse,
// y of all keys and delta as in ops/attention, the sums for dq, dk and dv go on from one stretch to the next.
#pragma once
#include <fauna/ops/attention/op.hpp>

namespace fauna::inline v0 {

/// Rows of each sequence that follow each other: of sequence s, `rows` rows from row + s * step on, the first of them
/// at `position` of the sequence.
struct RowStretch {
  int row = 0, position = 0, rows = 0, step = 0;
};

/// Does the row at one position see that at another, at or before it?
constexpr bool sees_position(AttentionShape const& a, int query, int key) {
  return key <= query && query - key < a.reach(query);
}
/// Does any of the queries see any of the keys?
constexpr bool any_sees(AttentionShape const& a, RowStretch const& queries, RowStretch const& keys) {
  for (int i = queries.rows - 1; i >= 0 && queries.position + i >= keys.position; --i) {
    const int query = queries.position + i, oldest = query - a.reach(query) + 1, last = keys.position + keys.rows - 1;
    if (oldest <= (last < query ? last : query)) return true;
  }
  return false;
}

/// partial_attention<B>::clear<HeadSize>(b, rows, shape, y, lse)      nothing is seen yet: y [rows], lse [rows * heads]
/// partial_attention<B>::forward<HeadSize>(b, sequences, shape, queries, keys, q, k, v, y, lse)
/// partial_attention<B>::backward<HeadSize>(b, sequences, shape, queries, keys, q, k, v, y, lse, dy, dq, dk, dv)
///   adds to dq, dk and dv
/// partial_attention<B>::workspace<HeadSize>(threads)      the bytes that either takes from b.scratch
/// queries: rows of q, y, lse (row * heads + head), dy and dq; keys: rows of k, v, dk and dv. Without dropout.
template <class B> struct partial_attention {
  static_assert(
      always_false<B>,
      "fauna: no partial_attention for this backend: include <fauna/ops/partial_attention/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
