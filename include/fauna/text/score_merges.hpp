// Byte-pair encoding by scores (sentencepiece, src/bpe_model.cc; Sennrich et al. 2016): of all neighbours that together
// are a piece, those whose piece has the best score, the leftmost of equals, become one symbol, until none are. It
// starts from characters; one that is no piece is a symbol too, and may be part of one.
#pragma once
#include <map>
#include <string_view>
#include <vector>

#include <fauna/text/merges.hpp>
#include <fauna/text/sentence_rules.hpp>

namespace fauna::inline v0 {

class ScoreMerges {
 public:
  ScoreMerges() = default;
  /// Of the pieces that `pieces` finds. score(id) is one's score; where unused(id), it is merged, but comes apart again
  /// into the two that it was made of.
  template <class Score, class Unused> ScoreMerges(Pieces const& pieces, Score&& score, Unused&& unused) {
    std::map<double, std::uint32_t> ranks;  // by the score, negated: the best comes first
    const auto findable = [&](int id) { return pieces.has(id) && pieces.find(pieces[id]) == id; };
    for (int id = 0; id < pieces.size(); ++id)
      if (findable(id)) ranks[-score(id)] = 0;
    std::uint32_t rank = 0;
    for (auto& r : ranks) r.second = rank++;
    struct Merge {
      int left, right, id;
    };
    std::vector<Merge> merges;
    for (int id = 0; id < pieces.size(); ++id) {
      if (!findable(id)) continue;
      const std::string_view piece = pieces[id];
      bool text = false;
      std::size_t at = 0;
      for (next_code_point(piece, at); at < piece.size(); next_code_point(piece, at)) {
        const std::string_view left = piece.substr(0, at), right = piece.substr(at);
        text = text || left.substr(left.size() < 3 ? 0 : left.size() - 3) != space_mark;
        mark_inside_ = mark_inside_ || (text && right.substr(0, 3) == space_mark);
        const int a = symbol(pieces, left), b = symbol(pieces, right);
        if (a >= 0 && b >= 0) merges.push_back({a, b, id});
      }
    }
    table_ = MergeTable(merges.size());
    for (Merge const& m : merges) table_.add(m.left, m.right, m.id, ranks[-score(m.id)]);
    for (int id = 0; id < pieces.size(); ++id)
      if (findable(id) && unused(id)) take_apart(pieces, id);
  }

  /// Calls word(std::string_view) for parts of a text that no merge crosses: at U+2581 after something else, where no
  /// piece has it inside.
  template <class F> void words(std::string_view text, F&& word) const {
    std::size_t begin = 0;
    for (std::size_t at = 3; !mark_inside_ && (at = text.find(space_mark, at)) != std::string_view::npos; at += 3)
      if (text.substr(at - 3, 3) != space_mark) {
        if (at > begin) word(text.substr(begin, at - begin));
        begin = at;
      }
    if (begin < text.size()) word(text.substr(begin));
  }

  /// known(id) for each token of a word, unknown(std::string_view) for each character without one.
  template <class Known, class Unknown>
  void encode(Pieces const& pieces, std::string_view word, Known&& known, Unknown&& unknown) const {
    std::vector<int> symbols, merged;
    for (std::size_t at = 0; at < word.size();) {
      const std::size_t begin = at;
      next_code_point(word, at);
      symbols.push_back(symbol(pieces, word.substr(begin, at - begin)));
    }
    merge_word(table_, symbols.data(), symbols.size(), merged);
    for (const int s : merged) put(s, known, unknown);
  }

 private:
  /// The symbols of characters without a piece: this, and the code point.
  static constexpr int outside = 1 << 25;
  static_assert(outside > Pieces::most);

  /// -1 for what is neither a piece nor a character.
  static int symbol(Pieces const& pieces, std::string_view text) {
    if (const int id = pieces.find(text); id >= 0) return id;
    std::size_t end = 0;
    const char32_t c = next_code_point(text, end);
    return end == text.size() ? outside + static_cast<int>(c) : -1;
  }
  template <class Known, class Unknown> void put(int s, Known&& known, Unknown&& unknown) const {
    if (s >= outside) {
      std::string character;
      append_code_point(character, static_cast<char32_t>(s - outside));
      return unknown(character);
    }
    const auto halves = unused_.find(s);
    if (halves == unused_.end()) return known(s);
    put(halves->second.left, known, unknown);
    put(halves->second.right, known, unknown);
  }
  /// Notes the last two symbols that merging makes an unused piece of. (The reference notes the two that it last
  /// thought of anywhere in a text, which are others only where the same piece comes about in two ways.)
  void take_apart(Pieces const& pieces, int id) {
    const std::string_view text = pieces[id];
    std::vector<int> s;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t begin = at;
      next_code_point(text, at);
      s.push_back(symbol(pieces, text.substr(begin, at - begin)));
    }
    while (s.size() > 2) {
      std::size_t best = 0;
      for (std::size_t i = 1; i + 1 < s.size(); ++i)
        if (table_.find(s[i], s[i + 1]).rank < table_.find(s[best], s[best + 1]).rank) best = i;
      const MergeTable::Merge m = table_.find(s[best], s[best + 1]);
      if (m.id < 0) return;
      s[best] = m.id;
      s.erase(s.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
    if (s.size() == 2 && table_.find(s[0], s[1]).id == id) unused_[id] = {s[0], s[1]};
  }

  struct Halves {
    int left, right;
  };
  MergeTable table_;
  std::map<int, Halves> unused_;
  bool mark_inside_ = false;
};

}  // namespace fauna::inline v0
