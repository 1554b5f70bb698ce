// An EAGLE layer as the drafter sees it: numbers in, numbers out. What stands behind it, eagle_layer.cpp, is compiled
// for each.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fauna/core/error.hpp>

namespace tool {

/// fauna::EagleReader of a layer with its weights.
class EagleLayer {
 public:
  virtual ~EagleLayer() = default;
  virtual int width() const = 0;
  virtual int vocab() const = 0;
  virtual int context() const = 0;
  virtual bool own_head() const = 0;
  virtual int target_width() const = 0;
  virtual std::vector<int> const& tokens() const = 0;
  virtual const float* fuse(const float* f, int n) = 0;
  virtual const float* logits(const float* features, int n) = 0;
  virtual void cut(int rows) = 0;
  virtual const float* read(const float* x, int n, const int* parents, const int* positions) = 0;
  /// For another text, with the same weights in memory.
  virtual std::unique_ptr<EagleLayer> another() const = 0;
};

/// What the program was linked with, if it was: weights, threads, rows of a text at most.
using EagleMaker = std::unique_ptr<EagleLayer> (*)(std::string const& weights, int threads, int context);
inline EagleMaker& eagle_maker() {
  static EagleMaker maker = nullptr;
  return maker;
}

/// A layer as a value.
class AnyEagle {
 public:
  AnyEagle(std::string const& weights, int threads, int context) {
    if (eagle_maker() == nullptr)
      fauna::fail("fauna", "no EAGLE layer in this program", "one", "this program is started by tools/fauna");
    layer_ = eagle_maker()(weights, threads, context);
  }
  AnyEagle another() const { return AnyEagle(layer_->another()); }
  int width() const { return layer_->width(); }
  int vocab() const { return layer_->vocab(); }
  int context() const { return layer_->context(); }
  bool own_head() const { return layer_->own_head(); }
  int target_width() const { return layer_->target_width(); }
  std::vector<int> const& tokens() const { return layer_->tokens(); }
  const float* fuse(const float* f, int n) { return layer_->fuse(f, n); }
  const float* logits(const float* features, int n) { return layer_->logits(features, n); }
  void cut(int rows) { layer_->cut(rows); }
  const float* read(const float* x, int n, const int* parents = nullptr, const int* positions = nullptr) {
    return layer_->read(x, n, parents, positions);
  }

 private:
  explicit AnyEagle(std::unique_ptr<EagleLayer> layer) : layer_(std::move(layer)) {}
  std::unique_ptr<EagleLayer> layer_;
};

}  // namespace tool
