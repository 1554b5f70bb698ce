// Lookahead (Fu et al. 2024, "Break the sequential dependency of LLM inference using lookahead decoding", sections 3.1
// to 3.3): a model that drafts for itself. It guesses W places behind the text all at once, and makes each guess again
// from those before it (Jacobi's iteration); what it said in N steps are n-grams that it is likely to write.
//   w[r][j]  a guess of the token at place n + r + j, n the text's length;   r = 0 … N-2, newer with r;   j = 0 … W-1
//   a pass   reads w[0][0] … w[0][W-1] behind the text, and each w[0][j] w[1][j] … w[N-2][j] as a branch; o[j] is the
//            likeliest token behind the branch:  w[0][j] … w[N-2][j] o[j] goes into the pool
//   after    w[r][j] ← w[r+1][j],  w[N-2][j] ← o[j]
// Beside them the pass has up to G n-grams of the pool, those that begin with the text's last token. All is one tree.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include <fauna/core/rng.hpp>
#include <fauna/decode/speculate/largest.hpp>
#include <fauna/decode/speculate/tree.hpp>

namespace fauna::inline v0 {

/// How much is guessed (table 1 of the paper calls them N, W and G).
struct LookaheadShape {
  int length = 5;      ///< N: tokens of an n-gram
  int window = 7;      ///< W: columns
  int candidates = 7;  ///< G: n-grams that a pass verifies

  /// Nodes of a tree, and its depth.
  int nodes() const { return (window + candidates) * (length - 1); }
  int depth() const { return window + length - 2; }
  void check() const {
    constexpr int most = DraftTree::most_nodes;
    const bool good = length >= 2 && window >= 1 && candidates >= 1 && length <= most && window <= most &&
                      candidates <= most && nodes() <= most;
    if (!good)
      fail("lookahead",
           "n-grams of " + std::to_string(length) + " tokens, a window of " + std::to_string(window) + ", " +
               std::to_string(candidates) + " candidates",
           "N of 2 or more, W and G of 1 or more, and (W + G) (N - 1) of at most " + std::to_string(most));
  }
};

/// Drafts trees of n-grams and of the window, which is verified as well. The pool is of one text, of whose own n-grams
/// it has the latest too. With trees that are smaller than nodes() and depth(), columns that were not read keep their
/// guesses.
class Lookahead {
 public:
  explicit Lookahead(int vocab, LookaheadShape shape = {}) : shape_(shape), vocab_(vocab) {
    shape.check();
    pool_.resize(static_cast<std::size_t>(vocab));
  }

  int vocab() const { return vocab_; }
  template <class F> void propose_tree(std::vector<int>& text, DraftTree& tree, int, F&&) {
    if (text.empty()) return;
    follow(text);
    const auto next = [&tree](int token, int node) {
      const int known = tree.find(token, node);
      return known != DraftTree::root ? known : tree.add(token, node);
    };
    auto const& known = pool_[at(text.back())];
    for (std::size_t i = 0; i < known.size();)
      for (int r = 0, node = DraftTree::root; r < levels(); ++r) node = next(known[i++], node);
    int above = DraftTree::root;
    for (int j = 0; j < shape_.window; ++j) {
      int node = above = next(guess(0, j), above);
      for (int r = 1; r < levels(); ++r) node = next(guess(r, j), node);
    }
  }

  /// The target's logits [1 + nodes, vocab] of the text's last token and of the tree that was read of what was
  /// proposed.
  void see(DraftTree const& tree, const float* logits) {
    if (window_.empty()) return;
    constexpr int nowhere = -2;
    const auto next = [&tree](int token, int node) {
      const int found = node == nowhere ? DraftTree::root : tree.find(token, node);
      return found == DraftTree::root ? nowhere : found;
    };
    auto now = window_;
    std::vector<int> gram(at(shape_.length));
    int above = DraftTree::root;
    for (int j = 0; j < shape_.window; ++j) {
      int node = above = next(guess(0, j), above);
      for (int r = 1; r < levels(); ++r) node = next(guess(r, j), node);
      for (int r = 0; r < levels(); ++r) gram[at(r)] = guess(r, j);
      // A column that was not read is one place further on all the same, and so is its neighbour's last guess.
      gram.back() = j + 1 < shape_.window ? guess(levels() - 1, j + 1) : gram.front();
      if (node != nowhere) {
        gram.back() = largest(logits + static_cast<std::ptrdiff_t>(node + 1) * vocab_, vocab_, 1)[0];
        learn(gram.data());
      }
      for (int r = 0; r < levels(); ++r) now[place(r, j)] = gram[at(r) + 1];
    }
    window_ = static_cast<std::vector<int>&&>(now);
    ++moved_;
  }

 private:
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }
  int levels() const { return shape_.length - 1; }
  std::size_t place(int r, int j) const { return at(r * shape_.window + j); }
  int guess(int r, int j) const { return window_[place(r, j)]; }
  /// What is guessed of places that nobody has looked at: something that the text has.
  int anything(std::vector<int> const& text) {
    return text[Key{0x6c6f6f6b, 0}.word(drawn_++) % static_cast<std::uint32_t>(text.size())];
  }
  /// Goes on with the text by what it has more, or begins another.
  void follow(std::vector<int> const& text) {
    std::size_t same = 0;
    while (same < text.size() && same < known_.size() && text[same] == known_[same]) ++same;
    int more = static_cast<int>(text.size() - same) - moved_;
    if (same < known_.size() || known_.empty()) {
      for (auto& of : pool_) of.clear();
      known_.clear();
      drawn_ = 0;
      window_.resize(at(levels() * shape_.window));
      more = shape_.window;
    }
    moved_ = 0;
    for (int r = 0; r < levels(); ++r)
      for (int j = 0; j < shape_.window && more > 0; ++j)
        window_[place(r, j)] = j + more < shape_.window ? guess(r, j + more) : anything(text);
    const std::size_t whole = at(shape_.length), had = known_.size() + 1;
    for (std::size_t end = had > whole ? had : whole; end <= text.size(); ++end) learn(text.data() + (end - whole));
    known_ = text;
  }
  /// An n-gram becomes the latest of those with its first token.
  void learn(const int* gram) {
    const int n = levels();
    if (gram[0] < 0 || gram[0] >= vocab_) return;
    auto& of = pool_[at(gram[0])];
    std::vector<int> now(gram + 1, gram + 1 + n);
    for (std::size_t i = 0; i < of.size() && now.size() < at(n * shape_.candidates); i += at(n)) {
      const auto from = of.begin() + static_cast<std::ptrdiff_t>(i);
      const std::vector<int> one(from, from + n);
      if (std::vector<int>(gram + 1, gram + 1 + n) != one) now.insert(now.end(), one.begin(), one.end());
    }
    of = static_cast<std::vector<int>&&>(now);
  }

  LookaheadShape shape_;
  int vocab_;
  std::vector<int> window_{};  ///< [N - 1][W]
  std::vector<std::vector<int>>
      pool_{};                ///< by first token, up to G times the N - 1 tokens behind it, the latest first
  std::vector<int> known_{};  ///< the text so far
  int moved_ = 0;             ///< places that the window has gone on since then
  std::uint64_t drawn_ = 0;
};

}  // namespace fauna::inline v0
