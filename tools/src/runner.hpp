// What the programs that train have in common: from the settings to a run, on the ranks that there are. "model.hpp" in
// the model's folder names the types Model and Backend. The program is started with a verb and NAME=VALUE arguments
// (settings.hpp), all of which the launcher has checked.
#pragma once
#include "model.hpp"

#include <bench/support/peak.hpp>
#include <fauna/fauna.hpp>
#include <tools/src/main.hpp>
#include <tools/src/settings.hpp>
#include <tools/src/sha256.hpp>
#include <tools/src/tokenizers.hpp>

namespace tool {

using Trained = fauna::Trained<Model, Backend>;

/// Processors are divided among the ranks of a machine.
inline int threads_of(long asked, int ranks_here) {
  if (asked > 0) return static_cast<int>(asked);
  return std::max(1, fauna::default_threads() / ranks_here);
}

/// What a core can do at most, so that a rate has a measure: the best of a few short looks.
inline double peak_flops(bool bf16, int threads) {
  double best = 0;
  for (int i = 0; i < 10; ++i)
    best = std::max(best, bench::peak(bf16 ? bench::limit::bf16 : bench::limit::f32, threads, 2e-3));
  return best;
}

inline fauna::Schedule schedule(settings::Train const& s) {
  if (!s.decay_lr) return fauna::Constant{.lr = s.learning_rate};
  if (s.schedule == "constant") return fauna::Constant{.lr = s.learning_rate, .warmup = s.warmup_iters};
  if (s.schedule == "linear") return fauna::LinearDecay{s.learning_rate, s.min_lr, s.warmup_iters, s.lr_decay_iters};
  if (s.schedule == "wsd") return fauna::Wsd{s.learning_rate, s.min_lr, s.warmup_iters, s.lr_decay_iters};
  return fauna::Cosine{s.learning_rate, s.min_lr, s.warmup_iters, s.lr_decay_iters};
}

/// Everything that decides the numbers of the run, for whoever reads the checkpoint.
inline std::string note(settings::Run s) {
  std::string all = "--block-size " + settings::text(s.context);
  s.Train::each([&](const char* name, auto& value, const char*) {
    const std::string n = name;
    if (n != "init-from" && n != "out-dir" && n != "overwrite" && n != "data" && n != "tokenizer" && n != "threads" &&
        n != "zero")
      all += " --" + n + ' ' + settings::text(value);
  });
  return all;
}

inline void write_summary(settings::Train const& s, Trained& model, fauna::TrainReport const& r, double val_loss,
                          std::string const& digest) {
  const auto string = [](std::string const& v) { return '"' + v + '"'; };
  const std::pair<const char*, std::string> rows[] = {{"val_loss", fauna::json_number(val_loss, 6)},
                                                      {"seconds", fauna::json_number(r.seconds, 3)},
                                                      {"iterations", std::to_string(r.iterations)},
                                                      {"parameters", std::to_string(fauna::parameters<Model>)},
                                                      {"dtype", string(s.dtype)},
                                                      {"threads", std::to_string(model.threads())},
                                                      {"tokens_per_second", fauna::json_number(r.tokens_per_second, 1)},
                                                      {"corpus_sha256", string(digest)},
                                                      {"planned_bytes", std::to_string(model.planned().total())},
                                                      {"peak_rss_bytes", std::to_string(fauna::peak_resident_bytes())},
                                                      {"isa", string(fauna::name_of(fauna::build_isa))}};
  std::string json = "{";
  for (auto const& [name, value] : rows)
    json += std::string(json.size() > 1 ? "," : "") + "\n  \"" + name + "\": " + value;
  fauna::write_file(s.out_dir + "/summary.json", json + "\n}\n");
}

/// Trains on these ranks, `here` of which are on this machine. Only one of them writes.
template <class Ranks> int train(settings::Run const& s, Ranks ranks, int here = 1, int all = 1) {
  const bool resume = s.init_from == "resume", scratch = s.init_from == "scratch";
  const std::string from = resume ? s.out_dir + "/last.safetensors" : scratch ? "" : s.init_from;
  const bool known = !scratch && fauna::is_checkpoint(from);
  const auto text = Corpus::read(s.data, s.tokenizer, known ? fauna::read_checkpoint_head(from).alphabet : "");
  std::string digest;
  {
    const fauna::Mapped file(s.data);
    digest = sha256(file.text());
  }
  if constexpr (requires { ranks.ranks(); }) ranks.require_same("text", fauna::text_hash(digest));
  const int threads = threads_of(s.threads, here);
  Trained model(fauna::seed{s.seed}, threads);
  if (!scratch && !resume) fauna::load_checkpoint(from, model, fauna::load::weights);

  std::vector<std::pair<std::string, std::string>> files{{"run.toml", s.recipe}};
  if (!s.tokenizer.empty()) files.emplace_back("tokenizer.json", text.tokenizer());

  const bool writes = ranks.writes();
  const std::string on_ranks = all > 1 ? std::to_string(all) + " ranks\n" : "";
  const double peak = writes ? all * peak_flops(s.dtype == "bf16", threads) : 0;
  if (writes)
    fauna::print(stdout,
                 s.data +
                     sentence(": %zu + %zu tokens of %d %s; ", text.split().train.size(), text.split().val.size(),
                              text.vocab(), s.tokenizer.empty() ? "characters" : "pieces") +
                     fauna::grouped(fauna::parameters<Model>) + " parameters, " + s.dtype +
                     sentence(", %d thread%s on %s, peak %.0f GFLOP/s\n", threads, threads > 1 ? "s" : "",
                              fauna::name_of(fauna::build_isa), peak * 1e-9) +
                     on_ranks);
  if (writes && !from.empty()) fauna::print(stdout, "going on from " + from + '\n');
  const auto r = fauna::train(
      model, text.split(),
      {.steps = s.max_iters,
       .batch = static_cast<int>(s.batch_size),
       .context = static_cast<int>(s.context),
       .accumulation = static_cast<int>(s.gradient_accumulation_steps),
       .adamw =
           {.lr = s.learning_rate, .beta1 = s.beta1, .beta2 = s.beta2, .decay = s.weight_decay, .clip = s.grad_clip},
       .schedule = schedule(s),
       .eval_interval = s.eval_interval,
       .eval_batches = static_cast<int>(s.eval_iters),
       .eval_only = s.eval_only,
       .log_interval = s.log_interval,
       .out = s.eval_only ? "" : s.out_dir,
       .overwrite = s.overwrite,
       .resume = resume ? from : "",
       .always_save = s.always_save_checkpoint,
       .peak_flops = peak,
       .note = note(s),
       .data = digest,
       .tokenizer = text.tokenizer_hash(),
       .files = files},
      text.alphabet(), std::move(ranks));
  if (r.interrupted || s.eval_only || !writes) return 0;
  const double val_loss =
      fauna::evaluate(model, text.split().val, static_cast<int>(s.context), static_cast<int>(s.batch_size));
  write_summary(s, model, r, val_loss, digest);
  fauna::print(stdout, std::to_string(r.iterations) + " updates in " + fauna::duration_text(r.seconds) + ", " +
                           fauna::grouped(static_cast<std::size_t>(r.tokens_per_second)) +
                           sentence(" tokens/s; loss on the whole validation part: %.4f\n", val_loss));
  const bool best =
      ::access((s.out_dir + "/best.safetensors").c_str(), F_OK) == 0;  // none if step 0 had the lowest loss
  fauna::print(stdout, "in " + s.out_dir + (best ? ": best.safetensors, " : ": ") +
                           "last.safetensors, metrics.jsonl, loss.svg, loss.txt, summary.json, run.toml" +
                           (s.tokenizer.empty() ? "\n" : ", tokenizer.json\n"));
  return 0;
}

/// The settings in a program's arguments.
inline settings::Run settings_of(int n, char** arguments) {
  const std::string verb = n > 1 ? arguments[1] : "";
  if (verb != "train")
    fauna::fail("fauna", "the verb '" + verb + '\'', "train; this program is started by tools/fauna");
  settings::Run s;
  settings::read(s, n - 2, arguments + 2);
  return s;
}

}  // namespace tool
