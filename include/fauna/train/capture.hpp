// Looking inside: Capture keeps copies of named activations and gradients of one pass.
//
//   Capture<float> seen("transformer.h.0.attn", "transformer.h.*.mlp");
//   model.accumulate(batch, 1, key, seen.tap());
//   seen.activation("transformer.h.0.attn")     its output, row by row;   .gradient(...)  the loss's gradient of it
#pragma once
#include <string>
#include <vector>

#include <fauna/core/call.hpp>
#include <fauna/core/error.hpp>
#include <fauna/train/trained.hpp>

namespace fauna::inline v0 {

/// B: the policy of the model, where its tensors are out of the host's reach (Capture<float, Cuda<>>).
template <class S, Backend B = Ref<S>> class Capture {
 public:
  struct Values {
    std::string name;
    bool gradient = false;
    int rows = 0, cols = 0;
    std::vector<S> data;  ///< [rows, cols], contiguous
    Matrix<const S> view() const { return Matrix<const S>(data.data(), rows, cols); }
  };

  /// Names of labelled blocks; * stands for any text. Without any, everything is kept.
  template <class... N> explicit Capture(N const&... patterns) : patterns_{std::string(patterns)...} {}
  Capture(Capture const&) = delete;
  Capture& operator=(Capture const&) = delete;

  Tap<S> const* tap() const { return &tap_; }
  /// The last pass's values; throws for a name that no block had, listing what was seen.
  Values const& activation(std::string const& name) const { return find(name, false); }
  Values const& gradient(std::string const& name) const { return find(name, true); }
  std::vector<Values> const& all() const { return seen_; }
  void clear() { seen_.clear(); }

 private:
  static void see(void* self, Path const& path, bool gradient, Matrix<const S> v) {
    auto& c = *static_cast<Capture*>(self);
    const std::string name = path.str();
    bool wanted = c.patterns_.empty();
    for (auto const& p : c.patterns_) wanted = wanted || matches(p, name);
    if (!wanted) return;
    Values* slot = nullptr;
    for (auto& s : c.seen_)
      if (s.name == name && s.gradient == gradient) slot = &s;
    if (slot == nullptr) slot = &c.seen_.emplace_back();
    *slot = {name, gradient, v.rows(), v.cols(), std::vector<S>(v.size())};
    read_rows<B>(Matrix<S>(slot->data.data(), v.rows(), v.cols()), v);
  }
  Values const& find(std::string const& name, bool gradient) const {
    std::string known;
    for (auto const& s : seen_) {
      if (s.name == name && s.gradient == gradient) return s;
      if (s.gradient == gradient) known += (known.empty() ? "" : ", ") + s.name;
    }
    fail("capture", std::string("no ") + (gradient ? "gradient" : "activation") + " of " + name + " was seen",
         known.empty() ? "a pass with this tap first" : "one of " + known);
  }

  std::vector<std::string> patterns_;
  std::vector<Values> seen_;
  Tap<S> tap_{see, this};
};

}  // namespace fauna::inline v0
