// The program that tools/fauna compiles to train a model together with Medusa's heads: "model.hpp" in its folder names
// the types Model and Backend. It is started with NAME=VALUE arguments (settings.hpp), which the launcher has checked,
// and writes into a folder that has the model's config.json and tokenizer already.
#include "model.hpp"

#include <string>

#include <fauna/decode/speculate/speculate.hpp>
#include <fauna/io/open_tensors.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/medusa.hpp>
#include <tools/src/draft_metrics.hpp>
#include <tools/src/draft_run.hpp>
#include <tools/src/main.hpp>

namespace {

/// What the model as it is now accepts of its heads.
std::string acceptance(fauna::Trained<Model, Backend> const& trained, fauna::MedusaWeights const& heads,
                       std::vector<int> const& ids) {
  fauna::Loaded<Model, Backend> model(trained.weights(), trained.threads());
  return tool::acceptance_of_heads(model, heads, ids);
}

int run(int n, char** arguments) {
  tool::DraftRun run(n, arguments);
  auto const& s = run.s;
  fauna::Trained<Model, Backend> model(fauna::seed{s.seed}, run.threads);
  (void)fauna::load_weights<Model>(Backend{}, model.weights(), fauna::open_tensors(s.base));
  run.begin();
  const auto heads = fauna::train_medusa2(
      model, run.ids,
      {.heads = static_cast<int>(s.heads),
       .steps = static_cast<int>(s.steps),
       .batch = static_cast<int>(s.batch_size),
       .context = static_cast<int>(s.block_size),
       .lr = s.lr,
       .seed = s.seed},
      {.first = static_cast<int>(s.heads_first), .lr = s.model_lr, .weight = s.heads_weight},
      [&](int step, fauna::MedusaLosses const& l, fauna::MedusaWeights const& w) {
        run.see(step, "\"next\":" + std::to_string(l.next) + ",\"heads\":[" + tool::joined(l.heads, ",") + ']',
                "loss " + std::to_string(l.next) + ", of heads " + tool::joined(l.heads, " "),
                [&] { return acceptance(model, w, run.ids); });
      });
  const std::string file = s.out + "/medusa.safetensors";
  fauna::save_weights<Model>(s.out + "/model.safetensors", model.weights());
  heads.save(file);
  run.end(s.out + "/metrics.jsonl", s.out, "medusa:" + file);
  return 0;
}

}  // namespace

int main(int n, char** arguments) { return tool::main_of(run, n, arguments); }
