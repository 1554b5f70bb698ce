// Medusa (Cai et al. 2024, "Medusa: simple LLM inference acceleration framework with multiple decoding heads"): heads
// beside the model's own say, from what the trunk gave for a row, the tokens behind the one that it draws.
//   h [d]  what the trunk gave for the row of the token before the text's last      k = 1 … K
//   z_k = h + silu(W_k h + b_k)      logits_k = head(z_k): of the k-th token behind the text's last (section 2.1.1)
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include <fauna/decode/speculate/largest.hpp>
#include <fauna/decode/speculate/sequoia.hpp>
#include <fauna/io/open_tensors.hpp>
#include <fauna/io/safetensors.hpp>

namespace fauna::inline v0 {

/// The heads' numbers, and their file: tensors N.0.linear.weight, N.0.linear.bias and, of heads that do not share the
/// model's own, N.1.weight, N from 0 on, as published; also with medusa_head. before them.
struct MedusaWeights {
  int heads = 0, width = 0, vocab = 0;
  std::vector<float> weight{}, bias{};  ///< [heads][width][width], out by in; [heads][width]
  std::vector<float> own{};             ///< [heads][vocab][width], or none: the model's head is shared

  /// Heads that say what the model's own says of the next token: W = 0.
  static MedusaWeights initial(int heads, int width, int vocab) {
    MedusaWeights w{.heads = heads, .width = width, .vocab = vocab};
    w.weight.resize(size(heads, width, width));
    w.bias.resize(size(heads, width));
    return w;
  }
  float* of_weight(int head) { return weight.data() + size(head, width, width); }
  const float* of_weight(int head) const { return weight.data() + size(head, width, width); }

  /// Throws where the file's heads are not of this width and vocabulary.
  static MedusaWeights from_file(std::string const& path, int width, int vocab) {
    const TensorFile file = open_tensors(path);
    const std::string prefix = file.find("0.0.linear.weight") != nullptr ? "" : "medusa_head.";
    const auto name = [&](int head, const char* part) { return prefix + std::to_string(head) + part; };
    MedusaWeights w{.width = width, .vocab = vocab};
    while (file.find(name(w.heads, ".0.linear.weight")) != nullptr) ++w.heads;
    if (w.heads == 0) fail("medusa", path + " has no heads", "tensors such as 0.0.linear.weight");
    const bool owns = file.find(name(0, ".1.weight")) != nullptr;
    const auto d = static_cast<std::size_t>(width), v = static_cast<std::size_t>(vocab);
    std::size_t read = 0;
    const auto take = [&](std::string const& tensor, std::vector<std::size_t> const& shape, std::vector<float>& to) {
      const SafeTensor* const t = file.find(tensor);
      SafeTensor want;
      want.shape = shape;
      if (t == nullptr || t->shape != shape)
        fail("medusa", path + " has " + (t == nullptr ? "no " + tensor : tensor + ' ' + t->text()), want.text(),
             "heads of one layer, for a model of this width and vocabulary");
      to.resize(to.size() + t->elements());
      read_floats(*t, 0, t->elements(), to.data() + to.size() - t->elements());
      ++read;
    };
    for (int i = 0; i < w.heads; ++i) {
      take(name(i, ".0.linear.weight"), {d, d}, w.weight);
      take(name(i, ".0.linear.bias"), {d}, w.bias);
      if (owns) take(name(i, ".1.weight"), {v, d}, w.own);
    }
    for (SafeTensor const& t : file.tensors())
      if (read != file.tensors().size() && !known(t.name, prefix, w.heads, owns))
        fail("medusa", path + " has the tensor " + t.name, "heads of one layer each, and no others");
    return w;
  }
  void save(std::string const& path) const {
    std::vector<SafeTensor> all;
    const auto d = static_cast<std::size_t>(width), v = static_cast<std::size_t>(vocab);
    const auto add = [&all](std::string name, std::vector<std::size_t> shape, const float* data) {
      SafeTensor t;
      t.name = static_cast<std::string&&>(name);
      t.dtype = "F32";
      t.shape = static_cast<std::vector<std::size_t>&&>(shape);
      t.data = reinterpret_cast<const std::byte*>(data);
      t.bytes = t.elements() * sizeof(float);
      all.push_back(t);
    };
    for (int i = 0; i < heads; ++i) {
      const std::string n = std::to_string(i);
      add(n + ".0.linear.weight", {d, d}, of_weight(i));
      add(n + ".0.linear.bias", {d}, bias.data() + size(i, width));
      if (!own.empty()) add(n + ".1.weight", {v, d}, own.data() + size(i, vocab, width));
    }
    write_safetensors(path, static_cast<std::vector<SafeTensor>&&>(all), {{"format", "pt"}});
  }

  /// z [heads, width] of a row h [width].
  void rows(const float* h, float* z) const {
    for (int k = 0; k < heads; ++k)
      for (int o = 0; o < width; ++o) {
        const float* const w = of_weight(k) + size(o, width);
        float a = bias[size(k, width) + size(o)];
        for (int i = 0; i < width; ++i) a += w[i] * h[i];
        z[k * width + o] = h[o] + a / (1 + std::exp(-a));
      }
  }
  /// logits [heads, vocab] of z, by heads of their own.
  void logits(const float* z, float* y) const {
    for (int k = 0; k < heads; ++k)
      for (int v = 0; v < vocab; ++v) {
        const float* const w = own.data() + size(k, vocab, width) + size(v, width);
        float sum = 0;
        for (int i = 0; i < width; ++i) sum += w[i] * z[k * width + i];
        y[size(k, vocab) + size(v)] = sum;
      }
  }

 private:
  template <class... N> static std::size_t size(N... n) { return (static_cast<std::size_t>(n) * ...); }
  static bool known(std::string const& name, std::string const& prefix, int heads, bool owns) {
    for (int i = 0; i < heads; ++i) {
      const std::string n = prefix + std::to_string(i);
      if (name == n + ".0.linear.weight" || name == n + ".0.linear.bias" || (owns && name == n + ".1.weight"))
        return true;
    }
    return false;
  }
};

/// Drafts trees for the Reader with hidden rows that the target is read by. R has hidden(row), head(rows, n), width()
/// and vocab().
template <class R> class MedusaHeads {
 public:
  MedusaHeads(R& target, MedusaWeights weights, int nodes = 12)
      : MedusaHeads(target, usual_tree(weights.heads, nodes), static_cast<MedusaWeights&&>(weights)) {}
  /// The tree's tokens are ranks (sequoia_tree); what is deeper than there are heads is not drafted.
  MedusaHeads(R& target, DraftTree shape, MedusaWeights weights)
      : target_(&target), own_(static_cast<MedusaWeights&&>(weights)), shape_(static_cast<DraftTree&&>(shape)) {
    check();
  }
  /// With weights that others have too, which are referred to.
  MedusaHeads(R& target, DraftTree shape, MedusaWeights const* weights)
      : target_(&target), shared_(weights), shape_(static_cast<DraftTree&&>(shape)) {
    check();
  }
  /// About what trained heads do; the order is what matters.
  static DraftTree usual_tree(int heads, int nodes) {
    std::vector<std::vector<double>> right;
    for (int k = 0; k < heads; ++k) {
      right.emplace_back();
      for (int r = 0; r < 8; ++r) right.back().push_back(0.6 * std::pow(0.8, k) / ((1 + r) * (1 + r)));
    }
    return sequoia_tree(right, nodes);
  }

  int vocab() const { return w().vocab; }
  template <class F> void propose_tree(std::vector<int>& text, DraftTree& tree, int most, F&&) {
    const float* const h = text.size() < 2 ? nullptr : target_->hidden(static_cast<int>(text.size()) - 2);
    if (h == nullptr) return;
    z_.resize(w().bias.size());
    w().rows(h, z_.data());
    const float* y = nullptr;
    if (w().own.empty()) {
      y = target_->head(z_.data(), w().heads);
    } else {
      y_.resize(static_cast<std::size_t>(w().heads) * static_cast<std::size_t>(w().vocab));
      w().logits(z_.data(), y_.data());
      y = y_.data();
    }
    std::vector<std::vector<int>> best;
    best.reserve(static_cast<std::size_t>(w().heads));
    for (int k = 0; k < w().heads; ++k)
      best.push_back(largest(y + static_cast<std::ptrdiff_t>(k) * w().vocab, w().vocab, ranks_));
    std::vector<int> now;
    for (int i = 0; i < shape_.size(); ++i) {
      const int depth = shape_.depth(i), before = shape_.parent(i);
      const auto rank = static_cast<std::size_t>(shape_.token(i));
      const int parent = before == DraftTree::root ? before : now[static_cast<std::size_t>(before)];
      const bool fits = depth <= most && depth <= w().heads && parent > -2;
      auto const& of_depth = best[fits ? static_cast<std::size_t>(depth) - 1 : 0];
      now.push_back(fits && rank < of_depth.size() ? tree.add(of_depth[rank], parent) : -2);
    }
  }

 private:
  MedusaWeights const& w() const { return shared_ != nullptr ? *shared_ : own_; }
  void check() {
    if (w().width != target_->width() || w().vocab != target_->vocab())
      fail("medusa", "heads of width " + std::to_string(w().width) + " and vocabulary " + std::to_string(w().vocab),
           "the model's " + std::to_string(target_->width()) + " and " + std::to_string(target_->vocab()));
    for (const int rank : shape_.tokens)
      if (rank >= ranks_) ranks_ = rank + 1;
  }

  R* target_;
  MedusaWeights own_{};
  MedusaWeights const* shared_ = nullptr;
  DraftTree shape_{};
  int ranks_ = 1;
  std::vector<float> z_{}, y_{};
};

}  // namespace fauna::inline v0
