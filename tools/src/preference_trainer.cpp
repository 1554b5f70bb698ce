// The program that tools/fauna compiles to train a model's adapters on preferences: "model.hpp" in its folder names the
// types Model, which is lora<Base, c> or of another kind, and Backend. It is started with NAME=VALUE arguments
// (settings.hpp), which the launcher has checked.
#include <tools/src/adapting.hpp>

#include <limits>

#include <fauna/train/checkpoint.hpp>
#include <fauna/train/preference.hpp>
#include <tools/src/preferences.hpp>
#include <tools/src/settings.hpp>
#include <tools/src/tokenizers.hpp>
#include <tools/src/training.hpp>

namespace {

using Trainer = fauna::PreferenceTrainer<tool::Adapting::Trained>;

int prefer(settings::FinetuneRun const& s) {
  const auto rule = s.prefer == "kto"    ? fauna::preference::kto
                    : s.prefer == "orpo" ? fauna::preference::orpo
                                         : fauna::preference::dpo;
  constexpr int own = fauna::context_of<Model>;
  const int most = s.block_size > 0 ? static_cast<int>(s.block_size) : own == fauna::unbounded ? 1 << 20 : own;
  auto data = tool::Preferences::read(s.data, tool::bpe_of(s.base), static_cast<int>(s.end), s.special, most,
                                      rule == fauna::preference::kto);
  const std::size_t trains = data.trains(s.val), count = data.examples.size();
  tool::Adapting adapting(s.seed, tool::threads_of(s.threads), s.lora_plus, s.base);
  adapting.start(fauna::open_tensors(s.base), s.pissa);
  fauna::print(stdout, s.data +
                           tool::sentence(": %zu + %zu examples; %zu answers cut at %d tokens, %zu examples left "
                                          "out that had no answer before it; ",
                                          trains, count - trains, data.cut, most, data.without_answer) +
                           fauna::grouped(adapting.trained) + " parameters beside " + fauna::grouped(adapting.frozen) +
                           " that are frozen\n");
  const double start = fauna::seconds_now();
  Trainer run(adapting.model, std::move(data.examples), trains,
              {.rule = rule,
               .beta = s.beta,
               .smoothing = s.label_smoothing,
               .desirable = s.desirable,
               .undesirable = s.undesirable,
               .batch = static_cast<int>(s.batch_size),
               .adamw = {.beta1 = s.beta1, .beta2 = s.beta2, .decay = s.weight_decay, .clip = s.grad_clip}});
  const fauna::Schedule rate = tool::schedule(s.schedule, s.lr, s.min_lr, s.warmup, s.steps);
  fauna::make_directories(s.out);
  fauna::checkpoint::take_folder(s.out, nullptr);
  fauna::write_file(s.out + "/run.toml", s.recipe);
  std::string metrics;
  const auto say = [&](long step, const char* part, Trainer::Seen const& seen) {
    fauna::print(stdout, tool::sentence("step %7ld  %s loss %.4f  margin %.4f  ahead %.0f %%\n", step, part, seen.loss,
                                        seen.margin, 100 * seen.right));
    metrics += "{\"step\": " + std::to_string(step) + ", \"part\": \"" + part +
               "\", \"loss\": " + fauna::json_number(seen.loss, 6) +
               ", \"margin\": " + fauna::json_number(seen.margin, 6) +
               ", \"ahead\": " + fauna::json_number(seen.right, 4) + "}\n";
    fauna::write_file(s.out + "/metrics.jsonl", metrics);
  };
  const bool evaluates = trains < count && s.eval_interval > 0;
  double best = std::numeric_limits<double>::infinity();
  long since_best = 0;
  const auto evaluate = [&](long step) {
    const Trainer::Seen seen = run.evaluate(trains, count);
    say(step, "val", seen);
    ++since_best;
    if (!(seen.loss < best)) return;
    best = seen.loss;
    since_best = 0;
    adapting.save(s.out);
  };
  long i = 0;
  for (; i < s.steps; ++i) {
    if (evaluates && i % s.eval_interval == 0) evaluate(i);
    if (s.patience > 0 && since_best >= s.patience) {
      fauna::print(stdout, tool::sentence("stopped after %ld updates: no lower validation loss in %ld evaluations\n", i,
                                          since_best));
      break;
    }
    const Trainer::Seen seen = run.step(static_cast<std::uint64_t>(i), rate(i));
    if (s.log_interval > 0 && (i % s.log_interval == 0 || i + 1 == s.steps)) say(i, "train", seen);
  }
  if (evaluates && i == s.steps) evaluate(i);
  else if (!evaluates) adapting.save(s.out);
  fauna::print(stdout, tool::adapter_text(i, fauna::seconds_now() - start, evaluates, s.out, s.base));
  return 0;
}

int run(int n, char** arguments) {
  settings::FinetuneRun s;
  settings::read(s, n - 1, arguments + 1);
  return prefer(s);
}

}  // namespace

int main(int n, char** arguments) { return tool::main_of(run, n, arguments); }
