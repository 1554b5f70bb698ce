// The engine of one model: "model.hpp" in the model's folder names the types Model and Backend. Nothing here is about
// anything but its numbers, so that another model costs the compilation of its kernels alone.
#include "model.hpp"

#include <algorithm>
#include <optional>

#include <fauna/decode/loaded.hpp>
#include <fauna/ops/cpu.hpp>
#include <tools/src/engine.hpp>

namespace {

class Compiled final : public tool::Engine {
 public:
  int vocab() const override { return Model::vocab; }
  int context() const override { return fauna::context_of<Model>; }
  void load(fauna::TensorFile const& from, int threads) override { model_.emplace(from, threads); }

  void logits(std::vector<int> const& ids, int chunk, float* logits) override {
    const int n = static_cast<int>(ids.size());
    model_->prepare_inference({.sequences = 1, .length = std::min(chunk, n), .context = n});
    fauna::Cache<Model, Backend> cache(1, n);
    for (int from = 0; from < n; from += chunk) {
      const int rows = std::min(chunk, n - from);
      model_->logits(
          cache, fauna::Batch::uniform(1, rows, ids.data() + from), fauna::logit_rows::all,
          fauna::Matrix<float>(logits + static_cast<std::ptrdiff_t>(from) * Model::vocab, rows, Model::vocab));
    }
  }
  void losses(const int* ids, const int* targets, int rows, float* losses) override {
    model_->prepare_inference({.sequences = 1, .length = rows});
    model_->losses(fauna::Batch::uniform(1, rows, ids, targets), losses);
  }
  std::vector<int> generate(std::vector<int> const& prompt, fauna::GenerateOptions const& o,
                            std::function<bool(int)> const& see) override {
    return fauna::generate_tokens(*model_, prompt, o, see);
  }

 private:
  std::optional<fauna::Loaded<Model, Backend>> model_;
};

}  // namespace

tool::Engine& tool::engine() {
  static Compiled compiled;
  return compiled;
}
