// EAGLE (Li et al. 2024, models/eagle.hpp): a layer guesses the target's features one after another, and the target's
// own head says the token that each comes to. With trees as in EAGLE-2 (Li et al. 2024, "EAGLE-2: Faster inference of
// language models with dynamic draft trees"): where the drafter is sure the tree is deep, where it is not it is broad.
// EAGLE-3 drafts alike, from what enters three of the target's layers, by a head and a vocabulary of its own.
#pragma once
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include <fauna/decode/loaded.hpp>
#include <fauna/decode/speculate/largest.hpp>
#include <fauna/decode/speculate/tree.hpp>
#include <fauna/io/safetensors.hpp>
#include <fauna/models/eagle.hpp>

namespace fauna::inline v0 {

/// Which tokens of the target the drafter's are: token i is i + d2t[i], and t2d says of each of the target's whether it
/// is among them. All of them, where a file has no tables.
inline std::vector<int> eagle_tokens(TensorFile const& file, int drafts, int vocab) {
  std::vector<int> tokens;
  const SafeTensor* const d2t = file.find("d2t");
  const auto wrong = [&](std::string const& found, std::string const& expected) {
    fail("eagle", file.path() + " has " + found, expected, "the drafter's vocabulary");
  };
  if (d2t == nullptr && drafts != vocab)
    wrong("no d2t", "one: the drafter has " + std::to_string(drafts) + " tokens, the model " + std::to_string(vocab));
  if (d2t != nullptr &&
      (d2t->dtype != "I64" || d2t->shape != std::vector<std::size_t>{static_cast<std::size_t>(drafts)}))
    wrong("d2t " + d2t->text(), "I64 [" + std::to_string(drafts) + ']');
  for (int i = 0; i < drafts; ++i) {
    std::int64_t by = 0;
    if (d2t != nullptr) std::memcpy(&by, d2t->data + sizeof by * static_cast<std::size_t>(i), sizeof by);
    if (by < -i || by >= vocab - i)
      wrong("d2t " + std::to_string(by) + " for its token " + std::to_string(i),
            "one of the model's " + std::to_string(vocab) + " tokens");
    tokens.push_back(i + static_cast<int>(by));
  }
  const SafeTensor* const t2d = file.find("t2d");
  if (t2d == nullptr) return tokens;
  if (t2d->dtype != "BOOL" || t2d->shape != std::vector<std::size_t>{static_cast<std::size_t>(vocab)})
    wrong("t2d " + t2d->text(), "BOOL [" + std::to_string(vocab) + ']');
  for (const int t : tokens)
    if (t2d->data[t] == std::byte{0}) wrong("no token " + std::to_string(t) + " in t2d", "one: d2t has it");
  return tokens;
}

/// A text before an Eagle or Eagle3 layer: row i is [embedding of token i + 1 ; feature of row i].
template <class T> class EagleReader {
  using model = typename T::model;
  static constexpr bool third = requires { model::drafts; };

 public:
  /// context: rows at most. tokens: of Eagle3, which of the target its own are (eagle_tokens).
  EagleReader(T& layer, int context, std::vector<int> tokens = {})
      : layer_(&layer), cache_(1, context), tokens_(static_cast<std::vector<int>&&>(tokens)) {
    if constexpr (third)
      if (static_cast<int>(tokens_.size()) != model::drafts)
        fail("eagle", std::to_string(tokens_.size()) + " tokens", std::to_string(model::drafts) + ", the drafter's");
  }
  static constexpr int width() { return model::width; }
  static constexpr int vocab() { return model::vocab; }
  /// Is it an Eagle3?
  static constexpr bool own_head() { return third; }
  static constexpr int target_width() {
    if constexpr (third) return model::target_width;
    else return width();
  }
  int context() const { return cache_.context(); }
  int length() const { return cache_.length(0); }
  /// Forgets all rows but the first `rows`.
  void cut(int rows) { cache_.rewind({.lengths = {rows}}); }
  /// Features [n, width] of rows x [n, 2 width] behind those that are held, until the next call. parents and positions:
  /// of a tree, as Batch has them; null: the rows follow each other.
  const float* read(const float* x, int n, const int* parents = nullptr, const int* positions = nullptr) {
    Batch b = Batch::uniform(1, n);
    b.past = cache_.lengths();
    b.parent = parents;
    b.positions = positions;
    const auto y = rows<width()>(y_, n);
    with(b, [&](auto const& call, auto const& w) {
      typename model::template Saved<float> saved;
      model::forward(call, w, cache_.state(), View<const float, dyn, 2 * width()>(x, n), y, saved);
    });
    cache_.advance(b);
    return y.data();
  }
  /// Of Eagle3: rows [n, width] of what enters the target's layers [n, 3 target_width]; and logits [n, drafts] of
  /// features, the drafter's own.
  const float* fuse([[maybe_unused]] const float* f, [[maybe_unused]] int n) {
    if constexpr (third) {
      const auto y = rows<width()>(fused_, n);
      with(Batch::uniform(1, n), [&](auto const& call, auto const& w) {
        model::fuse(call, w, View<const float, dyn, 3 * target_width()>(f, n), y);
      });
      return y.data();
    } else return f;
  }
  const float* logits([[maybe_unused]] const float* features, [[maybe_unused]] int n) {
    if constexpr (third) {
      const auto y = rows<model::drafts>(logits_, n);
      with(Batch::uniform(1, n), [&](auto const& call, auto const& w) {
        model::logits(call, w, View<const float, dyn, width()>(features, n), y);
      });
      return y.data();
    } else return nullptr;
  }
  std::vector<int> const& tokens() const { return tokens_; }

 private:
  template <int Width> static View<float, dyn, Width> rows(std::vector<float>& memory, int n) {
    memory.resize(static_cast<std::size_t>(n) * static_cast<std::size_t>(Width));
    return View<float, dyn, Width>(memory.data(), n);
  }
  template <class F> void with(Batch const& b, F&& f) {
    if (b.rows > prepared_) {
      prepared_ = b.rows;
      layer_->prepare_inference({.sequences = 1, .length = b.rows, .context = context()});
    }
    layer_->with(b, f);
  }
  T* layer_;
  Cache<model, typename T::backend> cache_;
  std::vector<int> tokens_;
  std::vector<float> y_{}, fused_{}, logits_{};
  int prepared_ = 0;
};

/// What is drafted behind a text: R is the Reader with hidden rows that the target is read by, N an EagleReader.
template <class R, class N> class EagleText {
 public:
  EagleText(R& target, N layer) : target_(&target), layer_(static_cast<N&&>(layer)) {
    const auto sizes = [](int width, int vocab) {
      return "width " + std::to_string(width) + " and vocabulary " + std::to_string(vocab);
    };
    if (layer_.target_width() != target.width() || layer_.width() != target.table_width() ||
        layer_.vocab() != target.vocab())
      fail("eagle", "a drafter of " + sizes(layer_.target_width(), layer_.vocab()),
           "the model's " + sizes(target.width(), target.vocab()));
    if (layer_.own_head()) target.remember_all(Eagle3Config::layers(target.layers()));
    else target.remember_all();
  }
  int vocab() const { return layer_.vocab(); }
  /// Tokens that it has logits of, and which of the target's they are.
  int drafts() const { return layer_.own_head() ? static_cast<int>(layer_.tokens().size()) : vocab(); }
  int token(int draft) const { return layer_.own_head() ? layer_.tokens()[static_cast<std::size_t>(draft)] : draft; }
  int width() const { return layer_.width(); }
  int context() const { return layer_.context(); }

  /// The feature [width] behind a text, from the target's of all its rows but the last, which it has not read. Null
  /// where it has not read the others either, or `room` rows more do not fit.
  const float* behind(std::vector<int> const& text, int room) {
    const int n = static_cast<int>(text.size());
    if (n < 2 || n - 1 + room > layer_.context() || target_->known(text.data(), n - 1) < n - 1) return nullptr;
    int same = 0;
    while (same < n && same < static_cast<int>(held_.size()) && held_[index(same)] == text[index(same)]) ++same;
    int row = same < n ? (same > 0 ? same - 1 : 0) : n - 2;  // the last is read again, for what it gives
    layer_.cut(row);
    held_ = text;
    const float* y = nullptr;
    for (int rows; row < n - 1; row += rows) {
      rows = n - 1 - row < 512 ? n - 1 - row : 512;
      tokens_.assign(text.begin() + row + 1, text.begin() + row + 1 + rows);
      const std::ptrdiff_t columns = target_->features();
      fused_.resize(static_cast<std::size_t>(rows * columns));
      for (int i = 0; i < rows; ++i) copy(target_->feature(row + i), columns, fused_.data() + i * columns);
      const float* const g = layer_.fuse(fused_.data(), rows);
      y = read(rows, [&](int i) { return g + static_cast<std::ptrdiff_t>(i) * width(); }) +
          static_cast<std::ptrdiff_t>(rows - 1) * width();
    }
    feature_.assign(y, y + width());
    return feature_.data();
  }
  /// Behind the rows of that text, features [tokens] of drafted tokens. from(i): the feature that token i comes from.
  template <class F> const float* drafted(std::vector<int> const& tokens, F&& from) {
    tokens_ = tokens;
    return read(static_cast<int>(tokens.size()), from);
  }
  /// The same of a tree, in place of what was drafted before.
  template <class F>
  const float* drafted(std::vector<int> const& tokens, std::vector<int> const& parents,
                       std::vector<int> const& positions, F&& from) {
    layer_.cut(static_cast<int>(held_.size()) - 1);
    tokens_ = tokens;
    return read(static_cast<int>(tokens.size()), from, parents.data(), positions.data());
  }
  /// Logits [n, drafts] of features.
  const float* logits(const float* features, int n) {
    return layer_.own_head() ? layer_.logits(features, n) : target_->head(features, n);
  }
  /// Logits [vocab] of a feature: tokens that the drafter does not know are out of question.
  const float* all_logits(const float* feature) {
    const float* const y = logits(feature, 1);
    if (!layer_.own_head()) return y;
    all_.assign(static_cast<std::size_t>(vocab()), -1e30F);
    for (int i = 0; i < drafts(); ++i) all_[static_cast<std::size_t>(token(i))] = y[i];
    return all_.data();
  }

 private:
  static std::size_t index(int i) { return static_cast<std::size_t>(i); }
  static void copy(const float* from, std::ptrdiff_t n, float* to) {
    std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(float));
  }
  template <class F>
  const float* read(int n, F&& feature, const int* parents = nullptr, const int* positions = nullptr) {
    const std::ptrdiff_t w = width();
    x_.resize(index(n) * 2 * index(width()));
    const float* const e = target_->embed(tokens_.data(), n);
    for (int i = 0; i < n; ++i) {
      copy(e + i * w, w, x_.data() + 2 * i * w);
      copy(feature(i), w, x_.data() + (2 * i + 1) * w);
    }
    return layer_.read(x_.data(), n, parents, positions);
  }

  R* target_;
  N layer_;
  std::vector<int> held_{}, tokens_{};  ///< the text whose rows the layer has; the tokens of a call
  std::vector<float> x_{}, feature_{}, fused_{}, all_{};
};

/// Drafts chains, each token drawn from the feature before it (EAGLE-1, section 4.1).
template <class R, class N> class EagleChain {
 public:
  EagleChain(R& target, N layer) : text_(target, static_cast<N&&>(layer)) {}
  int vocab() const { return text_.vocab(); }
  template <class F> void propose(std::vector<int>& text, int most, F&& draw) {
    const float* f = most > 0 ? text_.behind(text, most) : nullptr;
    for (int i = 0; f != nullptr && i < most; ++i) {
      if (i > 0) f = text_.drafted({text.back()}, [f](int) { return f; });
      text.push_back(draw(text_.all_logits(f)));
    }
  }

 private:
  EagleText<R, N> text_;
};

/// Drafts trees (EAGLE-2, section 4): of all candidates the `nodes` that the drafter itself holds likeliest, where one
/// is worth the product of the probabilities on its path. Since values fall along a path, what is not among the best
/// needs no children.
template <class R, class N> class Eagle2 {
 public:
  /// ranks: candidates behind a node, and nodes of a depth that have any.
  Eagle2(R& target, N layer, int nodes = 12, int ranks = 8)
      : text_(target, static_cast<N&&>(layer)), nodes_(nodes), ranks_(ranks) {}
  int vocab() const { return text_.vocab(); }
  template <class F> void propose_tree(std::vector<int>& text, DraftTree& tree, int most, F&&) {
    const float* const root = text_.behind(text, nodes_);
    if (root == nullptr || most < 1 || nodes_ < 1) return;
    all_.clear(), features_.clear();
    add(DraftTree::root, text_.logits(root, 1));
    const int w = text_.width(), n = static_cast<int>(text.size());
    for (int depth = 1; depth < most; ++depth) {
      std::vector<int> next;
      for (const int i : best())
        if (of(i).depth == depth && static_cast<int>(next.size()) < ranks_) next.push_back(i);
      if (next.empty()) break;
      // With their ancestors, once more: a row sees those of its own call.
      std::vector<bool> wanted(all_.size());
      for (const int leaf : next)
        for (int i = leaf; i >= 0; i = of(i).parent) wanted[static_cast<std::size_t>(i)] = true;
      std::vector<int> rows, tokens, parents, positions;  // parents stand before their children
      for (int i = 0; i < static_cast<int>(all_.size()); ++i) {
        if (!wanted[static_cast<std::size_t>(i)]) continue;
        rows.push_back(i);
        of(i).row = static_cast<int>(tokens.size());
        tokens.push_back(of(i).token);
        parents.push_back(of(i).parent < 0 ? -1 : of(of(i).parent).row);
        positions.push_back(n - 2 + of(i).depth);
      }
      const float* const y = text_.drafted(tokens, parents, positions, [&](int r) {
        const int before = of(rows[static_cast<std::size_t>(r)]).parent;
        return before < 0 ? root : features_.data() + of(before).feature;
      });
      const std::size_t first = features_.size();
      for (const int i : next) {
        of(i).feature = static_cast<std::ptrdiff_t>(features_.size());
        const float* const own = y + static_cast<std::ptrdiff_t>(of(i).row) * w;
        features_.insert(features_.end(), own, own + w);
      }
      const float* logits = text_.logits(features_.data() + first, static_cast<int>(next.size()));
      for (const int i : next) {
        add(i, logits);
        logits += text_.drafts();
      }
    }
    std::vector<bool> stays(all_.size());
    for (const int i : best()) stays[static_cast<std::size_t>(i)] = true;
    for (int i = 0; i < static_cast<int>(all_.size()); ++i)
      if (stays[static_cast<std::size_t>(i)])
        of(i).node = tree.add(of(i).token, of(i).parent < 0 ? DraftTree::root : of(of(i).parent).node);
  }

 private:
  struct Candidate {
    int token, parent, depth;
    double value;                ///< log of the product of probabilities
    int row = -1, node = -1;     ///< in the last call; in the tree
    std::ptrdiff_t feature = 0;  ///< where its own stands, once it has children
  };
  Candidate& of(int i) { return all_[static_cast<std::size_t>(i)]; }
  /// The likeliest tokens behind a candidate, by logits.
  void add(int parent, const float* y) {
    const auto tokens = largest(y, text_.drafts(), ranks_);
    double sum = 0;
    for (int v = 0; v < text_.drafts(); ++v) sum += static_cast<double>(std::exp(y[v] - y[tokens[0]]));
    const double value = (parent < 0 ? 0 : of(parent).value) - std::log(sum);
    const int depth = parent < 0 ? 1 : of(parent).depth + 1;
    for (const int t : tokens)
      all_.push_back({text_.token(t), parent, depth, value + static_cast<double>(y[t] - y[tokens[0]])});
  }
  /// The best `nodes` candidates, best first; of two that are worth the same, the one that came first.
  std::vector<int> best() const {
    std::vector<int> order;
    for (std::size_t i = 0; i < all_.size(); ++i) {
      std::size_t at = order.size();
      while (at > 0 && all_[i].value > all_[static_cast<std::size_t>(order[at - 1])].value) --at;
      order.insert(order.begin() + static_cast<std::ptrdiff_t>(at), static_cast<int>(i));
      if (order.size() > static_cast<std::size_t>(nodes_)) order.pop_back();
    }
    return order;
  }

  EagleText<R, N> text_;
  int nodes_, ranks_;
  std::vector<Candidate> all_{};
  std::vector<float> features_{};
};

}  // namespace fauna::inline v0
