// The program that tools/fauna compiles to train a model together with Medusa's heads: "model.hpp" in its folder names
// the types Model and Backend. It is started with NAME=VALUE arguments (settings.hpp), which the launcher has checked,
// and writes into a folder that has the model's config.json and tokenizer already.
#include "model.hpp"

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

/// What the model as it is now accepts of its heads.
std::string acceptance(fauna::Trained<Model, Backend> const& trained, fauna::MedusaWeights const& heads,
                       std::vector<int> const& ids) {
  fauna::Loaded<Model, Backend> model(trained.weights(), trained.threads());
  return tool::acceptance_of_heads(model, heads, ids);
}

int run(int n, char** arguments) {
  settings::DraftTrainRun s;
  settings::read(s, n - 1, arguments + 1);
  const std::vector<int> ids = tool::bpe_of(s.base).encode(fauna::read_file(s.data), {.match_special = false});
  const int threads = s.threads > 0 ? static_cast<int>(s.threads) : fauna::default_threads();
  fauna::Trained<Model, Backend> model(fauna::seed{s.seed}, threads);
  (void)fauna::load_weights<Model>(Backend{}, model.weights(), fauna::open_tensors(s.base));
  const double start = fauna::seconds_now();
  std::string metrics;
  const auto heads = fauna::train_medusa2(
      model, ids,
      {.heads = static_cast<int>(s.heads),
       .steps = static_cast<int>(s.steps),
       .batch = static_cast<int>(s.batch_size),
       .context = static_cast<int>(s.block_size),
       .lr = s.lr,
       .seed = s.seed},
      {.first = static_cast<int>(s.heads_first), .lr = s.model_lr, .weight = s.heads_weight},
      [&](int step, fauna::MedusaLosses const& l, fauna::MedusaWeights const& w) {
        const bool last = step + 1 == s.steps;
        if (!last && (s.log_interval == 0 || step % s.log_interval != 0)) return;
        metrics += "{\"step\":" + std::to_string(step) + ",\"next\":" + std::to_string(l.next) + ",\"heads\":[" +
                   tool::joined(l.heads, ",") + ']' + (last ? ',' + acceptance(model, w, ids) : "") + "}\n";
        if (s.log_interval > 0)
          fauna::print(stdout, "step " + std::to_string(step) + ": loss " + std::to_string(l.next) + ", of heads " +
                                   tool::joined(l.heads, " ") + '\n');
      });
  const std::string file = s.out + "/medusa.safetensors";
  fauna::save_weights<Model>(s.out + "/model.safetensors", model.weights());
  heads.save(file);
  fauna::write_file(s.out + "/metrics.jsonl", metrics);
  fauna::print(stdout, std::to_string(s.steps) + " updates in " + std::to_string(fauna::seconds_now() - start) +
                           " s; wrote " + s.out + "\n  tools/fauna generate " + s.out + " --draft medusa:" + file +
                           " --draft-stats --prompt ...\n");
  return 0;
}

}  // namespace

int main(int n, char** arguments) { return tool::main_of(run, n, arguments); }
