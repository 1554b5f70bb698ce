// The engine of a model on the ranks that mpirun started, as many as "model.hpp" says: in model_ranks stages, whose
// tensors are in model_tensor parts. All ranks know all logits and draw the same tokens; rank 0 writes them.
#include "model.hpp"

#include <algorithm>
#include <cstdio>
#include <optional>

#include <fauna/decode/generate.hpp>
#include <fauna/decode/weights.hpp>
#include <fauna/dist/mpi.hpp>
#include <fauna/dist/pipeline.hpp>
#include <fauna/ops/cpu.hpp>
#include <tools/src/alike.hpp>
#include <tools/src/engine.hpp>
#include <tools/src/model_parts.hpp>
#include <tools/src/started.hpp>

namespace {

using Whole = fauna::Trained<Model, Backend>;
using Groups = fauna::MeshGroups<fauna::Mpi>;

/// The ranks, for as long as the program runs: where it ends with an error MPI is not ended, and mpirun ends the
/// others.
fauna::Mpi& mpi() {
  static fauna::Mpi ranks;
  return ranks;
}
Groups& groups() {
  static Groups all(mpi(), {.pp = model_ranks, .tp = model_tensor});
  return all;
}

template <int I> class InParts final : public tool::Engine {
  using Part = fauna::Staged<typename tool::ModelInParts::template part<I>, Backend, fauna::Mpi>;

 public:
  InParts() : group_(fauna::group_of<Backend::scalar>(groups().tp)) {
    if (mpi().rank() != 0 && std::freopen("/dev/null", "w", stdout) == nullptr)
      fauna::io_fail("open", "/dev/null", errno);
  }
  int vocab() const override { return Model::vocab; }
  int context() const override { return fauna::context_of<Model>; }
  int width() const override { return Model::width; }
  /// Each rank has the whole model for as long as this takes.
  void load(fauna::TensorFile const& from, int threads, std::string const&) override {
    std::string header;
    for (fauna::SafeTensor const& t : from.tensors()) header += t.name + ' ' + t.text() + '\n';
    fauna::require_same(mpi(), "list of tensors in " + from.path(), fauna::text_hash(header));
    if (threads == 0) threads = std::max(1, fauna::default_threads() / mpi().on_machine());
    Whole whole(fauna::seed{}, threads);
    (void)fauna::load_weights<Model>(Backend{}, whole.weights(), from);
    model_.emplace(groups().pp, fauna::seed{}, threads);
    fauna::take_part(*model_, whole, groups().tp.rank());
    if (model_tensor > 1) model_->join(&group_);
  }
  std::size_t weight_bytes() const override { return Part::model::parameters * sizeof(Backend::scalar); }
  std::size_t slot_bytes(int context) const override {
    return fauna::state_bytes<typename Part::model, Backend::scalar>(fauna::Shape{.sequences = 1, .context = context});
  }
  std::vector<int> generate(std::vector<int> const& prompt, fauna::GenerateOptions const& o,
                            std::function<bool(int)> const& see) override {
    fauna::require_same(mpi(), "prompt",
                        fauna::text_hash(sha256(std::string_view(reinterpret_cast<const char*>(prompt.data()),
                                                                 prompt.size() * sizeof(int)))));
    return fauna::generate_tokens(*model_, prompt, o, see);
  }
  void logits(std::vector<int> const&, int, float*) override { refuse(); }
  void losses(const int*, const int*, int, float*) override { refuse(); }
  void further_losses(const int*, const int*, int, bool, float*) override { refuse(); }
  std::unique_ptr<tool::Reader> reader(int, int, int) override { refuse(); }
  std::unique_ptr<tool::Slots> slots(int, int, int, bool) override { refuse(); }

 private:
  [[noreturn]] static void refuse() { fauna::fail("fauna", "a model on several ranks", "plain generate"); }

  fauna::Group<Backend::scalar> group_;
  std::optional<Part> model_;
};

/// What the program was told, behind its own name, which may be another on another machine.
std::string told() {
  const std::string words = fauna::read_file("/proc/self/cmdline");
  return words.substr(words.find('\0'));
}

/// That of the part that this rank has, which is part I or a later one.
template <int I = 0> std::unique_ptr<tool::Engine> engine_of_rank() {
  if constexpr (I + 1 < model_ranks)
    if (groups().pp.rank() > I) return engine_of_rank<I + 1>();
  return std::make_unique<InParts<I>>();
}

[[maybe_unused]] const bool registered = tool::engines()
                                             .emplace(model_name,
                                                      []() -> std::unique_ptr<tool::Engine> {
                                                        tool::require_alike(mpi(), told());
                                                        return engine_of_rank();
                                                      })
                                             .second;

}  // namespace
