// The program that tools/fauna compiles to train Medusa's heads for a model, which stays as it is: "model.hpp" in its
// folder names the types Model and Backend. It is started with NAME=VALUE arguments (settings.hpp), which the launcher
// has checked.
#include "model.hpp"

#include <optional>
#include <string>

#include <fauna/decode/speculate/speculate.hpp>
#include <fauna/io/clock.hpp>
#include <fauna/io/open_tensors.hpp>
#include <fauna/io/print.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/text/bpe.hpp>
#include <fauna/train/medusa.hpp>
#include <tools/src/draft_metrics.hpp>
#include <tools/src/main.hpp>
#include <tools/src/settings.hpp>
#include <tools/src/tokenizers.hpp>

namespace {

int run(int n, char** arguments) {
  settings::DraftTrainRun s;
  settings::read(s, n - 1, arguments + 1);
  const std::vector<int> ids = tool::bpe_of(s.base).encode(fauna::read_file(s.data), {.match_special = false});
  fauna::Loaded<Model, Backend, fauna::All<float>> model(
      fauna::open_tensors(s.base), s.threads > 0 ? static_cast<int>(s.threads) : fauna::default_threads());
  std::optional<fauna::HiddenRows> known;
  if (!s.hidden.empty()) known.emplace(s.hidden, model, ids, static_cast<int>(s.block_size));
  const double start = fauna::seconds_now();
  std::string metrics;
  const auto heads = fauna::train_medusa(
      model, ids,
      {.heads = static_cast<int>(s.heads),
       .steps = static_cast<int>(s.steps),
       .batch = static_cast<int>(s.batch_size),
       .context = static_cast<int>(s.block_size),
       .lr = s.lr,
       .seed = s.seed,
       .grid = known.has_value(),
       .own_heads = s.own_heads},
      [&](int step, std::vector<float> const& losses, fauna::MedusaWeights const& w) {
        const bool last = step + 1 == s.steps;
        if (!last && (s.log_interval == 0 || step % s.log_interval != 0)) return;
        metrics += "{\"step\":" + std::to_string(step) + ",\"heads\":[" + tool::joined(losses, ",") + ']' +
                   (last ? ',' + tool::acceptance_of_heads(model, w, ids) : "") + "}\n";
        if (s.log_interval > 0)
          fauna::print(stdout, "step " + std::to_string(step) + ": losses " + tool::joined(losses, " ") + '\n');
      },
      known ? &*known : nullptr);
  if (known) tool::say_computed(*known, s.hidden);
  heads.save(s.out);
  fauna::write_file(s.out + ".metrics.jsonl", metrics);
  fauna::print(stdout, std::to_string(s.steps) + " updates in " + std::to_string(fauna::seconds_now() - start) +
                           " s; wrote " + s.out + "\n  tools/fauna generate " + s.base + " --draft medusa:" + s.out +
                           " --draft-stats --prompt ...\n");
  return 0;
}

}  // namespace

int main(int n, char** arguments) { return tool::main_of(run, n, arguments); }
