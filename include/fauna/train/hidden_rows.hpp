// What a model that stays as it is gives for the windows of a text, kept in a file: it reads each window once, whatever
// is trained on its rows, and however often.
#pragma once
#include <typeinfo>
#include <vector>

#include <fauna/decode/loaded.hpp>
#include <fauna/io/window_file.hpp>

namespace fauna::inline v0 {

/// A hash of a model's type, which has its config in it, and of its weights as they were loaded.
template <LanguageModel M, Backend B> std::uint64_t hash_of(Loaded<M, B, All<float>>& model) {
  std::uint64_t h = text_hash(typeid(M).name());
  M::visit(model.weights(), Place{}, [&h](Tensor const&, auto& v) {
    h = text_hash({reinterpret_cast<const char*>(v.data()), v.size() * sizeof(float)}, h);
  });
  return h;
}

class HiddenRows {
 public:
  /// ids is referred to; length: tokens of a window. Throws where the file is of another model or text.
  template <LanguageModel M, Backend B>
  HiddenRows(std::string const& path, Loaded<M, B, All<float>>& model, std::vector<int> const& ids, int length)
      : HiddenRows(path, hash_of(model), ids, length, M::width) {}
  HiddenRows(std::string const& path, std::uint64_t model, std::vector<int> const& ids, int length, int width)
      : ids_(&ids),
        length_(static_cast<std::size_t>(length)),
        width_(width),
        file_(path, {.model = model,
                     .text = text_hash({reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(int)}),
                     .tokens = ids.size(),
                     .length = length_,
                     .width = static_cast<std::uint64_t>(width)}) {}

  /// h [windows * length, width] of the windows that begin there: the target reads those that the file does not have,
  /// side by side, and they are kept.
  template <class T> void hidden(T& target, std::vector<std::size_t> const& starts, Matrix<float> h) {
    const std::size_t floats = length_ * static_cast<std::size_t>(width_);
    std::vector<std::size_t> unknown;
    tokens_.clear();
    for (std::size_t s = 0; s < starts.size(); ++s) {
      if (file_.read(starts[s] / length_, h.data() + s * floats)) continue;
      unknown.push_back(s);
      const auto from = ids_->begin() + static_cast<std::ptrdiff_t>(starts[s]);
      tokens_.insert(tokens_.end(), from, from + static_cast<std::ptrdiff_t>(length_));
    }
    if (unknown.empty()) return;
    const auto n = static_cast<int>(unknown.size()), length = static_cast<int>(length_);
    rows_.resize(unknown.size() * floats);
    target.hidden(Batch::uniform(n, length, tokens_.data()), Matrix<float>(rows_.data(), n * length, width_));
    for (std::size_t i = 0; i < unknown.size(); ++i) {
      const float* const found = rows_.data() + i * floats;
      std::memcpy(h.data() + unknown[i] * floats, found, floats * sizeof(float));
      file_.write(starts[unknown[i]] / length_, found);
    }
    computed_ += n;
  }
  /// Throws unless windows are these.
  void require(bool grid, int length) const {
    if (!grid || static_cast<std::size_t>(length) != length_)
      fail("windows",
           "windows of " + std::to_string(length) + " tokens that begin " + (grid ? "on a grid" : "anywhere"),
           std::to_string(length_) + " on a grid, as the file has them");
  }
  /// Windows that were not in the file, so far.
  long computed() const { return computed_; }

 private:
  std::vector<int> const* ids_;
  std::size_t length_;
  int width_;
  WindowFile file_;
  long computed_ = 0;
  std::vector<int> tokens_{};  ///< of the windows that are unknown, and what the target gives for them
  std::vector<float> rows_{};
};

}  // namespace fauna::inline v0
