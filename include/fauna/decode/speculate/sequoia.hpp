// The tree of a size that keeps the most tokens, by dynamic programming (Chen et al. 2024, "Sequoia: scalable, robust,
// and hardware-aware speculative decoding", section 4.1), from how often candidates were right (DraftCounts::right).
//   p_k,r     how often the candidate of rank r, from 0 on, is right at depth k, from 0 on, where all before it were
//   kept      = sum over nodes of the product of p along the path to them
//   F_k(n)    = R_k,0(n)                       the most that n nodes behind a node at depth k keep
//   R_k,r(n)  = max(0, max over 1 ≤ m ≤ n of  p_k,r (1 + F_k+1(m - 1)) + R_k,r+1(n - m))
// m nodes are the candidate of rank r and what is behind it. Ranks have no gaps: a drafter says them in this order.
#pragma once
#include <string>
#include <vector>

#include <fauna/decode/speculate/tree.hpp>

namespace fauna::inline v0 {

namespace sequoia_detail {

/// F and R of all sizes up to n.
class Table {
 public:
  Table(std::vector<std::vector<double>> const& right, int nodes) : nodes_(nodes) {
    for (auto const& of_depth : right)
      if (of_depth.size() >= ranks_) ranks_ = of_depth.size() + 1;
    best_.resize((right.size() + 1) * ranks_ * of_sizes());
    take_.resize(best_.size());
    for (std::size_t k = right.size(); k-- > 0;)
      for (std::size_t r = right[k].size(); r-- > 0;)
        for (int n = 1; n <= nodes; ++n)
          for (int m = 1; m <= n; ++m) {
            const double kept = right[k][r] * (1 + best(k + 1, 0, m - 1)) + best(k, r + 1, n - m);
            if (kept > best(k, r, n)) best_[at(k, r, n)] = kept, take_[at(k, r, n)] = m;
          }
  }
  double best(std::size_t k, std::size_t r, int n) const { return best_[at(k, r, n)]; }
  /// How many nodes the candidate of rank r gets, of n for it and those after it; 0: there is none.
  int take(std::size_t k, std::size_t r, int n) const { return take_[at(k, r, n)]; }

 private:
  std::size_t of_sizes() const { return static_cast<std::size_t>(nodes_) + 1; }
  std::size_t at(std::size_t k, std::size_t r, int n) const {
    return (k * ranks_ + r) * of_sizes() + static_cast<std::size_t>(n);
  }
  int nodes_;
  std::size_t ranks_ = 1;
  std::vector<double> best_;
  std::vector<int> take_;
};

}  // namespace sequoia_detail

/// The tree of at most `nodes` nodes and right.size() levels that keeps the most tokens a step, where right[k][r] is
/// how often the candidate of rank r is right at depth k. Its tokens are ranks; what keeps most stands first, so that
/// its first nodes are of use alone.
inline DraftTree sequoia_tree(std::vector<std::vector<double>> const& right, int nodes) {
  for (auto const& ranks : right)
    for (const double p : ranks)
      if (!(p >= 0 && p <= 1))
        fail("sequoia", "a candidate that is right " + std::to_string(p) + " of times", "0 to 1");
  if (nodes < 0 || nodes > DraftTree::most_nodes)
    fail("sequoia", "a tree of " + std::to_string(nodes) + " nodes", "0 to " + std::to_string(DraftTree::most_nodes));
  const sequoia_detail::Table table(right, nodes);
  struct Node {
    int parent, behind, place = -1;  ///< in this list; nodes behind it; in the tree
    std::size_t depth;
    int rank;
    double value;
  };
  std::vector<Node> all;  // level by level
  const auto add_behind = [&](int parent, std::size_t depth, int n, double value) {
    for (std::size_t r = 0; n > 0 && depth < right.size() && r < right[depth].size(); ++r) {
      const int m = table.take(depth, r, n);
      if (m == 0) break;
      all.push_back({.parent = parent,
                     .behind = m - 1,
                     .depth = depth,
                     .rank = static_cast<int>(r),
                     .value = value * right[depth][r]});
      n -= m;
    }
  };
  add_behind(DraftTree::root, 0, nodes, 1);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Node at = all[i];
    add_behind(static_cast<int>(i), at.depth + 1, at.behind, at.value);
  }
  DraftTree tree;
  const auto in_tree = [&](int i) { return i == DraftTree::root || all[static_cast<std::size_t>(i)].place >= 0; };
  for (std::size_t added = 0; added < all.size(); ++added) {
    std::size_t next = all.size();
    for (std::size_t i = 0; i < all.size(); ++i) {
      const bool waits = all[i].rank > 0 && !in_tree(static_cast<int>(i) - 1);  // siblings stand side by side
      if (all[i].place < 0 && in_tree(all[i].parent) && !waits &&
          (next == all.size() || all[i].value > all[next].value))
        next = i;
    }
    const int parent = all[next].parent;
    all[next].place =
        tree.add(all[next].rank, parent == DraftTree::root ? parent : all[static_cast<std::size_t>(parent)].place);
  }
  return tree;
}

/// What such a tree, its tokens being ranks, keeps of a draft in the mean: tokens a step, less the one that comes
/// anyway.
inline double kept_of(DraftTree const& tree, std::vector<std::vector<double>> const& right) {
  double sum = 0;
  std::vector<double> value;
  value.reserve(tree.tokens.size());
  for (int i = 0; i < tree.size(); ++i) {
    const double before = tree.parent(i) == DraftTree::root ? 1 : value[static_cast<std::size_t>(tree.parent(i))];
    value.push_back(before *
                    right[static_cast<std::size_t>(tree.depth(i)) - 1][static_cast<std::size_t>(tree.token(i))]);
    sum += value.back();
  }
  return sum;
}

}  // namespace fauna::inline v0
