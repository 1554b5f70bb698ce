// Learns a byte-level BPE vocabulary from texts: again and again the most frequent pair of neighbours within words
// becomes a token.
//   Gage 1994; Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units", section 3.2;
//   Radford et al. 2019, section 2.2, for bytes
// The ids are those of the `tokenizers` package's BpeTrainer with the whole alphabet of bytes: special tokens first,
// then bytes in the order of GPT-2's alphabet, then merges as they are found; of equally frequent pairs the one with
// the smaller ids.
//
//   BpeTrainer trainer;
//   trainer.add_lines(text);
//   const BpeSettings learnt = trainer.train(4096);      Bpe(learnt), tokenizer_json_text(learnt)
#pragma once
#include <queue>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fauna/text/bpe_bytes.hpp>
#include <fauna/text/merges.hpp>
#include <fauna/text/pretokenize.hpp>
#include <fauna/text/tokenizer_json.hpp>
#include <fauna/text/utf8.hpp>

namespace fauna::inline v0 {

class BpeTrainer {
 public:
  /// What cuts texts into words, within which tokens stay; and tokens of their own, found in no text here.
  explicit BpeTrainer(std::vector<SplitStep> steps = {{split_rule::gpt2}}, std::vector<std::string> special = {})
      : steps_(std::move(steps)), special_(std::move(special)) {}

  /// Counts the words of a text. Throws on invalid UTF-8.
  void add(std::string_view text) {
    require_utf8(text);
    split_words(text, steps_.data(), steps_.data() + steps_.size(), [this](std::string_view word) {
      int id = words_.find(word);
      if (id < 0) {
        id = words_.size();
        words_.add(id, word);
        counts_.push_back(0);
      }
      ++counts_[static_cast<std::size_t>(id)];
    });
  }
  /// The same of each line with its end, as the reference reads files: no word goes on in the next line.
  void add_lines(std::string_view text) {
    for (std::size_t at = 0, end; at < text.size(); at = end) {
      end = text.find('\n', at);
      end = end == std::string_view::npos ? text.size() : end + 1;
      add(text.substr(at, end - at));
    }
  }
  /// Different words so far.
  int words() const { return words_.size(); }

  /// The special tokens, 256 bytes, and merges of pairs that stand at least `least` times in the texts, until there are
  /// `vocab` tokens; fewer where the texts have no more. see(tokens so far) is called with each.
  template <class F> BpeSettings train(int vocab, long least, F&& see) const {
    const int fixed = 256 + static_cast<int>(special_.size());
    if (vocab < fixed)
      fail("tokenizer", "a vocabulary of " + std::to_string(vocab) + " tokens",
           "at least " + std::to_string(fixed) + ": 256 bytes and " + std::to_string(special_.size()) +
               " special tokens");
    Learning l(*this);
    while (l.pieces.size() < vocab && l.merge(least < 1 ? 1 : least)) see(l.pieces.size());
    return settings(l);
  }
  BpeSettings train(int vocab, long least = 1) const {
    return train(vocab, least, [](int) {});
  }

 private:
  using Pair = std::pair<int, int>;
  struct PairHash {
    std::size_t operator()(Pair const& p) const {
      return (static_cast<std::size_t>(p.first) << 32 | static_cast<std::size_t>(p.second)) * 0x9e3779b97f4a7c15U >> 16;
    }
  };
  /// A pair with what it was counted as when it came here, and the words that it was found in then.
  struct Candidate {
    long count;
    Pair pair;
    std::vector<int> words{};
    bool operator<(Candidate const& o) const { return count != o.count ? count < o.count : o.pair < pair; }
  };

  /// Words as tokens, while pairs of them become one.
  struct Learning {
    explicit Learning(BpeTrainer const& t) : counts(t.counts_) {
      for (std::string const& s : t.special_) pieces.add(pieces.size(), s);
      int byte_ids[256] = {};
      for (const int byte : bpe::byte_of_character) {
        if (byte < 0) continue;
        const char c = static_cast<char>(byte);
        byte_ids[byte] = pieces.size();
        pieces.add(pieces.size(), {&c, 1});
      }
      std::unordered_map<Pair, std::vector<int>, PairHash> found;
      for (int w = 0; w < t.words_.size(); ++w) {
        std::vector<int>& ids = words.emplace_back();
        for (const char c : t.words_[w]) ids.push_back(byte_ids[static_cast<unsigned char>(c)]);
        for (std::size_t i = 1; i < ids.size(); ++i)
          count({ids[i - 1], ids[i]}, w, counts[static_cast<std::size_t>(w)], found);
      }
      push(found);
    }

    /// Makes a token of the best pair; false where none is frequent enough.
    bool merge(long least) {
      for (;;) {
        if (queue.empty()) return false;
        Candidate best = queue.top();
        queue.pop();
        const long now = pairs[best.pair];
        if (best.count != now) {  // other merges have taken some
          best.count = now;
          queue.push(std::move(best));
          continue;
        }
        if (best.count < least) return false;
        const auto [a, b] = best.pair;
        const std::string text = std::string(pieces[a]) + std::string(pieces[b]);
        int id = pieces.find(text);
        if (id < 0) pieces.add(id = pieces.size(), text);
        merges.push_back(best.pair);
        std::unordered_map<Pair, std::vector<int>, PairHash> found;
        for (const int w : best.words) replace(w, best.pair, id, found);
        push(found);
        return true;
      }
    }

    /// A pair is in a word, so many times more often.
    void count(Pair pair, int word, long times, std::unordered_map<Pair, std::vector<int>, PairHash>& found) {
      pairs[pair] += times;
      if (times < 0) return;
      std::vector<int>& in = found[pair];
      if (in.empty() || in.back() != word) in.push_back(word);
    }
    void push(std::unordered_map<Pair, std::vector<int>, PairHash>& found) {
      for (auto& [pair, in] : found)
        if (const long n = pairs[pair]; n > 0) queue.push({n, pair, std::move(in)});
    }
    /// In a word, each pair from the left becomes one; its neighbours are in other pairs then.
    void replace(int w, Pair pair, int id, std::unordered_map<Pair, std::vector<int>, PairHash>& found) {
      std::vector<int>& ids = words[static_cast<std::size_t>(w)];
      const long times = counts[static_cast<std::size_t>(w)];
      std::size_t to = 0;
      for (std::size_t at = 0; at < ids.size(); ++at) {
        if (at + 1 == ids.size() || Pair{ids[at], ids[at + 1]} != pair) {
          ids[to++] = ids[at];
          continue;
        }
        if (to > 0) {
          count({ids[to - 1], pair.first}, w, -times, found);
          count({ids[to - 1], id}, w, times, found);
        }
        if (at + 2 < ids.size()) {
          count({pair.second, ids[at + 2]}, w, -times, found);
          count({id, ids[at + 2]}, w, times, found);
        }
        ids[to++] = id;
        ++at;
      }
      ids.resize(to);
    }

    std::vector<long> const& counts;
    Pieces pieces{};
    std::vector<std::vector<int>> words{};
    std::unordered_map<Pair, long, PairHash> pairs{};
    std::priority_queue<Candidate> queue{};
    std::vector<Pair> merges{};
  };

  /// Bytes in GPT-2's alphabet.
  static std::string spelt(std::string_view bytes) {
    static const auto characters = [] {
      std::vector<std::string> all(256);
      for (std::size_t c = 0; c < bpe::byte_of_character.size(); ++c)
        if (const int byte = bpe::byte_of_character[c]; byte >= 0)
          append_code_point(all[static_cast<std::size_t>(byte)], static_cast<char32_t>(c));
      return all;
    }();
    std::string s;
    for (const char c : bytes) s += characters[static_cast<unsigned char>(c)];
    return s;
  }
  BpeSettings settings(Learning const& l) const {
    BpeSettings s;
    s.source = "the tokenizer that was learnt";
    s.byte_level = s.decode_byte_level = true;
    s.steps = steps_;
    const auto put = [&s](std::string const& text) {
      s.strings += text;
      return s.strings.size();
    };
    const int special = static_cast<int>(special_.size());
    for (int id = 0; id < l.pieces.size(); ++id) {
      const std::size_t at = s.strings.size();
      s.vocab.push_back({at, put(id < special ? std::string(l.pieces[id]) : spelt(l.pieces[id])), id});
      if (id < special) s.added.push_back({.content = std::string(l.pieces[id]), .id = id, .special = true});
    }
    for (auto const& [a, b] : l.merges) {
      const std::size_t left = s.strings.size(), right = put(spelt(l.pieces[a]));
      s.merges.push_back({left, right, put(spelt(l.pieces[b]))});
    }
    return s;
  }

  std::vector<SplitStep> steps_;
  std::vector<std::string> special_;
  Pieces words_{};
  std::vector<long> counts_{};
};

}  // namespace fauna::inline v0
