// The program that trains a model, but for the model itself (trainer.hpp). It is started as  PROGRAM train
// NAME=VALUE... with settings (settings.hpp) that the launcher has checked.
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>

#include <fauna/io/mapped.hpp>
#include <tools/src/settings.hpp>
#include <tools/src/sha256.hpp>
#include <tools/src/tokenizers.hpp>
#include <tools/src/trainer.hpp>
#include <tools/src/training.hpp>

namespace {

fauna::Schedule schedule(settings::Train const& s) {
  if (!s.decay_lr) return fauna::Constant{.lr = s.learning_rate};
  return tool::schedule(s.schedule, s.learning_rate, s.min_lr, s.warmup_iters, s.lr_decay_iters);
}

/// Flags that say where a run's files are and how it is computed, and not what it computes.
constexpr std::string_view of_the_machine[] = {"init-from", "out-dir",   "overwrite",        "data",
                                               "val-data",  "tokenizer", "threads",          "zero",
                                               "replicas",  "overlap",   "watchdog",         "sequence-parallel",
                                               "tp",        "pp",        "pp-schedule",      "pp-rounds",
                                               "cp",        "ep",        "keep-checkpoints", "async-checkpoints",
                                               "restarts",  "ranks",     "recompute"};

/// Everything that decides the numbers of the run, for whoever reads the checkpoint.
std::string note(settings::Run s) {
  std::string all = "--block-size " + settings::text(s.context);
  s.Train::each([&](const char* name, auto& value, const char*) {
    const std::string_view n = name;
    if (std::find(std::begin(of_the_machine), std::end(of_the_machine), n) == std::end(of_the_machine))
      all += " --" + std::string(n) + ' ' + settings::text(value);
  });
  return all;
}

std::optional<fauna::MuonOptions> muon(settings::Train const& s) {
  if (s.optimizer != "muon") return std::nullopt;
  return fauna::MuonOptions{.rate = s.muon_rate, .momentum = s.muon_momentum};
}

int train(settings::Run const& s, tool::Trainer& model) {
  const bool resume = s.init_from == "resume", scratch = s.init_from == "scratch";
  const std::string from = resume ? s.out_dir + "/last.safetensors" : scratch ? "" : s.init_from;
  const bool known = !scratch && fauna::is_checkpoint(from);
  auto text = tool::Corpus::read(s.data, s.tokenizer, known ? fauna::read_checkpoint_head(from).alphabet : "");
  if (!s.val_data.empty()) text.validate_on(s.val_data, s.tokenizer);
  const std::string digest = tool::data_hash(s.data, s.val_data);
  model.require_same("text", fauna::text_hash(digest));
  if (!scratch && !resume) model.load_weights(from);

  std::vector<std::pair<std::string, std::string>> files{{"run.toml", s.recipe}};
  if (!s.tokenizer.empty()) files.emplace_back("tokenizer.json", text.tokenizer());

  const bool writes = model.writes();
  const int threads = model.threads();
  const double peak = writes ? model.ranks() * tool::peak_flops(s.dtype == "bf16", threads) : 0;
  if (writes) {
    fauna::print(stdout,
                 s.data +
                     tool::sentence(": %zu + %zu tokens of %d %s; ", text.split().train.size(), text.split().val.size(),
                                    text.vocab(), s.tokenizer.empty() ? "characters" : "pieces") +
                     fauna::grouped(model.parameters()) + " parameters, " + s.dtype +
                     tool::sentence(", %d thread%s on %s, peak %.0f GFLOP/s\n", threads, threads > 1 ? "s" : "",
                                    fauna::name_of(fauna::build_isa), peak * 1e-9) +
                     (model.ranks() > 1 ? std::to_string(model.ranks()) + " ranks\n" : ""));
    if (!from.empty()) fauna::print(stdout, "going on from " + from + '\n');
  }
  const auto r = model.train(
      text.split(),
      {.steps = s.max_iters,
       .batch = static_cast<int>(s.batch_size),
       .context = static_cast<int>(s.context),
       .accumulation = static_cast<int>(s.gradient_accumulation_steps),
       .adamw =
           {.lr = s.learning_rate, .beta1 = s.beta1, .beta2 = s.beta2, .decay = s.weight_decay, .clip = s.grad_clip},
       .muon = muon(s),
       .layer_skip = {.dropout = s.layer_dropout, .exit_loss = s.exit_loss},
       .schedule = schedule(s),
       .eval_interval = s.eval_interval,
       .eval_batches = static_cast<int>(s.eval_iters),
       .eval_only = s.eval_only,
       .log_interval = s.log_interval,
       .out = s.eval_only ? "" : s.out_dir,
       .tensorboard = s.eval_only ? "" : s.tensorboard,
       .profile = s.profile,
       .overwrite = s.overwrite,
       .resume = resume ? from : "",
       .keep = static_cast<int>(s.keep_checkpoints),
       .async_checkpoints = s.async_checkpoints,
       .always_save = s.always_save_checkpoint,
       .peak_flops = peak,
       .note = note(s),
       .data = digest,
       .tokenizer = text.tokenizer_hash(),
       .files = files},
      text.alphabet());
  if (r.interrupted || s.eval_only) return 0;
  const double val_loss = model.evaluate(text.split().val, static_cast<int>(s.context), static_cast<int>(s.batch_size));
  if (!writes) return 0;
  tool::write_summary(s.out_dir, s.dtype, model, r, model.parameters(), val_loss, digest);
  const auto speed = static_cast<std::size_t>(r.tokens_per_second);
  fauna::print(stdout, std::to_string(r.iterations) + " updates in " + fauna::duration_text(r.seconds) +
                           (speed > 0 ? ", " + fauna::grouped(speed) + " tokens/s" : "") +
                           tool::sentence("; loss on the whole validation part: %.4f\n", val_loss));
  const bool best =
      ::access((s.out_dir + "/best.safetensors").c_str(), F_OK) == 0;  // none if step 0 had the lowest loss
  fauna::print(stdout, "in " + s.out_dir + (best ? ": best.safetensors, " : ": ") +
                           "last.safetensors, metrics.jsonl, loss.svg, loss.txt, summary.json, run.toml" +
                           (s.tokenizer.empty() ? "\n" : ", tokenizer.json\n"));
  return 0;
}

int run(int n, char** arguments) {
  const std::string verb = n > 1 ? arguments[1] : "";
  if (verb != "train")
    fauna::fail("fauna", "the verb '" + verb + '\'', "train; this program is started by tools/fauna");
  settings::Run s;
  settings::read(s, n - 2, arguments + 2);
  std::string told;
  for (int i = 1; i < n; ++i) told += '\n' + std::string(arguments[i]);
  return tool::with_trainer({.seed = s.seed,
                             .threads = s.threads,
                             .pieces = static_cast<int>(s.pieces),
                             .zero = static_cast<int>(s.zero),
                             .replicas = static_cast<int>(s.replicas),
                             .overlap = s.overlap,
                             .patience = static_cast<double>(s.watchdog),
                             .schedule = s.pp_schedule,
                             .told = told},
                            [&s](tool::Trainer& trainer) { return train(s, trainer); });
}

}  // namespace

int main(int n, char** arguments) { return tool::main_of(run, n, arguments); }
