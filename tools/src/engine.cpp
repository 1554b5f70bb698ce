// The engine of one model: "model.hpp" in the model's folder names the types Model and Backend, the storage of weights
// where it is not the backend's own, and says what programs of two models call it. Nothing here is about
// anything but its numbers, so that another model costs the compilation of its kernels alone.
#include "model.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include <fauna/decode/adapters.hpp>
#include <fauna/decode/loaded.hpp>
#include <fauna/decode/speculate/reader.hpp>
#include <fauna/decode/speculate/slots.hpp>
#include <fauna/ops/cpu.hpp>
#include <tools/src/engine.hpp>

namespace {

#ifndef FAUNA_STORAGE
#define FAUNA_STORAGE fauna::Packed<Backend>
#endif
using Loaded = fauna::Loaded<Model, Backend, FAUNA_STORAGE>;

class CompiledReader final : public tool::Reader {
 public:
  CompiledReader(Loaded& model, int context, int chunk, int adapter, fauna::rewinds how)
      : reader_(model, context, chunk, adapter, how) {}
  int vocab() const override { return reader_.vocab(); }
  int context() const override { return reader_.context(); }
  int width() const override { return Model::width; }
  const float* logits(const int* ids, int n, int wanted, int stays) override {
    return reader_.logits(ids, n, wanted, stays);
  }
  int tree_room(int n) const override { return reader_.tree_room(n); }
  const float* tree_logits(const int* ids, int n, fauna::DraftTree const& tree) override {
    return reader_.tree_logits(ids, n, tree);
  }
  void keep(std::vector<int> const& path) override { reader_.keep(path); }
  const float* hidden(int row) const override { return reader_.hidden(row); }
  const float* head(const float* rows, int n) override { return reader_.head(rows, n); }
  fauna::Exits exits() const override { return reader_.exits(); }
  const float* early(const int* ids, int n, int stays, int layers) override {
    return reader_.early(ids, n, stays, layers);
  }
  int depths() const override { return reader_.depths(); }
  const float* further(int depth, int first, const float* h, const int* tokens, int rows) override {
    return reader_.further(depth, first, h, tokens, rows);
  }
  int table_width() const override { return reader_.table_width(); }
  int layers() const override { return reader_.layers(); }
  void remember_all(std::vector<int> const& layers) override { reader_.remember_all(layers); }
  int features() const override { return reader_.features(); }
  const float* feature(int row) const override { return reader_.feature(row); }
  int known(const int* ids, int n) const override { return reader_.known(ids, n); }
  const float* embed(const int* ids, int n) override { return reader_.embed(ids, n); }

 private:
  fauna::Reader<Loaded, true> reader_;
};

class CompiledSlots final : public tool::Slots {
 public:
  CompiledSlots(Loaded& model, int sequences, int context, int chunk, bool takes_back, int adapter, fauna::rewinds how)
      : slots_(model, sequences, context, chunk, takes_back, how), adapter_(adapter) {
    slots_.in_small_pages();
  }
  bool step(std::vector<fauna::Continuation>& texts, int chunk,
            std::function<void(int, const float*)> const& next) override {
    if (adapter_ != fauna::no_adapter)
      for (fauna::Continuation& t : texts)
        if (t.adapter == fauna::no_adapter) t.adapter = adapter_;
    return slots_.step(texts, chunk, next);
  }
  // What a slot holds no more goes back to the system.
  void clear(int slot) override {
    slots_.clear(slot);
    slots_.trim(slot);
  }
  void copy(int from, int to, int rows) override {
    slots_.copy(from, to, rows);
    slots_.trim(to);
  }
  bool cuts() const override { return slots_.cuts(); }
  bool cut(int slot, int rows) override {
    constexpr int few = 64;  // of drafts, say, whose places are soon written again
    const bool many = slots_.length(slot) - rows > few;
    const bool done = slots_.cut(slot, rows);
    if (done && many) slots_.trim(slot);
    return done;
  }
  int take_back(int slot, int rows) override { return slots_.take_back(slot, rows); }
  int tree_room(int n) const override { return slots_.tree_room(n); }
  void keep(int slot, int from, std::vector<int> const& path) override { slots_.keep(slot, from, path); }
  int vocab() const override { return slots_.vocab(); }
  int context() const override { return slots_.context(); }
  int width() const override { return slots_.width(); }
  int table_width() const override { return slots_.table_width(); }
  int layers() const override { return slots_.layers(); }
  void remember(std::vector<int> const& layers) override { slots_.remember(layers); }
  const float* hidden(int slot, int row) const override { return slots_.hidden(slot, row); }
  int features() const override { return slots_.features(); }
  const float* feature(int slot, int row) const override { return slots_.feature(slot, row); }
  int known(int slot, const int* ids, int n) const override { return slots_.known(slot, ids, n); }
  const float* head(const float* rows, int n) override { return slots_.head(rows, n); }
  const float* embed(const int* ids, int n) override { return slots_.embed(ids, n); }
  int depths() const override { return slots_.depths(); }
  const float* further(int slot, int depth, int first, const float* h, const int* tokens, int rows) override {
    return slots_.further(slot, depth, first, h, tokens, rows);
  }
  fauna::Exits exits() const override { return slots_.exits(); }
  const float* early(int slot, const int* ids, int n, int stays, int layers) override {
    return slots_.early(slot, ids, n, stays, layers);
  }

 private:
  fauna::Slots<Loaded> slots_;
  int adapter_;
};

class Compiled final : public tool::Engine {
 public:
  int vocab() const override { return Model::vocab; }
  int context() const override { return fauna::context_of<Model>; }
  int width() const override { return Model::width; }
  void load(fauna::TensorFile const& from, int threads, std::string const& quantise) override {
    fauna::LoadOptions o;
    o.quantise = quantise;
    model_.emplace(from, threads > 0 ? threads : fauna::default_threads(), o);
  }
  int add(fauna::Adapter const& adapter, fauna::TensorFile const& base) override {
    return put_beside(adapters_, *model_, adapter, base);
  }
  bool takes(fauna::Adapter const& adapter, fauna::TensorFile const& base) const override {
    return stands_beside<Model>(adapter, base);
  }
  void watch(fauna::Tap<float> const* tap) override { model_->watch(tap); }
  std::size_t weight_bytes() const override { return model_->weight_bytes(); }
  std::size_t slot_bytes(int context) const override {
    return fauna::state_bytes<Model, Backend::scalar>(fauna::Shape{.sequences = 1, .context = context});
  }

  void logits(std::vector<int> const& ids, int chunk, float* logits) override {
    const int n = static_cast<int>(ids.size());
    model_->prepare_inference({.sequences = 1, .length = std::min(chunk, n), .context = n});
    fauna::Cache<Model, Backend> cache(1, n);
    for (int from = 0; from < n; from += chunk) {
      const int rows = std::min(chunk, n - from);
      model_->logits(
          cache, with_adapter(fauna::Batch::uniform(1, rows, ids.data() + from)), fauna::logit_rows::all,
          fauna::Matrix<float>(logits + static_cast<std::ptrdiff_t>(from) * Model::vocab, rows, Model::vocab));
    }
  }
  void losses(const int* ids, const int* targets, int rows, float* losses) override {
    model_->prepare_inference({.sequences = 1, .length = rows});
    model_->losses(with_adapter(fauna::Batch::uniform(1, rows, ids, targets)), losses);
  }
  void further_losses(const int* ids, const int* targets, int rows, bool fresh, float* losses) override {
    if constexpr (fauna::ConstantState<Model>) {
      if (fresh) text_.emplace(1);
      model_->prepare_inference({.sequences = 1, .length = rows});
      logits_.resize(static_cast<std::size_t>(rows) * Model::vocab);
      model_->logits(*text_, with_adapter(fauna::Batch::uniform(1, rows, ids)), fauna::logit_rows::all,
                     fauna::Matrix<float>(logits_.data(), rows, Model::vocab));
      for (int r = 0; r < rows; ++r) {
        const float* l = logits_.data() + static_cast<std::ptrdiff_t>(r) * Model::vocab;
        const float most = *std::max_element(l, l + Model::vocab);
        double sum = 0;
        for (int v = 0; v < Model::vocab; ++v) sum += std::exp(static_cast<double>(l[v] - most));
        losses[r] = static_cast<float>(std::log(sum) + static_cast<double>(most - l[targets[r]]));
      }
    } else {
      (void)fresh;
      this->losses(ids, targets, rows, losses);
    }
  }
  std::vector<int> generate(std::vector<int> const& prompt, fauna::GenerateOptions const& o,
                            std::function<bool(int)> const& see) override {
    fauna::GenerateOptions with = o;
    if (with.adapter == fauna::no_adapter) with.adapter = adapter;
    return fauna::generate_tokens(*model_, prompt, with, see);
  }
  std::unique_ptr<tool::Reader> reader(int context, int chunk, int which) override {
    return std::make_unique<CompiledReader>(*model_, context, chunk, which == fauna::no_adapter ? adapter : which,
                                            rewind);
  }
  std::unique_ptr<tool::Slots> slots(int sequences, int context, int chunk, bool takes_back) override {
    return std::make_unique<CompiledSlots>(*model_, sequences, context, chunk, takes_back, adapter, rewind);
  }

 private:
  fauna::Batch with_adapter(fauna::Batch b) const {
    if (adapter != fauna::no_adapter) b.adapters = &adapter;
    return b;
  }
  /// Of models that take adapters; others need no code for them.
  template <class M> static bool stands_beside(fauna::Adapter const& adapter, fauna::TensorFile const& base) {
    if constexpr (requires { typename M::rewriting; }) return fauna::merged_alone<M>(adapter, base).empty();
    return false;
  }
  template <class T>
  static int put_beside(fauna::Adapters<Backend>& to, T& model, fauna::Adapter const& adapter,
                        fauna::TensorFile const& base) {
    using M = typename T::model;
    if constexpr (requires { typename M::rewriting; })
      if (stands_beside<M>(adapter, base)) return fauna::add_adapter(to, model, adapter, base);
    return fauna::no_adapter;
  }

  fauna::Adapters<Backend> adapters_;
  std::optional<Loaded> model_;
  std::optional<fauna::Cache<Model, Backend>> text_;  ///< of further_losses
  std::vector<float> logits_;
};

[[maybe_unused]] const bool registered =
    tool::engines()
        .emplace(model_name, []() -> std::unique_ptr<tool::Engine> { return std::make_unique<Compiled>(); })
        .second;

}  // namespace
