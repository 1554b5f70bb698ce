// The program that tools/fauna compiles to train a model: "model.hpp" in the model's folder names the types Model and
// Backend. It is started with a verb and NAME=VALUE arguments (settings.hpp), all of which the launcher has checked.
#include "model.hpp"

#include <tools/src/settings.hpp>
#include <tools/src/sha256.hpp>
#include <tools/src/tokenizers.hpp>
#include <tools/src/training.hpp>

namespace {

using Trained = fauna::Trained<Model, Backend>;

fauna::Schedule schedule(settings::Train const& s) {
  if (!s.decay_lr) return fauna::Constant{.lr = s.learning_rate};
  return tool::schedule(s.schedule, s.learning_rate, s.min_lr, s.warmup_iters, s.lr_decay_iters);
}

/// Everything that decides the numbers of the run, for whoever reads the checkpoint.
std::string note(settings::Run s) {
  std::string all = "--block-size " + settings::text(s.context);
  s.Train::each([&](const char* name, auto& value, const char*) {
    const std::string n = name;
    if (n != "init-from" && n != "out-dir" && n != "overwrite" && n != "data" && n != "tokenizer" && n != "threads")
      all += " --" + n + ' ' + settings::text(value);
  });
  return all;
}

int train(settings::Run const& s) {
  const bool resume = s.init_from == "resume", scratch = s.init_from == "scratch";
  const std::string from = resume ? s.out_dir + "/last.safetensors" : scratch ? "" : s.init_from;
  const bool known = !scratch && fauna::is_checkpoint(from);
  const auto text = tool::Corpus::read(s.data, s.tokenizer, known ? fauna::read_checkpoint_head(from).alphabet : "");
  std::string digest;
  {
    const fauna::Mapped file(s.data);
    digest = sha256(file.text());
  }
  const int threads = tool::threads_of(s.threads);
  Trained model(fauna::seed{s.seed}, threads);
  if (!scratch && !resume) fauna::load_checkpoint(from, model, fauna::load::weights);

  std::vector<std::pair<std::string, std::string>> files{{"run.toml", s.recipe}};
  if (!s.tokenizer.empty()) files.emplace_back("tokenizer.json", text.tokenizer());

  const double peak = tool::peak_flops(s.dtype == "bf16", threads);
  fauna::print(stdout,
               s.data +
                   tool::sentence(": %zu + %zu tokens of %d %s; ", text.split().train.size(), text.split().val.size(),
                                  text.vocab(), s.tokenizer.empty() ? "characters" : "pieces") +
                   fauna::grouped(fauna::parameters<Model>) + " parameters, " + s.dtype +
                   tool::sentence(", %d thread%s on %s, peak %.0f GFLOP/s\n", threads, threads > 1 ? "s" : "",
                                  fauna::name_of(fauna::build_isa), peak * 1e-9));
  if (!from.empty()) fauna::print(stdout, "going on from " + from + '\n');
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
      text.alphabet());
  if (r.interrupted || s.eval_only) return 0;
  const double val_loss =
      fauna::evaluate(model, text.split().val, static_cast<int>(s.context), static_cast<int>(s.batch_size));
  tool::write_summary(s.out_dir, s.dtype, model, r, fauna::parameters<Model>, val_loss, digest);
  fauna::print(stdout, std::to_string(r.iterations) + " updates in " + fauna::duration_text(r.seconds) + ", " +
                           fauna::grouped(static_cast<std::size_t>(r.tokens_per_second)) +
                           tool::sentence(" tokens/s; loss on the whole validation part: %.4f\n", val_loss));
  const bool best =
      ::access((s.out_dir + "/best.safetensors").c_str(), F_OK) == 0;  // none if step 0 had the lowest loss
  fauna::print(stdout, "in " + s.out_dir + (best ? ": best.safetensors, " : ": ") +
                           "last.safetensors, metrics.jsonl, loss.svg, loss.txt, summary.json, run.toml" +
                           (s.tokenizer.empty() ? "\n" : ", tokenizer.json\n"));
  return 0;
}

int run(int n, char** arguments) {
  const std::string verb = n > 1 ? arguments[1] : "";
  if (verb == "train") {
    settings::Run s;
    settings::read(s, n - 2, arguments + 2);
    return train(s);
  }
  fauna::fail("fauna", "the verb '" + verb + '\'', "train; this program is started by tools/fauna");
}

}  // namespace

int main(int n, char** arguments) { return tool::main_of(run, n, arguments); }
