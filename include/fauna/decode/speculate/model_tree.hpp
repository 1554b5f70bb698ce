// A smaller model that guesses several tokens for a place (Miao et al. 2024, "SpecInfer", section 3).
#pragma once
#include <vector>

#include <fauna/decode/speculate/reader.hpp>
#include <fauna/decode/speculate/tree.hpp>

namespace fauna::inline v0 {

/// Each node of depth i has widths[i] tokens behind it: {3, 2} are three tokens and two behind each of these. Texts
/// that do not fit into the model's context get no drafts.
template <TextReader R> class ModelTree {
 public:
  ModelTree(R reader, std::vector<int> widths)
      : reader_(static_cast<R&&>(reader)), widths_(static_cast<std::vector<int>&&>(widths)) {}
  template <class T>
  requires std::same_as<R, Reader<T>>
  ModelTree(T& model, int context, std::vector<int> widths)
      : ModelTree(R(model, context), static_cast<std::vector<int>&&>(widths)) {}

  int vocab() const { return reader_.vocab(); }
  template <class F> void propose_tree(std::vector<int>& text, DraftTree& tree, int most, F&& draw) {
    grow(text, tree, DraftTree::root, 0, most, draw);
  }

 private:
  /// The tokens behind a node, at the end of the text, and all behind them.
  template <class F>
  void grow(std::vector<int>& text, DraftTree& tree, int node, int depth, int most, F& draw) {
    const int n = static_cast<int>(text.size());
    if (depth == most || depth == static_cast<int>(widths_.size()) || n > reader_.context()) return;
    const float* const logits = reader_.logits(text.data(), n, 1, n - depth);
    std::vector<int> tokens, nodes;
    Law law;
    for (int i = 0; i < widths_[static_cast<std::size_t>(depth)]; ++i) {
      if (tree.size() + i == DraftTree::most_nodes) break;
      tokens.push_back(draw(logits, law, Drafted{tokens.data(), i, &law}));
    }
    for (const int token : tokens) nodes.push_back(tree.add(token, node, law));
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      text.push_back(tokens[i]);
      grow(text, tree, nodes[i], depth + 1, most, draw);
      text.pop_back();
    }
  }

  R reader_;
  std::vector<int> widths_;
};
template <class T, class = typename T::model> ModelTree(T&, int, std::vector<int>) -> ModelTree<Reader<T>>;

}  // namespace fauna::inline v0
