// Drafts that branch (Miao et al. 2024, "SpecInfer"; Cai et al. 2024, "Medusa", section 2.1.2): several tokens for a
// place, of which one pass of the target verifies all.
#pragma once
#include <vector>

#include <fauna/decode/speculate/acceptance.hpp>
#include <fauna/decode/speculate/drafter.hpp>

namespace fauna::inline v0 {

/// Node i is a token behind node parents[i] < i, or behind the text where that is -1.
struct DraftTree {
  static constexpr int root = -1, most_nodes = 63;

  std::vector<int> tokens{}, parents{};
  std::vector<Law> laws{};  ///< [1 + nodes] that drew what stands behind the text, and behind each node; empty: nobody

  int size() const { return static_cast<int>(tokens.size()); }
  int token(int node) const { return tokens[static_cast<std::size_t>(node)]; }
  int parent(int node) const { return parents[static_cast<std::size_t>(node)]; }
  Law const* law(int parent) const {
    const auto i = static_cast<std::size_t>(parent + 1);
    return i < laws.size() ? &laws[i] : nullptr;
  }
  int depth(int node) const {
    int n = 0;
    for (; node != root; node = parent(node)) ++n;
    return n;
  }
  int add(int token, int parent, Law law = {}) {
    tokens.push_back(token);
    parents.push_back(parent);
    if (!law.empty()) {
      if (laws.size() < tokens.size()) laws.resize(tokens.size());
      laws[static_cast<std::size_t>(parent + 1)] = static_cast<Law&&>(law);
    }
    return size() - 1;
  }
  /// A token behind the last node.
  void chain(int token) {
    tokens.push_back(token);
    parents.push_back(size() - 2);
  }
  bool is_chain() const {
    for (int i = 0; i < size(); ++i)
      if (parent(i) != i - 1) return false;
    return true;
  }
  /// The node of a token behind another, or root where there is none.
  int find(int token_, int parent_) const {
    for (int i = 0; i < size(); ++i)
      if (parent(i) == parent_ && token(i) == token_) return i;
    return root;
  }
  /// Keeps the nodes for which good(node) is true, and whose parents stay; at most `most` of them.
  template <class F> void filter(int most, F&& good) {
    DraftTree t;
    std::vector<int> now(tokens.size(), -2);  // where a node is now; -2: nowhere
    if (const Law* q = law(root)) t.laws.assign(1, *q);
    for (int i = 0; i < size() && t.size() < most; ++i) {
      const int p = parent(i) == root ? root : now[static_cast<std::size_t>(parent(i))];
      if (p < root || !good(i)) continue;
      now[static_cast<std::size_t>(i)] = t.add(token(i), p);
      const Law* q = law(i);
      t.laws.resize(t.tokens.size() + 1);
      if (q != nullptr) t.laws.back() = *q;
    }
    *this = static_cast<DraftTree&&>(t);
  }
};

/// d.propose_tree(text, tree, most, draw) adds nodes to a tree, of depth `most` at most. draw(logits, law, earlier) is
/// a token that belongs at the end of the text, which the drafter may lengthen meanwhile, beside the earlier ones
/// there; the law that it gives goes with the nodes. d.see(tree, logits [1 + nodes, vocab]), where there is such a
/// function, is told what the target said behind the text and behind the nodes that it has read.
template <class D>
concept TreeDrafter = requires(D& d, std::vector<int>& text, DraftTree& tree, int most,
                               int (*draw)(const float*, Law&, Drafted const&)) {
  d.propose_tree(text, tree, most, draw);
};

}  // namespace fauna::inline v0
