// Prompt lookup (Saxena 2023; Yang et al. 2023, "Inference with reference: lossless acceleration of large language
// models"): where the text has been at the same words before, it may go on as it did then.
#pragma once
#include <string>
#include <vector>

#include <fauna/core/error.hpp>

namespace fauna::inline v0 {

/// Finds the longest suffix of the text, of at most `longest` tokens and no fewer than `shortest`, that the text,
/// prompt included, has before; of several places the latest; and proposes what stood behind it. A match that reaches
/// into itself goes round. Looks at each place once: O(text) a proposal, without memory.
class NgramDrafter {
 public:
  explicit NgramDrafter(int longest = 8, int shortest = 2) : longest_(longest), shortest_(shortest) {
    if (shortest < 1 || longest < shortest)
      fail("n-gram drafter", std::to_string(shortest) + " to " + std::to_string(longest) + " tokens",
           "at least 1, the longest no shorter than the shortest");
  }

  template <class F> void propose(std::vector<int>& text, int most, F&&) const {
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
    if (from == 0) return;
    for (std::size_t i = 0; i < static_cast<std::size_t>(most); ++i) text.push_back(text[from + i]);
  }

 private:
  int longest_, shortest_;
};

}  // namespace fauna::inline v0
