// What followed some tokens, in whatever texts there were: a pool of n-grams that outlives a text and a program (the
// pool of Fu et al. 2024, "Lookahead decoding", section 3, filled by texts themselves).
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <fauna/core/label.hpp>
#include <fauna/io/file.hpp>

namespace fauna::inline v0 {

/// A table of 2^bits entries by the hash of the last 8, 5 or 3 tokens, each with the token that followed; where several
/// did, the one that does most of late. It learns from each text that it is asked about, and proposes what followed the
/// most tokens, again and again. 12 bytes an entry, and no more however long it learns.
class PoolDrafter {
 public:
  static constexpr int least_bits = 4, most_bits = 28;

  /// vocabulary: a hash of what the ids mean, which a file remembers.
  explicit PoolDrafter(int bits = 18, std::uint64_t vocabulary = 0) : vocabulary_(vocabulary), bits_(bits) {
    if (bits < least_bits || bits > most_bits)
      fail("pool", std::to_string(bits) + " bits", std::to_string(least_bits) + " to " + std::to_string(most_bits));
    entries_.resize(std::size_t{1} << bits);
  }
  /// As save() wrote it, of the same vocabulary.
  static PoolDrafter from_file(std::string const& path, std::uint64_t vocabulary = 0) {
    const std::string in = read_file(path);
    Head h{};
    if (in.size() >= sizeof h) std::memcpy(&h, in.data(), sizeof h);
    if (std::memcmp(h.name, Head{}.name, sizeof h.name) != 0 || h.bits < least_bits || h.bits > most_bits)
      fail("pool", path + " is no pool of n-grams", "a file that a pool was saved to");
    PoolDrafter pool(static_cast<int>(h.bits), vocabulary);
    const std::size_t bytes = pool.entries_.size() * sizeof(Entry);
    if (in.size() != sizeof h + bytes)
      fail("pool", path + " has " + std::to_string(in.size()) + " bytes", std::to_string(sizeof h + bytes),
           "was it cut short?");
    if (h.check != text_hash({in.data() + sizeof h, bytes}))
      fail("pool", path + " does not have the checksum that it says", "the bytes that were saved");
    if (h.vocabulary != vocabulary)
      fail("pool", path + " is of another vocabulary", "the model's",
           "the same ids would mean other texts; a pool belongs to a tokenizer");
    std::memcpy(static_cast<void*>(pool.entries_.data()), in.data() + sizeof h, bytes);
    return pool;
  }
  /// The file appears whole or not at all.
  void save(std::string const& path) const {
    Head h{};
    const std::size_t bytes = entries_.size() * sizeof(Entry);
    h.bits = static_cast<std::uint64_t>(bits_);
    h.vocabulary = vocabulary_;
    h.check = text_hash({reinterpret_cast<const char*>(entries_.data()), bytes});
    NewFile out(path);
    out.write(&h, sizeof h);
    out.write(entries_.data(), bytes);
    out.commit();
  }

  template <class F> void propose(std::vector<int>& text, int most, F&&) { propose_after(known_, text, most); }
  /// The same of one text of several. known: what was learnt of it before, at first nothing.
  void propose_after(std::vector<int>& known, std::vector<int>& text, int most) {
    learn(known, text);
    for (int i = 0; i < most; ++i) {
      const int next = after(text);
      if (next < 0) break;
      text.push_back(next);
    }
  }
  /// What of a text was not known yet.
  void learn(std::vector<int> const& text) { learn(known_, text); }
  void learn(std::vector<int>& known, std::vector<int> const& text) {
    std::size_t n = 0;
    while (n < text.size() && n < known.size() && text[n] == known[n]) ++n;
    for (; n < text.size(); ++n)
      for (const std::size_t order : orders)
        if (n >= order) note(hash(text.data() + n, order), text[n]);
    known = text;
  }

 private:
  static constexpr std::size_t orders[] = {8, 5, 3};
  struct Entry {
    std::uint32_t tag = 0;  ///< of the hash, what the place in the table does not say
    std::int32_t next = -1;
    std::int32_t count = 0;  ///< how often it followed, less how often another did
  };
  struct Head {
    char name[8] = {'n', '-', 'g', 'r', 'a', 'm', 's', '1'};
    std::uint64_t bits = 0, vocabulary = 0, check = 0;
  };

  /// Of the n tokens before `end`.
  static std::uint64_t hash(const int* end, std::size_t n) {
    std::uint64_t h = n;
    for (std::size_t i = n; i > 0; --i) {
      h = (h ^ static_cast<std::uint32_t>(end[-static_cast<std::ptrdiff_t>(i)])) * 0x9E3779B97F4A7C15ULL;
      h ^= h >> 29;
    }
    return h;
  }
  std::size_t place(std::uint64_t h) const { return static_cast<std::size_t>(h >> (64 - bits_)); }
  void note(std::uint64_t h, int next) {
    Entry& e = entries_[place(h)];
    const auto tag = static_cast<std::uint32_t>(h);
    if (e.tag == tag && e.next == next) {
      e.count += e.count < most_count;
    } else if (--e.count <= 0) {
      e = {tag, next, 1};
    }
  }
  int after(std::vector<int> const& text) const {
    for (const std::size_t order : orders) {
      if (text.size() < order) continue;
      const std::uint64_t h = hash(text.data() + text.size(), order);
      Entry const& e = entries_[place(h)];
      if (e.next >= 0 && e.tag == static_cast<std::uint32_t>(h)) return e.next;
    }
    return -1;
  }

  static constexpr int most_count = 8;
  std::uint64_t vocabulary_;
  int bits_;
  std::vector<Entry> entries_{};
  std::vector<int> known_{};  ///< the last text that was learnt
};

/// One of several drafters, each of a text of its own, that draft from one pool and fill it together. It is referred
/// to.
class SharedPool {
 public:
  explicit SharedPool(PoolDrafter& pool) : pool_(&pool) {}
  template <class F> void propose(std::vector<int>& text, int most, F&&) { pool_->propose_after(known_, text, most); }

 private:
  PoolDrafter* pool_;
  std::vector<int> known_{};
};

}  // namespace fauna::inline v0
