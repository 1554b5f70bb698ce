// The program that tools/fauna compiles to train Medusa's heads for a model, which stays as it is: "model.hpp" in its
// folder names the types Model and Backend. It is started with NAME=VALUE arguments (settings.hpp), which the launcher
// has checked.
#include "model.hpp"

#include <optional>
#include <string>

#include <fauna/decode/speculate/speculate.hpp>
#include <fauna/io/open_tensors.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/medusa.hpp>
#include <tools/src/draft_metrics.hpp>
#include <tools/src/draft_run.hpp>
#include <tools/src/main.hpp>

namespace {

int run(int n, char** arguments) {
  tool::DraftRun run(n, arguments);
  auto const& s = run.s;
  fauna::Loaded<Model, Backend, fauna::All<float>> model(fauna::open_tensors(s.base), run.threads);
  std::optional<fauna::HiddenRows> known;
  if (!s.hidden.empty()) known.emplace(s.hidden, model, run.ids, static_cast<int>(s.block_size));
  run.begin();
  const auto heads = fauna::train_medusa(
      model, run.ids,
      {.heads = static_cast<int>(s.heads),
       .steps = static_cast<int>(s.steps),
       .batch = static_cast<int>(s.batch_size),
       .context = static_cast<int>(s.block_size),
       .lr = s.lr,
       .seed = s.seed,
       .grid = known.has_value(),
       .own_heads = s.own_heads},
      [&](int step, std::vector<float> const& losses, fauna::MedusaWeights const& w) {
        run.see(step, "\"heads\":[" + tool::joined(losses, ",") + ']', "losses " + tool::joined(losses, " "),
                [&] { return tool::acceptance_of_heads(model, w, run.ids); });
      },
      known ? &*known : nullptr);
  if (known) tool::say_computed(*known, s.hidden);
  heads.save(s.out);
  run.end(s.out + ".metrics.jsonl", s.base, "medusa:" + s.out);
  return 0;
}

}  // namespace

int main(int n, char** arguments) { return tool::main_of(run, n, arguments); }
