// The program that tools/fauna compiles to train a draft model: "model.hpp" in the draft model's folder names the types
// Model and Backend. It is linked with the engine (engine.hpp) of the model that it is to draft for, and started with
// NAME=VALUE arguments (settings.hpp), which the launcher has checked. It writes into a folder that has the draft's
// config.json and tokenizer already.
#include "model.hpp"

#include <algorithm>
#include <string>

#include <fauna/decode/speculate/speculate.hpp>
#include <fauna/io/open_tensors.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/distil.hpp>
#include <tools/src/draft_metrics.hpp>
#include <tools/src/draft_run.hpp>
#include <tools/src/drafts.hpp>
#include <tools/src/main.hpp>

namespace {

/// An engine as what is learnt from.
struct Target {
  tool::Engine& engine;
  std::vector<int> ids{};
  void logits(fauna::Batch const& window, fauna::logit_rows, fauna::Matrix<float> y) {
    ids.assign(window.tokens, window.tokens + window.rows);
    engine.logits(ids, window.rows, y.data());
  }
};

/// What the target accepts of the draft as it is now.
std::string acceptance(tool::Engine& target, fauna::Trained<Model, Backend> const& trained,
                       std::vector<int> const& ids) {
  const tool::DraftProbe probe(ids, std::min(target.context(), fauna::context_of<Model>));
  fauna::Loaded<Model, Backend> draft(trained.weights(), trained.threads());
  tool::AnyReader reader(target, probe.rows(), probe.rows());
  fauna::DraftModel drafter(draft, probe.rows());
  return probe.members(reader, drafter);
}

int run(int n, char** arguments) {
  tool::DraftRun run(n, arguments);
  auto const& s = run.s;
  Target target{tool::engine()};
  target.engine.load(fauna::open_tensors(s.base), run.threads);
  fauna::Trained<Model, Backend> draft(fauna::seed{s.seed}, run.threads);
  if (!s.weights.empty()) (void)fauna::load_weights<Model>(Backend{}, draft.weights(), fauna::open_tensors(s.weights));
  run.begin();
  fauna::distil(draft, target, run.ids,
                {.steps = static_cast<int>(s.steps),
                 .batch = static_cast<int>(s.batch_size),
                 .context = static_cast<int>(s.block_size),
                 .lr = s.lr,
                 .tv_weight = s.tv_weight,
                 .seed = s.seed},
                [&](int step, fauna::LawDistance<> const& d) {
                  run.see(step, "\"tv\":" + std::to_string(d.variation) + ",\"kl\":" + std::to_string(d.divergence),
                          "total variation " + std::to_string(d.variation) + ", KL " + std::to_string(d.divergence),
                          [&] { return acceptance(target.engine, draft, run.ids); });
                });
  fauna::save_weights<Model>(s.out + "/model.safetensors", draft.weights());
  run.end(s.out + "/metrics.jsonl", s.base, s.out);
  return 0;
}

}  // namespace

int main(int n, char** arguments) { return tool::main_of(run, n, arguments); }
