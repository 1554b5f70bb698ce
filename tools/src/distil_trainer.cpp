// The program that tools/fauna compiles to train a draft model: "model.hpp" in the draft model's folder names the types
// Model and Backend. It is linked with the engine (engine.hpp) of the model that it is to draft for, and started with
// NAME=VALUE arguments (settings.hpp), which the launcher has checked. It writes into a folder that has the draft's
// config.json and tokenizer already.
#include "model.hpp"

#include <algorithm>
#include <string>

#include <fauna/decode/speculate/speculate.hpp>
#include <fauna/io/clock.hpp>
#include <fauna/io/open_tensors.hpp>
#include <fauna/io/print.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/text/bpe.hpp>
#include <fauna/train/distil.hpp>
#include <tools/src/draft_metrics.hpp>
#include <tools/src/drafts.hpp>
#include <tools/src/main.hpp>
#include <tools/src/settings.hpp>
#include <tools/src/tokenizers.hpp>

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
  settings::DraftTrainRun s;
  settings::read(s, n - 1, arguments + 1);
  const std::vector<int> ids = tool::bpe_of(s.base).encode(fauna::read_file(s.data), {.match_special = false});
  const int threads = s.threads > 0 ? static_cast<int>(s.threads) : fauna::default_threads();
  Target target{tool::engine()};
  target.engine.load(fauna::open_tensors(s.base), threads);
  fauna::Trained<Model, Backend> draft(fauna::seed{s.seed}, threads);
  if (!s.weights.empty()) (void)fauna::load_weights<Model>(Backend{}, draft.weights(), fauna::open_tensors(s.weights));
  const double start = fauna::seconds_now();
  std::string metrics;
  fauna::distil(draft, target, ids,
                {.steps = static_cast<int>(s.steps),
                 .batch = static_cast<int>(s.batch_size),
                 .context = static_cast<int>(s.block_size),
                 .lr = s.lr,
                 .tv_weight = s.tv_weight,
                 .seed = s.seed},
                [&](int step, fauna::LawDistance<> const& d) {
                  const bool last = step + 1 == s.steps;
                  if (!last && (s.log_interval == 0 || step % s.log_interval != 0)) return;
                  metrics += "{\"step\":" + std::to_string(step) + ",\"tv\":" + std::to_string(d.variation) +
                             ",\"kl\":" + std::to_string(d.divergence) +
                             (last ? ',' + acceptance(target.engine, draft, ids) : "") + "}\n";
                  if (s.log_interval > 0)
                    fauna::print(stdout, "step " + std::to_string(step) + ": total variation " +
                                             std::to_string(d.variation) + ", KL " + std::to_string(d.divergence) +
                                             '\n');
                });
  fauna::save_weights<Model>(s.out + "/model.safetensors", draft.weights());
  fauna::write_file(s.out + "/metrics.jsonl", metrics);
  fauna::print(stdout, std::to_string(s.steps) + " updates in " + std::to_string(fauna::seconds_now() - start) +
                           " s; wrote " + s.out + "\n  tools/fauna generate " + s.base + " --draft " + s.out +
                           " --draft-stats --prompt ...\n");
  return 0;
}

}  // namespace

int main(int n, char** arguments) { return tool::main_of(run, n, arguments); }
