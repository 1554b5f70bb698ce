// The program that tools/fauna compiles to train an EAGLE layer for a model, which stays as it is: "model.hpp" in its
// folder names the types Model and Backend. It is started with NAME=VALUE arguments (settings.hpp), which the launcher
// has checked, and writes into a folder that has the layer's config.json already.
#include "model.hpp"

#include <algorithm>
#include <string>

#include <fauna/decode/speculate/speculate.hpp>
#include <fauna/io/clock.hpp>
#include <fauna/io/open_tensors.hpp>
#include <fauna/io/print.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/text/bpe.hpp>
#include <fauna/train/eagle.hpp>
#include <tools/src/main.hpp>
#include <tools/src/settings.hpp>
#include <tools/src/tokenizers.hpp>

namespace {

using Target = fauna::Loaded<Model, Backend, fauna::All<float>>;
using Layer = fauna::Eagle<fauna::eagle_of(Model::config)>;

/// How chains of four fare at pieces of the text, which the model goes on with greedily: JSON.
std::string acceptance(Target& target, fauna::Trained<Layer, Backend> const& trained, std::vector<int> const& ids) {
  constexpr int texts = 8, longest = 32, draft = 4;
  const int n = static_cast<int>(ids.size()), prompt = std::min({n / 2, longest, Model::config.context / 2}),
            tokens = std::min(longest, Model::config.context - prompt);
  fauna::Loaded<Layer, Backend> layer(trained.weights(), target.threads());
  fauna::Reader<Target, true> reader(target, prompt + tokens);
  fauna::EagleChain drafter(reader, fauna::EagleReader(layer, prompt + tokens));
  fauna::DraftCounts all{.seen = std::vector<long>(draft), .accepted = std::vector<long>(draft)};
  for (int i = 0; i < texts; ++i) {
    const auto from = ids.begin() + static_cast<std::ptrdiff_t>(n - prompt) * i / texts;
    const auto got =
        fauna::speculate(reader, drafter, std::vector<int>(from, from + prompt),
                         {.text = {.tokens = tokens, .temperature = 0, .top_k = 0, .context = prompt + tokens},
                          .draft = std::min(draft, prompt + tokens - 1)});
    all.steps += got.counts.steps, all.tokens += got.counts.tokens;
    for (std::size_t k = 0; k < got.counts.seen.size(); ++k)
      all.seen[k] += got.counts.seen[k], all.accepted[k] += got.counts.accepted[k];
  }
  std::string places;
  for (std::size_t k = 0; k < draft; ++k)
    places +=
        (k > 0 ? "," : "") +
        std::to_string(all.seen[k] > 0 ? static_cast<double>(all.accepted[k]) / static_cast<double>(all.seen[k]) : 0);
  return "\"acceptance\":[" + places + "],\"tokens_per_step\":" + std::to_string(all.tokens_per_step());
}

int run(int n, char** arguments) {
  settings::DraftTrainRun s;
  settings::read(s, n - 1, arguments + 1);
  const std::vector<int> ids = tool::bpe_of(s.base).encode(fauna::read_file(s.data), {.match_special = false});
  const int threads = s.threads > 0 ? static_cast<int>(s.threads) : fauna::default_threads();
  Target target(fauna::open_tensors(s.base), threads);
  fauna::Trained<Layer, Backend> layer(fauna::seed{s.seed}, threads);
  const double start = fauna::seconds_now();
  std::string metrics;
  fauna::train_eagle(layer, target, ids,
                     {.steps = static_cast<int>(s.steps),
                      .batch = static_cast<int>(s.batch_size),
                      .context = static_cast<int>(s.block_size),
                      .lr = s.lr,
                      .seed = s.seed},
                     [&](int step, fauna::EagleLosses const& l) {
                       const bool last = step + 1 == s.steps;
                       if (!last && (s.log_interval == 0 || step % s.log_interval != 0)) return;
                       metrics += "{\"step\":" + std::to_string(step) + ",\"features\":" + std::to_string(l.features) +
                                  ",\"tokens\":" + std::to_string(l.tokens) +
                                  (last ? ',' + acceptance(target, layer, ids) : "") + "}\n";
                       if (s.log_interval > 0)
                         fauna::print(stdout, "step " + std::to_string(step) + ": features " +
                                                  std::to_string(l.features) + ", tokens " + std::to_string(l.tokens) +
                                                  '\n');
                     });
  fauna::save_weights<Layer>(s.out + "/model.safetensors", layer.weights());
  fauna::write_file(s.out + "/metrics.jsonl", metrics);
  fauna::print(stdout, std::to_string(s.steps) + " updates in " + std::to_string(fauna::seconds_now() - start) +
                           " s; wrote " + s.out + "\n  tools/fauna generate " + s.base + " --draft eagle:" + s.out +
                           " --draft-stats --prompt ...\n");
  return 0;
}

}  // namespace

int main(int n, char** arguments) { return tool::main_of(run, n, arguments); }
