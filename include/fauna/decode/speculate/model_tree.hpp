// A smaller model that guesses several tokens for a place (Miao et al. 2024, "SpecInfer", section 3).
#pragma once
#include <vector>

#include <fauna/decode/speculate/reader.hpp>
#include <fauna/decode/speculate/tree.hpp>

namespace fauna::inline v0 {

/// Where the shape has nodes, the model's tokens, those of a place in the order of ranks (sequoia_tree). Texts that do
/// not fit into the model's context get no drafts.
template <TextReader R> class ModelTree {
 public:
  ModelTree(R reader, DraftTree shape) : reader_(static_cast<R&&>(reader)), shape_(static_cast<DraftTree&&>(shape)) {}
  /// Each node of depth i has widths[i] tokens behind it: {3, 2} are three tokens and two behind each of these.
  ModelTree(R reader, std::vector<int> const& widths) : reader_(static_cast<R&&>(reader)) {
    widen(DraftTree::root, 0, widths);
  }
  template <class T>
  requires std::same_as<R, Reader<T>> ModelTree(T& model, int context, std::vector<int> const& widths)
      : ModelTree(R(model, context), widths) {}

  int vocab() const { return reader_.vocab(); }
  template <class F> void propose_tree(std::vector<int>& text, DraftTree& tree, int most, F&& draw) {
    grow(text, tree, DraftTree::root, DraftTree::root, 0, most, draw);
  }

 private:
  void widen(int node, std::size_t depth, std::vector<int> const& widths) {
    if (depth == widths.size()) return;
    const int first = shape_.size();
    for (int i = 0; i < widths[depth] && shape_.size() < DraftTree::most_nodes; ++i) shape_.add(i, node);
    const int end = shape_.size();
    for (int child = first; child < end; ++child) widen(child, depth + 1, widths);
  }
  /// The tokens behind a node, at the end of the text, and all behind them. `of`: the node in the shape.
  template <class F>
  void grow(std::vector<int>& text, DraftTree& tree, int node, int of, int depth, int most, F& draw) {
    std::vector<int> shapes;
    for (int i = of + 1; i < shape_.size(); ++i)
      if (shape_.parent(i) == of) shapes.push_back(i);
    const int n = static_cast<int>(text.size());
    if (shapes.empty() || depth == most || n > reader_.context()) return;
    const float* const logits = reader_.logits(text.data(), n, 1, n - depth);
    std::vector<int> tokens, nodes;
    Law law;
    for (std::size_t i = 0; i < shapes.size() && static_cast<int>(i) < vocab(); ++i) {
      const int token = draw(logits, law, Drafted{tokens.data(), static_cast<int>(i), &law});
      if (token < 0) break;  // none is left
      tokens.push_back(token);
    }
    for (const int token : tokens) nodes.push_back(tree.add(token, node, law));
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      text.push_back(tokens[i]);
      grow(text, tree, nodes[i], shapes[i], depth + 1, most, draw);
      text.pop_back();
    }
  }

  R reader_;
  DraftTree shape_{};
};
template <class T, class = typename T::model> ModelTree(T&, int, std::vector<int>) -> ModelTree<Reader<T>>;

}  // namespace fauna::inline v0
