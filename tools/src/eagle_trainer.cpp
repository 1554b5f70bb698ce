// The program that tools/fauna compiles to train an EAGLE layer for a model, which stays as it is: "model.hpp" in its
// folder names the types Model and Backend. It is started with NAME=VALUE arguments (settings.hpp), which the launcher
// has checked, and writes into a folder that has the layer's config.json already.
#include "model.hpp"

#include <optional>
#include <string>

#include <fauna/decode/speculate/speculate.hpp>
#include <fauna/io/open_tensors.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/eagle.hpp>
#include <tools/src/draft_metrics.hpp>
#include <tools/src/draft_run.hpp>
#include <tools/src/main.hpp>

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
  tool::DraftRun run(n, arguments);
  auto const& s = run.s;
  Target target(fauna::open_tensors(s.base), run.threads);
  fauna::Trained<Layer, Backend> layer(fauna::seed{s.seed}, run.threads);
  std::optional<fauna::HiddenRows> known;
  if (!s.hidden.empty()) known.emplace(s.hidden, target, run.ids, static_cast<int>(s.block_size) + 1);
  run.begin();
  fauna::train_eagle(
      layer, target, run.ids,
      {.steps = static_cast<int>(s.steps),
       .batch = static_cast<int>(s.batch_size),
       .context = static_cast<int>(s.block_size),
       .lr = s.lr,
       .seed = s.seed,
       .grid = known.has_value()},
      [&](int step, fauna::EagleLosses const& l) {
        run.see(step, "\"features\":" + std::to_string(l.features) + ",\"tokens\":" + std::to_string(l.tokens),
                "features " + std::to_string(l.features) + ", tokens " + std::to_string(l.tokens),
                [&] { return acceptance(target, layer, run.ids); });
      },
      known ? &*known : nullptr);
  if (known) tool::say_computed(*known, s.hidden);
  fauna::save_weights<Layer>(s.out + "/model.safetensors", layer.weights());
  run.end(s.out + "/metrics.jsonl", s.base, "eagle:" + s.out);
  return 0;
}

}  // namespace

int main(int n, char** arguments) { return tool::main_of(run, n, arguments); }
