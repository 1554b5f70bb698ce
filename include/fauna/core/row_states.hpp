// A state after each row of a call, and not after the last alone: so that a draft of which some rows stay leaves its
// state behind, without a copy to be put back first and a second pass over these rows.
#pragma once
#include <cstring>
#include <vector>

#include <fauna/core/batch.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// Who keeps states by row (Batch::row_states), in the host's memory: room(user, sequence, part, bytes) is memory for
/// rows + 1 copies of a sequence's part of a state of `bytes` bytes, which stands at `part`; null where they are not
/// wanted of that sequence. Copy 0 is what entered, copy i + 1 what row i of the sequence left.
struct RowStates {
  std::byte* (*room)(void* user, int sequence, const void* part, std::size_t bytes) = nullptr;
  void* user = nullptr;
};

/// A state of `rows` rows for each sequence.
template <class V> struct StatePart {
  V view;
  int rows = 1;
};
template <class V> StatePart(V, int = 1) -> StatePart<V>;

namespace row_states_detail {

/// Of a batch one sequence, or of that some rows: the others have none in this call.
class SomeRows {
 public:
  explicit SomeRows(Batch const& whole)
      : whole_(whole),
        offsets_(static_cast<std::size_t>(whole.sequences) + 1),
        past_(static_cast<std::size_t>(whole.sequences)) {}
  /// Rows [from, to), as if those before them had been read by another call.
  Batch operator()(int sequence, int from, int to) {
    for (int s = 0; s <= whole_.sequences; ++s) offsets_[static_cast<std::size_t>(s)] = s <= sequence ? from : to;
    past_[static_cast<std::size_t>(sequence)] = whole_.before(sequence) + from - whole_.first(sequence);
    Batch b = whole_;
    b.length = 0;
    b.offsets = offsets_.data();
    b.past = past_.data();
    b.row_states = nullptr;
    return b;
  }

 private:
  Batch const& whole_;
  std::vector<int> offsets_, past_;
};

}  // namespace row_states_detail

/// f(batch) moves the given parts of a state on. Where somebody keeps states by row, it is called for one row after
/// another, of a tree with the state that the row continues, and what it leaves is copied. Sequences are one document
/// each then. f goes by the batch's sequences, and takes a sequence of no rows as one that is not there.
template <class F, class... V> void by_row(Batch const& batch, F&& f, StatePart<V> const&... parts) {
  if (batch.row_states == nullptr || !(parts.view && ...)) return f(batch);
  row_states_detail::SomeRows some(batch);
  for (int q = 0; q < batch.sequences; ++q) {
    const int first = batch.first(q), last = batch.last(q);
    if (first == last) continue;
    struct Kept {
      std::byte *part, *copies;
      std::size_t bytes;
      void keep(int i) const { std::memcpy(copies + static_cast<std::size_t>(i) * bytes, part, bytes); }
      void put_back(int i) const { std::memcpy(part, copies + static_cast<std::size_t>(i) * bytes, bytes); }
    };
    const auto kept_of = [&](auto const& p) {
      const auto own = p.view.middle_rows(q * p.rows, p.rows);
      const std::size_t bytes = own.size() * sizeof(*own.data());
      return Kept{reinterpret_cast<std::byte*>(own.data()),
                  batch.row_states->room(batch.row_states->user, q, own.data(), bytes), bytes};
    };
    const Kept all[] = {kept_of(parts)...};
    if (all[0].copies == nullptr) {
      f(some(q, first, last));
      continue;
    }
    for (auto const& k : all) k.keep(0);
    for (int r = first; r < last; ++r) {
      const int from = batch.continues(q, r), copy = from < first ? 0 : from - first + 1;
      if (copy != r - first)
        for (auto const& k : all) k.put_back(copy);
      Batch one = some(q, r, r + 1);
      one.parent = nullptr;
      f(one);
      for (auto const& k : all) k.keep(r - first + 1);
    }
  }
}

}  // namespace fauna::inline v0
