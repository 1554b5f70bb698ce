// Several texts at once, each with a draft behind it: one pass of the model for all.
#pragma once
#include <cstring>

#include <fauna/core/row_states.hpp>
#include <fauna/decode/exits.hpp>
#include <fauna/decode/generate.hpp>

namespace fauna::inline v0 {

namespace speculate_detail {

/// Rows that go along with those that are wanted.
inline constexpr int few = stepped_rows;

/// Of the rows that a text has still to read, how many the next call reads: all, where they are few, or no more than
/// those whose logits are wanted; else those before these, `chunk` at most.
inline int next_rows(int pending, int wanted, int chunk) {
  // Rows that are read again go along with those that are wanted while they are few: weights are read once for both.
  const int together = wanted == 1 ? chunk : wanted > few ? wanted : few;
  if (pending <= together) return pending;
  return pending - wanted < chunk ? pending - wanted : chunk;
}

/// The same of a text on its way. A tree goes along with the few rows before it, all of it at once.
inline int next_rows(Continuation const& s, int chunk) {
  if (s.parents.empty()) return next_rows(s.pending(), s.wanted, chunk);
  const int before = s.pending() - static_cast<int>(s.parents.size());
  return before <= few ? s.pending() : before - 1 < chunk ? before - 1 : chunk;
}

/// Nodes of a tree behind n ids whose rows have, with ==, the bits of their path alone: keys are summed in blocks of 64
/// at absolute places, so a tree does not go beyond its block. A state of one size has no places.
template <class M> constexpr int tree_room(int n) {
  constexpr int block = 64;
  return forgets_rows<M> ? block - n % block : block;
}

/// Does a step come to a draft that branches? Mixers in chunks then read all of its rows one by one.
inline bool reads_tree(std::vector<Continuation> const& all, StepMemory const& m) {
  for (std::size_t q = 0; q < all.size(); ++q) {
    const int rows = m.offsets[q + 1] - m.offsets[q];
    if (rows > 0 && rows == all[q].pending() && !all[q].parents.empty()) return true;
  }
  return false;
}

/// What the rows of a step continue, and their positions, where a draft branches.
inline void branch(std::vector<Continuation> const& all, StepMemory& m, Batch& batch) {
  m.parents.clear(), m.positions.clear();
  for (std::size_t q = 0; q < all.size(); ++q) {
    Continuation const& s = all[q];
    const int first = m.offsets[q], rows = m.offsets[q + 1] - first;
    const int chain = rows == s.pending() ? rows - static_cast<int>(s.parents.size()) : rows;
    for (int r = 0; r < rows; ++r) {
      const int parent = r < chain ? r - 1 : chain + s.parents[static_cast<std::size_t>(r - chain)];
      m.parents.push_back(parent < 0 ? -1 : first + parent);
      m.positions.push_back(parent < 0 ? s.read : m.positions[static_cast<std::size_t>(first + parent)] + 1);
    }
  }
  batch.parent = m.parents.data();
  batch.positions = m.positions.data();
}

}  // namespace speculate_detail

/// generate_step for texts whose last ids are drafts: of those that have now read all of their ids next(s, logits
/// [wanted, vocab]) is called, with the logits of the last `wanted` of these. Which drafts stay is the caller's to say:
/// the others he takes out of the ids, and out of the cache (Cache::cut). A step must have room for all `wanted` rows.
/// begin(batch) is called before a batch is read: it may say who keeps states by row, and gives what watches the pass,
/// or null; read(batch, hidden [rows, width]) after it, with what the trunk gave. On backends whose memory is the
/// host's.
template <class T, class K, class F, class G, class H>
bool speculate_step(T& model, K& cache, std::vector<Continuation>& all, int chunk, StepMemory& m, F&& next, G&& begin,
                    H&& read) {
  constexpr int vocab = T::model::vocab, width = T::model::width;
  (void)generate_detail::lay_out(all, chunk, m);
  if (m.tokens.empty()) return false;
  Batch batch = generate_detail::batch_of(m);
  if (speculate_detail::reads_tree(all, m)) speculate_detail::branch(all, m, batch);
  const auto room = [](std::vector<float>& memory, int rows, int cols) {
    memory.resize(static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols));
    return Matrix<float>(memory.data(), rows, cols);
  };
  const auto hidden = room(m.hidden, batch.rows, width);
  const auto* const tap = begin(batch);  // before the batch is copied: it may say more of it
  model.hidden(cache, batch, hidden, tap);
  read(batch, hidden);
  int wanted = 0;
  for (std::size_t q = 0; q < all.size(); ++q) {
    all[q].read += m.offsets[q + 1] - m.offsets[q];
    if (m.offsets[q + 1] > m.offsets[q] && all[q].pending() == 0) wanted += all[q].wanted;
  }
  if (wanted == 0) return true;
  // The rows side by side, so that the head's weights are read once.
  const auto picked = room(m.picked, wanted, width), logits = room(m.logits, wanted, vocab);
  int at = 0;  // of these, where a text's begin
  const auto each = [&](auto&& f) {
    at = 0;
    for (std::size_t q = 0; q < all.size(); ++q)
      if (m.offsets[q + 1] > m.offsets[q] && all[q].pending() == 0) {
        const int rows = all[q].wanted;  // what f does may change it
        f(q, rows);
        at += rows;
      }
  };
  each([&](std::size_t q, int rows) {
    const float* from = hidden.data() + static_cast<std::ptrdiff_t>(m.offsets[q + 1] - rows) * width;
    std::memcpy(picked.data() + static_cast<std::ptrdiff_t>(at) * width, from,
                static_cast<std::size_t>(rows) * width * sizeof(float));
  });
  model.head(Matrix<const float>(picked.data(), wanted, width), logits);
  each([&](std::size_t q, int) { next(static_cast<int>(q), logits.data() + static_cast<std::ptrdiff_t>(at) * vocab); });
  return true;
}

}  // namespace fauna::inline v0
