// The program that tools/fauna compiles to train a model's adapters on rewards: "model.hpp" in its folder names the
// types Model, which is lora<Base, c> or of another kind, and Backend. It is started with NAME=VALUE arguments
// (settings.hpp), which the launcher has checked.
#include <tools/src/adapting.hpp>

#include <algorithm>
#include <limits>

#include <fauna/train/checkpoint.hpp>
#include <fauna/train/grpo.hpp>
#include <tools/src/rewards.hpp>
#include <tools/src/settings.hpp>
#include <tools/src/token_list.hpp>
#include <tools/src/tokenizers.hpp>
#include <tools/src/training.hpp>

namespace {

using Trainer = fauna::GrpoTrainer<tool::Adapting::Trained>;

int reinforce(settings::FinetuneRun const& s) {
  const auto tokenizer = tool::bpe_of(s.base);
  const auto prompts = tool::Prompts::read(s.data, tokenizer, s.special, fauna::context_of<Model>, s.base);
  const std::size_t trains = prompts.trains(s.val), count = prompts.ids.size();
  const std::vector<int> stop_ids =
      s.stop_ids.empty() ? std::vector<int>{} : tool::token_list("eos_token_id", s.stop_ids, Model::vocab);
  const tool::Reward reward(s.reward_regex, s.reward_program);
  tool::Adapting adapting(s.seed, tool::threads_of(s.threads), s.lora_plus, s.base);
  adapting.start(fauna::open_tensors(s.base), s.pissa);
  const std::string held_out = trains < count ? " + " + std::to_string(count - trains) : "";
  fauna::print(stdout, s.data + ": " + std::to_string(trains) + held_out + " prompts; " +
                           fauna::grouped(adapting.trained) + " parameters beside " + fauna::grouped(adapting.frozen) +
                           " that are frozen\n");
  const double start = fauna::seconds_now();
  Trainer run(adapting.model, prompts.ids,
              {.prompts = static_cast<int>(s.batch_size),
               .group = static_cast<int>(s.group),
               .tokens = static_cast<int>(s.max_new_tokens),
               .updates = static_cast<int>(s.updates),
               .clip = s.clip,
               .beta = s.beta,
               .trains = trains,
               .stop_ids = stop_ids,
               .adamw = {.beta1 = s.beta1, .beta2 = s.beta2, .decay = s.weight_decay, .clip = s.grad_clip}});
  const fauna::Schedule rate = tool::schedule(s.schedule, s.lr, s.min_lr, s.warmup, s.steps);
  fauna::make_directories(s.out);
  fauna::checkpoint::take_folder(s.out, nullptr);
  fauna::write_file(s.out + "/run.toml", s.recipe);
  const auto worth = [&](fauna::DrawnAnswers const& answers) {
    std::vector<tool::Completion> completions;
    for (std::size_t a = 0; a < answers.ids.size(); ++a) {
      auto const& ids = answers.ids[a];
      const bool ended = std::find(stop_ids.begin(), stop_ids.end(), ids.back()) != stop_ids.end();
      completions.push_back({answers.of[a], tokenizer.decode(ids.data(), ids.size() - (ended ? 1 : 0))});
    }
    return reward(prompts, completions);
  };
  std::string metrics;
  const bool evaluates = trains < count && s.eval_interval > 0;
  double best = -std::numeric_limits<double>::infinity();
  long since_best = 0, i = 0;
  const auto evaluate = [&] {
    const fauna::DrawnAnswers answers = run.held_out();
    double mean = 0;
    for (const double r : worth(answers)) mean += r / static_cast<double>(answers.ids.size());
    fauna::print(stdout, tool::sentence("step %7ld  val reward %.4f\n", i, mean));
    metrics +=
        "{\"step\": " + std::to_string(i) + ", \"part\": \"val\", \"reward\": " + fauna::json_number(mean, 6) + "}\n";
    fauna::write_file(s.out + "/metrics.jsonl", metrics);
    ++since_best;
    if (!(mean > best)) return;
    best = mean;
    since_best = 0;
    adapting.save(s.out);
  };
  for (; i < s.steps; ++i) {
    if (evaluates && i % s.eval_interval == 0) evaluate();
    if (s.patience > 0 && since_best >= s.patience) {
      fauna::print(stdout, tool::sentence("stopped after %ld updates: no higher validation reward in %ld evaluations\n",
                                          i, since_best));
      break;
    }
    const Trainer::Seen seen = run.step(static_cast<std::uint64_t>(i), rate(i), worth);
    if (s.log_interval == 0 || (i % s.log_interval != 0 && i + 1 != s.steps)) continue;
    fauna::print(stdout, tool::sentence("step %7ld  reward %.4f  length %.1f  divergence %.4f  loss %.4f\n", i,
                                        seen.reward, seen.length, seen.divergence, seen.loss));
    metrics += "{\"step\": " + std::to_string(i);
    for (auto const& [name, value] :
         {std::pair{"reward", seen.reward}, std::pair{"length", seen.length}, std::pair{"divergence", seen.divergence},
          std::pair{"loss", seen.loss}, std::pair{"gradient_norm", seen.gradient_norm}})
      metrics += ", \"" + std::string(name) + "\": " + fauna::json_number(value, 6);
    metrics += "}\n";
    fauna::write_file(s.out + "/metrics.jsonl", metrics);
  }
  if (evaluates && i == s.steps) evaluate();
  else if (!evaluates) adapting.save(s.out);
  fauna::print(stdout, tool::adapter_text(i, fauna::seconds_now() - start, evaluates, s.out, s.base,
                                          "highest validation reward"));
  return 0;
}

int run(int n, char** arguments) {
  settings::FinetuneRun s;
  settings::read(s, n - 1, arguments + 1);
  return reinforce(s);
}

}  // namespace

int main(int n, char** arguments) { return tool::main_of(run, n, arguments); }
