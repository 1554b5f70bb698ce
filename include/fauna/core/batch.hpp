// What a call's rows are: rows of the same sequence stand together, in order. A uniform batch of B sequences of T rows
// needs no arrays at all.
#pragma once
#include <fauna/core/version.hpp>

namespace fauna::inline v0 {

/// Of rows, where there is no limit to their number.
inline constexpr int unbounded = 0x7fffffff;
/// Of a sequence, where no adapter is to be beside the model's weights for it.
inline constexpr int no_adapter = -1;
/// The target of a row that counts in no loss.
inline constexpr int ignore_target = -1;

/// Which rows of a batch logits are wanted of: all of them, the last of each sequence, or none (only states move on).
enum class logit_rows : int { all, last, none };

struct RowStates;

struct Batch {
  int sequences = 1;
  int rows = 0;                    ///< rows in all
  int length = 0;                  ///< rows of every sequence when uniform, else 0
  int whole = 0;                   ///< rows of every sequence on all ranks, where each has some of them; 0: all here
  const int* offsets = nullptr;    ///< [sequences + 1] first row of each sequence, when ragged
  const int* tokens = nullptr;     ///< [rows] token ids
  const int* targets = nullptr;    ///< [rows] next token of each row, or the ignore index; null in inference
  const int* positions = nullptr;  ///< [rows] position in the sequence; null: past + the row's index in its sequence
  const int* past = nullptr;       ///< [sequences] rows of each sequence that its state holds already; null: none
  const int* document_start = nullptr;  ///< [rows] row at which the row's packed document starts; null: one document
  const int* parent = nullptr;  ///< [rows] row each row continues, -1 for a root; null: the row before (no tree)
  const int* adapters =
      nullptr;  ///< [sequences] adapter of each (blocks/adapted.hpp), or no_adapter; null: none has one
  RowStates const* row_states = nullptr;  ///< who keeps states by row (core/row_states.hpp); null: nobody

  static constexpr Batch uniform(int sequences, int length, const int* tokens = nullptr, const int* targets = nullptr) {
    Batch b;
    b.sequences = sequences;
    b.length = length;
    b.rows = sequences * length;
    b.tokens = tokens;
    b.targets = targets;
    return b;
  }

  constexpr int first(int sequence) const { return offsets ? offsets[sequence] : sequence * length; }
  constexpr int last(int sequence) const { return offsets ? offsets[sequence + 1] : (sequence + 1) * length; }
  constexpr int before(int sequence) const { return past ? past[sequence] : 0; }
  /// Position of a row that belongs to `sequence`.
  constexpr int position(int sequence, int row) const {
    return positions ? positions[row] : before(sequence) + row - first(sequence);
  }
  /// The first row that `row` may look back to.
  constexpr int start(int sequence, int row) const {
    return document_start && document_start[row] > first(sequence) ? document_start[row] : first(sequence);
  }
  /// What a row continues: a row of this call, or one of these two.
  static constexpr int nothing = -1;    ///< a document begins here
  static constexpr int the_state = -2;  ///< the sequence as it was before this call
  constexpr int continues(int sequence, int row) const {
    const int from = start(sequence, row), before = parent ? parent[row] : row - 1;
    if (from == row && from > first(sequence)) return nothing;
    return before < first(sequence) ? the_state : before;
  }
  /// The row `steps` before: a row of this call, nothing, or the_state - j: j rows before the last one of the state.
  constexpr int ancestor(int sequence, int row, int steps) const {
    for (; steps > 0 && row >= 0; --steps) row = continues(sequence, row);
    return row == nothing ? nothing : row - steps;
  }
  /// May row r of a sequence see row k of the same sequence? Causality, documents and the tree in one question.
  constexpr bool sees(int sequence, int r, int k) const {
    if (k > r || k < start(sequence, r)) return false;
    if (parent == nullptr) return true;
    while (r > k) r = continues(sequence, r);
    return r == k;
  }
  /// How many rows back k lies of r, which sees it. Rows that the state held come before first(sequence).
  constexpr int steps_back(int sequence, int r, int k) const {
    if (parent == nullptr) return r - k;
    int steps = 0;
    for (; r > k && r >= first(sequence); ++steps) r = continues(sequence, r);
    return r >= first(sequence) ? steps : steps + first(sequence) - 1 - k;
  }
  /// May row r see what the state held before this call? A document that starts inside the batch may not.
  constexpr bool sees_past(int sequence, int r) const { return start(sequence, r) == first(sequence); }
  /// Rows of its sequence or document before row r, those in the state included.
  constexpr int rows_before(int sequence, int r) const {
    const int from = start(sequence, r);
    int n = r - from;
    if (parent != nullptr) {
      n = 0;
      for (int k = parent[r]; k >= from; k = parent[k]) ++n;
    }
    return n + (sees_past(sequence, r) ? before(sequence) : 0);
  }
  /// The most rows of a sequence, those in its state included.
  constexpr int longest() const {
    int most = 0;
    for (int s = 0; s < sequences; ++s) {
      const int n = before(s) + last(s) - first(s);
      if (n > most) most = n;
    }
    return most;
  }
  /// No documents and no tree: row r sees exactly the rows before it in its sequence.
  constexpr bool plainly_causal() const { return document_start == nullptr && parent == nullptr; }
};

}  // namespace fauna::inline v0
