// Prompt lookup (Saxena 2023; Yang et al. 2023, "Inference with reference: lossless acceleration of large language
// models"): where the text has been at the same words before, it may go on as it did then.
#pragma once
#include <string>
#include <vector>

#include <fauna/core/error.hpp>
#include <fauna/decode/speculate/suffix_automaton.hpp>

namespace fauna::inline v0 {

/// Finds the longest suffix of the text, of at most `longest` tokens and no fewer than `shortest`, that the text,
/// prompt included, has before; of several places the latest; and proposes what stood behind it. A match that reaches
/// into itself goes round. Looks through the text for it, or where that is long, `indexed` tokens or more, keeps a
/// suffix automaton, which finds the same.
class NgramDrafter {
 public:
  explicit NgramDrafter(int longest = 8, int shortest = 2, std::size_t indexed = 4096)
      : longest_(longest), shortest_(shortest), indexed_(indexed), index_(longest) {
    if (shortest < 1 || longest < shortest)
      fail("n-gram drafter", std::to_string(shortest) + " to " + std::to_string(longest) + " tokens",
           "at least 1, the longest no shorter than the shortest");
  }

  template <class F> void propose(std::vector<int>& text, int most, F&&) {
    const std::size_t from = text.size() < indexed_ ? look_through(text) : look_up(text);
    for (std::size_t i = 0; i < static_cast<std::size_t>(most) && from > 0; ++i) text.push_back(text[from + i]);
  }

 private:
  /// Where the text went on, or 0.
  std::size_t look_through(std::vector<int> const& text) const {
    const std::size_t n = text.size();
    std::size_t best = static_cast<std::size_t>(shortest_) - 1, from = 0;
    const auto longest = static_cast<std::size_t>(longest_);
    for (std::size_t end = n > 0 ? n - 1 : 0; end > best && best < longest; --end) {
      std::size_t same = 0;
      while (same < end && same < longest && text[end - 1 - same] == text[n - 1 - same]) ++same;
      if (same <= best) continue;
      best = same;
      from = end;
    }
    return from;
  }
  std::size_t look_up(std::vector<int> const& text) {
    std::size_t same = 0;
    while (same < text.size() && same < known_.size() && text[same] == known_[same]) ++same;
    if (same < known_.size()) {  // another text
      index_ = SuffixAutomaton(longest_);
      known_.clear();
    }
    for (std::size_t i = known_.size(); i < text.size(); ++i) index_.push(text[i]);
    known_ = text;
    const auto match = index_.match();
    return match.length >= shortest_ ? static_cast<std::size_t>(match.end) : 0;
  }

  int longest_, shortest_;
  std::size_t indexed_;
  SuffixAutomaton index_;
  std::vector<int> known_{};  ///< what is in it
};

}  // namespace fauna::inline v0
