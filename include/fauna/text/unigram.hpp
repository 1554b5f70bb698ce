// The unigram model of SentencePiece (Kudo 2018, "Subword Regularization", section 3.1; sentencepiece,
// src/unigram_model.cc): of all rows of pieces that spell a text, the one with the greatest sum of scores, found by
// Viterbi's algorithm from each place to the places where a piece ends. A character that no piece covers alone is an
// unknown one, of a score 10 below the least. (Of rows of users' pieces with one sum, such as two and three of a
// character in either order, this takes the one whose last piece is the longest; the reference depends on rounding
// there.)
#pragma once
#include <map>
#include <string_view>
#include <vector>

#include <fauna/text/merges.hpp>

namespace fauna::inline v0 {

class Unigram {
 public:
  Unigram() = default;
  /// Of the pieces that `pieces` finds and for which used(id). score(id, bytes) is that of one of so many bytes;
  /// `least` the least of all. With `f32_sums` sums are rounded to f32, as the reference does, else they are f64, as in
  /// the `tokenizers` package.
  template <class Score, class Used>
  Unigram(Pieces const& pieces, Score&& score, Used&& used, double least, bool f32_sums)
      : unknown_(least - 10), f32_(f32_sums) {
    std::map<std::string_view, int> sorted;
    for (int id = 0; id < pieces.size(); ++id)
      if (pieces.has(id) && pieces.find(pieces[id]) == id && used(id) && !pieces[id].empty()) sorted[pieces[id]] = id;
    std::size_t nodes = 0;
    std::string_view before;
    for (auto const& [text, id] : sorted) {
      std::size_t common = 0;
      while (common < before.size() && common < text.size() && before[common] == text[common]) ++common;
      nodes += text.size() - common;
      before = text;
    }
    children_ = MergeTable(nodes);
    ends_.assign(1, {});
    for (auto const& [text, id] : sorted) {
      int node = 0;
      for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        int child = children_.find(node, byte).id;
        if (child < 0) {
          child = static_cast<int>(ends_.size());
          children_.add(node, byte, child);
          ends_.push_back({});
        }
        node = child;
      }
      ends_[static_cast<std::size_t>(node)] = {id, score(id, text.size())};
    }
  }

  /// known(id) for each token of a text, unknown(std::string_view) for each character without one.
  template <class Known, class Unknown> void encode(std::string_view text, Known&& known, Unknown&& unknown) const {
    struct Best {
      double sum = 0;
      std::size_t from = nowhere, to = nowhere;  // of the last piece; where the path goes on
      int id = -1;
    };
    std::vector<Best> best(text.size() + 1);
    const auto offer = [&](std::size_t from, std::size_t to, double sum, int id) {
      if (best[to].from == nowhere || sum > best[to].sum) best[to] = {rounded(sum), from, nowhere, id};
    };
    for (std::size_t at = 0, next; at < text.size(); at = next) {
      next = at;
      next_code_point(text, next);
      bool alone = false;
      int node = 0;
      for (std::size_t end = at; end < text.size();) {
        node = children_.find(node, static_cast<unsigned char>(text[end++])).id;
        if (node < 0) break;
        End const& e = ends_[static_cast<std::size_t>(node)];
        if (e.id < 0) continue;
        offer(at, end, rounded(best[at].sum + e.score), e.id);
        alone = alone || end == next;
      }
      if (!alone) offer(at, next, rounded(best[at].sum + rounded(unknown_)), -1);
    }
    for (std::size_t at = text.size(); at > 0; at = best[at].from) best[best[at].from].to = at;
    for (std::size_t at = 0; at < text.size(); at = best[at].to) {
      const std::size_t end = best[at].to;
      if (best[end].id >= 0) known(best[end].id);
      else unknown(text.substr(at, end - at));
    }
  }

 private:
  static constexpr std::size_t nowhere = ~std::size_t{0};
  struct End {
    int id = -1;
    double score = 0;
  };
  double rounded(double sum) const { return f32_ ? static_cast<double>(static_cast<float>(sum)) : sum; }

  MergeTable children_;  // of a node, by the byte
  std::vector<End> ends_;
  double unknown_ = 0;
  bool f32_ = false;
};

}  // namespace fauna::inline v0
