// The states of a cache after each row of a call: what a recurrent state goes back to without reading a row again.
#pragma once
#include <cstring>
#include <string>
#include <vector>

#include <fauna/core/row_states.hpp>
#include <fauna/decode/cache.hpp>
#include <fauna/decode/exits.hpp>
#include <fauna/decode/speculate/rewind.hpp>

namespace fauna::inline v0 {

/// The states that some sequences of a cache had after each row of one call.
template <class K> class StatesByRow {
  using M = typename K::model;

 public:
  /// Throws where this cache cannot go back so.
  static void check(rewinds how) {
    if (how == rewinds::all_states && K::remote)
      fail("speculate", "a rewind by all_states", "auto, copy or replay where the device has the memory");
  }
  /// Are the states after `rows` rows, of a draft that may branch, kept one by one? Of a branch that stays, keys and
  /// values would have to move as well.
  static bool keeps(rewinds how, int rows, bool branches) {
    if (forgets_rows<M> || K::remote || (branches && !ConstantState<M>)) return false;
    return how == rewinds::all_states || (how == rewinds::automatic && rows <= 16);
  }

  /// The call that `batch` is for will keep the states of those sequences for which wants(sequence) is true. What was
  /// kept before is forgotten.
  template <class F> void begin(K& cache, Batch& batch, F&& wants) {
    of_.assign(static_cast<std::size_t>(batch.sequences), {});
    parts_.clear();
    std::size_t bytes = 0;
    for (int q = 0; q < batch.sequences; ++q) {
      const int n = batch.last(q) - batch.first(q);
      if (n == 0 || !wants(q)) continue;
      of_[static_cast<std::size_t>(q)] = {cache.length(q), cache.length(q) + n, parts_.size()};
      cache.each_part(q, [&](auto const& part) {
        parts_.push_back({part.data(), bytes, false});
        bytes += (static_cast<std::size_t>(n) + 1) * part.size() * sizeof(*part.data());
      });
    }
    if (memory_.size() < bytes) memory_.resize(bytes);
    next_ = 0;
    row_states_ = {room, this};
    batch.row_states = &row_states_;
  }
  /// Of a sequence's first `rows` rows, the most after which its state is known; -1: none.
  int nearest(int sequence, int rows) const {
    const auto q = static_cast<std::size_t>(sequence);
    return q >= of_.size() || rows < of_[q].first ? -1 : rows < of_[q].last ? rows : of_[q].last;
  }
  /// The state is that which it was after `rows` rows, and the sequence has `length`: fewer, where they were a tree's.
  void put_back(K& cache, int sequence, int rows, int length) {
    auto& own = of_[static_cast<std::size_t>(sequence)];
    std::size_t at = own.part;
    cache.rewind(sequence, length, [&](auto const& part) {
      Part const& kept = parts_[at++];
      if (!kept.kept) fail("speculate", "a part of a state that no block keeps by row", "by_row where it moves on");
      const std::size_t bytes = part.size() * sizeof(*part.data());
      std::memcpy(part.data(), memory_.data() + kept.offset + static_cast<std::size_t>(rows - own.first) * bytes,
                  bytes);
    });
    own.last = length == rows ? rows : own.first;  // the rows behind are another text's from now on
  }
  void forget(int sequence) {
    if (const auto q = static_cast<std::size_t>(sequence); q < of_.size()) of_[q] = {};
  }

 private:
  struct Rows {
    int first = unbounded, last = -1;  ///< rows that the sequence had before the call, and after it
    std::size_t part = 0;              ///< its first part
  };
  struct Part {
    const void* place;
    std::size_t offset;
    bool kept;
  };
  static std::byte* room(void* self, int, const void* place, std::size_t) {
    auto& s = *static_cast<StatesByRow*>(self);
    // Blocks move their parts on in nearly the order in which they list them.
    for (std::size_t i = 0; i < s.parts_.size(); ++i) {
      Part& p = s.parts_[(s.next_ + i) % s.parts_.size()];
      if (p.place != place) continue;
      s.next_ += i + 1;
      p.kept = true;
      return s.memory_.data() + p.offset;
    }
    return nullptr;
  }

  std::vector<Rows> of_{};
  std::vector<Part> parts_{};
  std::vector<std::byte> memory_{};
  std::size_t next_ = 0;
  RowStates row_states_{};
};

}  // namespace fauna::inline v0
