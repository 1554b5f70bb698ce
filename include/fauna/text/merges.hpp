// Byte-pair encoding of one word: a vocabulary of byte strings, and which neighbours become one, in which order.
//   Gage 1994; Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units", algorithm 1
// A word starts as its bytes (or characters). Again and again the pair of neighbours with the lowest rank, the leftmost
// of equals, becomes one symbol, until no pair has a rank.
#pragma once
#include <atomic>
#include <cstring>
#include <queue>
#include <string>
#include <string_view>
#include <vector>

#include <fauna/text/utf8.hpp>

namespace fauna::inline v0 {

/// The byte strings of the vocabulary, and an id for each: open addressing, half full at most.
class Pieces {
 public:
  /// The most ids there may be; keeps a damaged file from asking for all memory.
  static constexpr int most = 1 << 24;

  int size() const { return static_cast<int>(spans_.size()); }
  bool has(int id) const { return id >= 0 && id < size() && spans_[static_cast<std::size_t>(id)].size != absent; }
  std::string_view operator[](int id) const {
    const Span s = spans_[static_cast<std::size_t>(id)];
    return std::string_view(bytes_).substr(s.at, s.size);
  }

  /// Gives `id` these bytes. With `findable` false, `find` does not know them.
  void add(int id, std::string_view bytes, bool findable = true) {
    if (id >= size()) spans_.resize(static_cast<std::size_t>(id) + 1);
    spans_[static_cast<std::size_t>(id)] = {bytes_.size(), static_cast<std::uint32_t>(bytes.size())};
    bytes_.append(bytes);
    if (!findable) return;
    if (2 * (++found_ + 1) > slots_.size()) grow();
    place({hash(bytes), id});
  }
  /// The id of these bytes, or -1.
  int find(std::string_view bytes) const {
    if (slots_.empty()) return -1;
    const std::uint32_t h = hash(bytes);
    for (std::size_t i = h & mask();; i = (i + 1) & mask()) {
      if (slots_[i].id < 0) return -1;
      if (slots_[i].hash == h && (*this)[slots_[i].id] == bytes) return slots_[i].id;
    }
  }

 private:
  static constexpr std::uint32_t absent = ~0U;
  struct Span {
    std::size_t at = 0;
    std::uint32_t size = absent;
  };
  struct Slot {
    std::uint32_t hash = 0;
    int id = -1;
  };

  /// Eight bytes at a time: multiply, and fold the high half, which knows all bits below it, onto the low half.
  static std::uint32_t hash(std::string_view s) {
    const auto mix = [](std::uint64_t x) {
      x *= 0x9e3779b97f4a7c15U;
      return x ^ x >> 32;
    };
    std::uint64_t h = s.size(), w = 0;
    std::size_t at = 0;
    for (; at + 8 <= s.size(); at += 8) {
      std::memcpy(&w, s.data() + at, 8);
      h = mix(h ^ w);
    }
    w = 0;
    for (std::size_t i = at; i < s.size(); ++i) w = w << 8 | static_cast<unsigned char>(s[i]);
    return static_cast<std::uint32_t>(mix(h ^ w));
  }
  std::size_t mask() const { return slots_.size() - 1; }
  void place(Slot s) {
    std::size_t i = s.hash & mask();
    while (slots_[i].id >= 0) i = (i + 1) & mask();
    slots_[i] = s;
  }
  void grow() {
    std::vector<Slot> old(slots_.empty() ? 1024 : 2 * slots_.size());
    old.swap(slots_);
    for (Slot const& s : old)
      if (s.id >= 0) place(s);
  }

  std::string bytes_;
  std::vector<Span> spans_;  // by id
  std::vector<Slot> slots_;
  std::size_t found_ = 0;
};

/// Which two ids become which third, and how early.
class MergeTable {
 public:
  struct Merge {
    std::uint32_t rank;
    int id;
  };
  static constexpr std::uint32_t none = ~0U;  // the rank of a pair that does not merge; its id is -1

  /// Room for `count` merges, none of them added yet.
  explicit MergeTable(std::size_t count = 0) {
    std::size_t size = 16;
    while (size < 2 * count) size *= 2;
    slots_.resize(size);
  }
  /// The rank is the number of merges before it. Of two merges of one pair the later counts, as in the reference.
  void add(int left, int right, int id) { add(left, right, id, count_++); }
  /// With this rank, which other merges may have too.
  void add(int left, int right, int id, std::uint32_t rank) {
    slots_[slot(key(left, right))] = {key(left, right), {rank, id}};
  }
  Merge find(int left, int right) const { return slots_[slot(key(left, right))].merge; }

 private:
  struct Slot {
    std::uint64_t key = ~0U;  // no pair: its left id would be 0, its right id too large
    Merge merge{none, -1};
  };
  static std::uint64_t key(int left, int right) {
    return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
  }
  std::size_t slot(std::uint64_t k) const {
    std::uint64_t h = k * 0x9e3779b97f4a7c15U;
    h ^= h >> 32;
    std::size_t i = h & (slots_.size() - 1);
    while (slots_[i].key != k && slots_[i].merge.id >= 0) i = (i + 1) & (slots_.size() - 1);
    return i;
  }

  std::vector<Slot> slots_;
  std::uint32_t count_ = 0;
};

/// Merges a short word in place, `ids` its `n` symbols; returns how many are left. O(n^2), without a heap.
inline std::size_t merge_short(MergeTable const& table, int* ids, std::size_t n, MergeTable::Merge* pairs) {
  if (n == 0) return 0;
  for (std::size_t i = 0; i + 1 < n; ++i) pairs[i] = table.find(ids[i], ids[i + 1]);
  for (;;) {
    std::size_t best = 0;
    std::uint32_t rank = MergeTable::none;
    for (std::size_t i = 0; i + 1 < n; ++i)
      if (pairs[i].rank < rank) {
        rank = pairs[i].rank;
        best = i;
      }
    if (rank == MergeTable::none) return n;
    ids[best] = pairs[best].id;
    --n;
    for (std::size_t i = best + 1; i < n; ++i) {
      ids[i] = ids[i + 1];
      pairs[i - 1] = pairs[i];
    }
    if (best > 0) pairs[best - 1] = table.find(ids[best - 1], ids[best]);
    if (best + 1 < n) pairs[best] = table.find(ids[best], ids[best + 1]);
  }
}

/// The same for a word of any length: a linked list of symbols and a heap of pairs, O(n log n). The heap keeps pairs
/// that have changed since; they are told by their rank. (Where pairs share it, what now stands there is as good.)
inline std::size_t merge_long(MergeTable const& table, int* ids, std::size_t n) {
  constexpr std::uint32_t end = ~0U;
  if (n >= end) fail("text", "a word of " + std::to_string(n) + " symbols", "less than 2^32");
  struct Link {
    std::uint32_t before, after;
  };
  std::vector<Link> links(n);
  std::priority_queue<std::uint64_t>
      pairs;  // ~(rank, position): the largest is the lowest rank, the leftmost of equals
  const auto offer = [&](std::uint32_t left, std::uint32_t right) {
    const MergeTable::Merge m = table.find(ids[left], ids[right]);
    if (m.id >= 0) pairs.push(~(std::uint64_t{m.rank} << 32 | left));
  };
  for (std::uint32_t i = 0; i < n; ++i) {
    links[i] = {i == 0 ? end : i - 1, i + 1 == n ? end : i + 1};
    if (i > 0) offer(i - 1, i);
  }
  while (!pairs.empty()) {
    const std::uint64_t top = ~pairs.top();
    pairs.pop();
    const auto at = static_cast<std::uint32_t>(top);
    const std::uint32_t next = links[at].after;
    if (ids[at] < 0 || next == end) continue;
    const MergeTable::Merge m = table.find(ids[at], ids[next]);
    if (m.rank != top >> 32) continue;
    ids[at] = m.id;
    ids[next] = -1;  // consumed
    links[at].after = links[next].after;
    if (links[at].after != end) {
      links[links[at].after].before = at;
      offer(at, links[at].after);
    }
    if (links[at].before != end) offer(links[at].before, at);
  }
  std::size_t left = 0;
  for (std::size_t i = 0; i < n; ++i)
    if (ids[i] >= 0) ids[left++] = ids[i];
  return left;
}

/// Up to so many symbols the first is the quicker one, and needs no memory but the stack's.
inline constexpr std::size_t short_word = 48;

/// Merges the symbols of a word by whichever of the two suits its length; appends what is left to `ids`.
inline void merge_word(MergeTable const& table, int* symbols, std::size_t n, std::vector<int>& ids) {
  MergeTable::Merge pairs[short_word];
  n = n <= short_word ? merge_short(table, symbols, n, pairs) : merge_long(table, symbols, n);
  ids.insert(ids.end(), symbols, symbols + n);
}

/// What threads note down about each piece of the vocabulary as they come to know it. Two may find out the same thing
/// at the same time and write the same answer.
class Notes {
 public:
  enum note : std::uint8_t { unknown, whole, parts };

  explicit Notes(std::size_t n = 0) : notes_(n) {}
  note operator[](int id) const {
    return static_cast<note>(notes_[static_cast<std::size_t>(id)].value.load(std::memory_order_relaxed));
  }
  void set(int id, note n) { notes_[static_cast<std::size_t>(id)].value.store(n, std::memory_order_relaxed); }

 private:
  struct Note {
    std::atomic<std::uint8_t> value{unknown};
    Note() = default;
    Note(Note const& other) : value(other.value.load(std::memory_order_relaxed)) {}
    Note& operator=(Note const& other) {
      value.store(other.value.load(std::memory_order_relaxed), std::memory_order_relaxed);
      return *this;
    }
  };
  std::vector<Note> notes_;
};

}  // namespace fauna::inline v0
