// The states of a cache after each row of a call: what a recurrent state goes back to without reading a row again.
#pragma once
#include <string>
#include <vector>

#include <fauna/core/row_states.hpp>
#include <fauna/decode/cache.hpp>
#include <fauna/decode/exits.hpp>
#include <fauna/decode/speculate/rewind.hpp>

namespace fauna::inline v0 {

/// The states that some sequences of a cache had after each row of one call, or what they are made of.
template <class K> class StatesByRow {
  using M = typename K::model;

 public:
  /// Throws where this cache cannot go back so.
  static void check(rewinds how) {
    if (K::remote && (how == rewinds::all_states || how == rewinds::factors))
      fail("speculate", how == rewinds::factors ? "a rewind by factors" : "a rewind by all_states",
           "auto, copy or replay where the device has the memory");
  }
  /// Are the states after `rows` rows, of a draft that may branch, kept one by one? Of a branch that stays, keys and
  /// values would have to move as well.
  static bool keeps(rewinds how, int rows, bool branches) {
    if (forgets_rows<M> || K::remote || (branches && !ConstantState<M>)) return false;
    return how == rewinds::all_states || how == rewinds::factors || (how == rewinds::automatic && rows <= 16);
  }

  /// The call that `batch` is for will keep the states of those sequences for which wants(sequence) is true. What was
  /// kept before is forgotten. Until a sequence is forgotten, or put back for the last time, the model neither moves
  /// nor ends: factors refer to its weights and to its scratch.
  template <class F> void begin(rewinds how, K& cache, Batch& batch, F&& wants) {
    of_.resize(static_cast<std::size_t>(batch.sequences));
    for (int q = 0; q < batch.sequences; ++q) {
      Rows& own = of_[static_cast<std::size_t>(q)];
      own.forget();
      const int first = batch.first(q), n = batch.last(q) - first;
      if (n == 0 || !wants(q)) continue;
      own.first = cache.length(q);
      own.last = own.first + n;
      own.before.clear();
      for (int r = first; r < first + n; ++r) {
        const int before = batch.continues(q, r);
        own.before.push_back(before < first ? -1 : before - first);
      }
      std::size_t i = 0;
      cache.each_part(q, [&](auto const& part) {
        if (own.parts.size() == i) own.parts.emplace_back();
        own.parts[i].place = part.data();
        own.parts[i++].back = nullptr;
      });
      own.next = 0;
    }
    row_states_ = {room, this, how != rewinds::all_states};
    batch.row_states = &row_states_;
  }
  /// Of a sequence's first `rows` rows, the most after which its state is known; -1: none.
  int nearest(int sequence, int rows) const {
    const auto q = static_cast<std::size_t>(sequence);
    return q >= of_.size() || rows < of_[q].first ? -1 : rows < of_[q].last ? rows : of_[q].last;
  }
  /// The state is that which it was after `rows` rows, and the sequence has `length`: fewer, where they were a tree's.
  void put_back(K& cache, int sequence, int rows, int length) {
    Rows& own = of_[static_cast<std::size_t>(sequence)];
    const std::vector<int> path = own.path(rows - own.first - 1);
    std::size_t i = 0;
    cache.rewind(sequence, length, [&](auto const& part) {
      Part& p = own.parts[i++];
      if (p.back == nullptr)
        fail("speculate", "a part of a state that no block keeps by row", "by_row where it moves on");
      p.back(p.memory(), part.data(), path.data(), static_cast<int>(path.size()));
    });
    own.last = length == rows ? rows : own.first;  // the rows behind are another text's from now on
  }
  void forget(int sequence) {
    if (const auto q = static_cast<std::size_t>(sequence); q < of_.size()) of_[q].forget();
  }
  /// What is kept now, of all sequences.
  std::size_t bytes() const {
    std::size_t n = 0;
    for (Rows const& own : of_)
      for (std::size_t i = 0; own.last >= 0 && i < own.parts.size(); ++i) n += own.parts[i].bytes;
    return n;
  }

 private:
  struct Line {
    alignas(alignment) std::byte bytes[alignment];
  };
  struct Part {
    const void* place = nullptr;
    RowStates::Back back = nullptr;
    std::size_t bytes = 0;  ///< of kept, which does not become smaller
    std::vector<Line> kept{};
    std::byte* memory() { return reinterpret_cast<std::byte*>(kept.data()); }
  };
  struct Rows {
    int first = unbounded, last = -1;  ///< rows that the sequence had before the call, and after it
    std::vector<int> before{};         ///< of the call's rows, which of them each continues; -1: what entered
    std::vector<Part> parts{};
    std::size_t next = 0;
    void forget() { first = unbounded, last = -1; }
    /// The rows up to this one, each of which continues the one before.
    std::vector<int> path(int row) const {
      std::vector<int> all;
      for (int r = row; r >= 0; r = before[static_cast<std::size_t>(r)]) all.push_back(r);
      return {all.rbegin(), all.rend()};
    }
  };
  static std::byte* room(void* self, int sequence, const void* place, std::size_t bytes, RowStates::Back back) {
    Rows& own = static_cast<StatesByRow*>(self)->of_[static_cast<std::size_t>(sequence)];
    // Blocks move their parts on in nearly the order in which they list them.
    for (std::size_t i = 0; own.last >= 0 && i < own.parts.size(); ++i) {
      Part& p = own.parts[(own.next + i) % own.parts.size()];
      if (p.place != place) continue;
      own.next += i + 1;
      p.back = back;
      p.bytes = bytes;
      if (const std::size_t lines = aligned(bytes) / alignment; p.kept.size() < lines) p.kept.resize(lines);
      return p.memory();
    }
    return nullptr;
  }

  std::vector<Rows> of_{};
  RowStates row_states_{};
};

}  // namespace fauna::inline v0
