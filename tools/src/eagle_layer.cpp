// An EAGLE layer for the program that writes: "model.hpp" in its folder names the types Model and Backend.
#include "model.hpp"

#include <algorithm>

#include <fauna/decode/speculate/eagle.hpp>
#include <fauna/io/open_tensors.hpp>
#include <fauna/ops/cpu.hpp>
#include <tools/src/eagle_layer.hpp>

namespace {

/// Of a drafter with a vocabulary of its own, what its tokens are.
template <class M> std::vector<int> tokens_of(fauna::TensorFile const& file) {
  if constexpr (requires { M::drafts; }) return fauna::eagle_tokens(file, M::drafts, M::vocab);
  else return (void)file, std::vector<int>();
}

using Loaded = fauna::Loaded<Model, Backend>;

class Compiled final : public tool::EagleLayer {
 public:
  Compiled(fauna::TensorFile const& weights, int threads, int context)
      : model_(std::make_shared<Loaded>(weights, threads)),
        reader_(*model_, std::min(context, Model::config.context), tokens_of<Model>(weights)) {}
  int width() const override { return reader_.width(); }
  int vocab() const override { return reader_.vocab(); }
  int context() const override { return reader_.context(); }
  bool own_head() const override { return reader_.own_head(); }
  int target_width() const override { return reader_.target_width(); }
  std::vector<int> const& tokens() const override { return reader_.tokens(); }
  const float* fuse(const float* f, int n) override { return reader_.fuse(f, n); }
  const float* logits(const float* features, int n) override { return reader_.logits(features, n); }
  void cut(int rows) override { reader_.cut(rows); }
  const float* read(const float* x, int n, const int* parents, const int* positions) override {
    return reader_.read(x, n, parents, positions);
  }
  std::unique_ptr<tool::EagleLayer> another() const override {
    auto one = std::make_unique<Compiled>(*this);
    one->cut(0);
    return one;
  }

 private:
  std::shared_ptr<Loaded> model_;
  fauna::EagleReader<Loaded> reader_;
};

[[maybe_unused]] const bool registered =
    (tool::eagle_maker() = [](std::string const& weights, int threads,
                              int context) -> std::unique_ptr<tool::EagleLayer> {
      return std::make_unique<Compiled>(fauna::open_tensors(weights), threads, context);
    }) != nullptr;

}  // namespace
