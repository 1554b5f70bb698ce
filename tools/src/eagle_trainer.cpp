// The program that tools/fauna compiles to train an EAGLE layer for a model, which stays as it is: "model.hpp" in its
// folder names the types Model and Backend. It is started with NAME=VALUE arguments (settings.hpp), which the launcher
// has checked, and writes into a folder that has the layer's config.json already.
#include "model.hpp"

#include <optional>
#include <string>

#include <fauna/decode/speculate/speculate.hpp>
#include <fauna/io/clock.hpp>
#include <fauna/io/open_tensors.hpp>
#include <fauna/io/print.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/text/bpe.hpp>
#include <fauna/train/eagle.hpp>
#include <tools/src/draft_metrics.hpp>
#include <tools/src/main.hpp>
#include <tools/src/settings.hpp>
#include <tools/src/tokenizers.hpp>

namespace {

using Target = fauna::Loaded<Model, Backend, fauna::All<float>>;
using Layer = fauna::Eagle<fauna::eagle_of(Model::config)>;

/// What the target accepts of the layer's chains as it is now.
std::string acceptance(Target& target, fauna::Trained<Layer, Backend> const& trained, std::vector<int> const& ids) {
  const tool::DraftProbe probe(ids, Model::config.context);
  fauna::Loaded<Layer, Backend> layer(trained.weights(), target.threads());
  fauna::Reader<Target, true> reader(target, probe.rows());
  fauna::EagleChain drafter(reader, fauna::EagleReader(layer, probe.rows()));
  return probe.members(reader, drafter);
}

int run(int n, char** arguments) {
  settings::DraftTrainRun s;
  settings::read(s, n - 1, arguments + 1);
  const std::vector<int> ids = tool::bpe_of(s.base).encode(fauna::read_file(s.data), {.match_special = false});
  const int threads = s.threads > 0 ? static_cast<int>(s.threads) : fauna::default_threads();
  Target target(fauna::open_tensors(s.base), threads);
  fauna::Trained<Layer, Backend> layer(fauna::seed{s.seed}, threads);
  std::optional<fauna::HiddenRows> known;
  if (!s.hidden.empty()) known.emplace(s.hidden, target, ids, static_cast<int>(s.block_size) + 1);
  const double start = fauna::seconds_now();
  std::string metrics;
  fauna::train_eagle(
      layer, target, ids,
      {.steps = static_cast<int>(s.steps),
       .batch = static_cast<int>(s.batch_size),
       .context = static_cast<int>(s.block_size),
       .lr = s.lr,
       .seed = s.seed,
       .grid = known.has_value()},
      [&](int step, fauna::EagleLosses const& l) {
        const bool last = step + 1 == s.steps;
        if (!last && (s.log_interval == 0 || step % s.log_interval != 0)) return;
        metrics += "{\"step\":" + std::to_string(step) + ",\"features\":" + std::to_string(l.features) +
                   ",\"tokens\":" + std::to_string(l.tokens) + (last ? ',' + acceptance(target, layer, ids) : "") +
                   "}\n";
        if (s.log_interval > 0)
          fauna::print(stdout, "step " + std::to_string(step) + ": features " + std::to_string(l.features) +
                                   ", tokens " + std::to_string(l.tokens) + '\n');
      },
      known ? &*known : nullptr);
  if (known) tool::say_computed(*known, s.hidden);
  fauna::save_weights<Layer>(s.out + "/model.safetensors", layer.weights());
  fauna::write_file(s.out + "/metrics.jsonl", metrics);
  fauna::print(stdout, std::to_string(s.steps) + " updates in " + std::to_string(fauna::seconds_now() - start) +
                           " s; wrote " + s.out + "\n  tools/fauna generate " + s.base + " --draft eagle:" + s.out +
                           " --draft-stats --prompt ...\n");
  return 0;
}

}  // namespace

int main(int n, char** arguments) { return tool::main_of(run, n, arguments); }
