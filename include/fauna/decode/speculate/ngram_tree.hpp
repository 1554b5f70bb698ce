// Prompt lookup with several places at once: what stood behind the same words before, merged where it is the same.
#pragma once
#include <string>
#include <vector>

#include <fauna/decode/speculate/tree.hpp>

namespace fauna::inline v0 {

/// Up to `branches` continuations of the text's last tokens, of the longest suffixes first and of these the latest, with
/// their common beginnings in common. Looks at each place of the text once.
class NgramTree {
 public:
  explicit NgramTree(int branches = 3, int longest = 8, int shortest = 1)
      : branches_(branches), longest_(longest), shortest_(shortest) {
    if (branches < 1 || shortest < 1 || longest < shortest)
      fail("n-gram tree",
           std::to_string(branches) + " branches of " + std::to_string(shortest) + " to " + std::to_string(longest) +
               " tokens",
           "at least 1 of each, the longest no shorter than the shortest");
  }

  template <class F> void propose_tree(std::vector<int>& text, DraftTree& tree, int most, F&&) const {
    const int n = static_cast<int>(text.size());
    std::vector<std::vector<int>> places(static_cast<std::size_t>(longest_) + 1);  // by length of the suffix
    const auto at = [&](int i) { return text[static_cast<std::size_t>(i)]; };
    for (int end = n - 1; end > 0; --end) {
      int same = 0;
      while (same < end && same < longest_ && at(end - 1 - same) == at(n - 1 - same)) ++same;
      places[static_cast<std::size_t>(same)].push_back(end);
    }
    int branches = 0;
    for (int same = longest_; same >= shortest_; --same)
      for (const int end : places[static_cast<std::size_t>(same)]) {
        if (branches == branches_ || tree.size() == DraftTree::most_nodes) return;
        const int before = tree.size();
        int node = DraftTree::root;
        for (int i = end; i < n && i < end + most && tree.size() < DraftTree::most_nodes; ++i) {
          const int known = tree.find(at(i), node);
          node = known != DraftTree::root ? known : tree.add(at(i), node);
        }
        branches += tree.size() > before;
      }
  }

 private:
  int branches_, longest_, shortest_;
};

}  // namespace fauna::inline v0
