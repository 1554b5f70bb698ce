// The verb that trains models: train.
#pragma once
#include <tools/src/checks.hpp>
#include <tools/src/compile.hpp>
#include <tools/src/directory.hpp>
#include <tools/src/flags.hpp>
#include <tools/src/recipe.hpp>
#include <tools/src/restarts.hpp>
#include <tools/src/start.hpp>

#include <algorithm>

#include <fauna/dist/pipeline_schedule.hpp>
#include <tools/src/verbs/models.hpp>

namespace tool::verbs {

/// What --optimizer says, and flags that would say nothing without it.
inline void check_optimizer(tool::Verb const& verb, settings::Train const& s) {
  one_of("optimizer", s.optimizer, {"adamw", "muon"});
  for (const char* flag : {"muon-rate", "muon-momentum"})
    if (s.optimizer != "muon" && verb.given_as_flag(flag))
      fauna::fail("fauna train", std::string("--") + flag + " without --optimizer muon", "both");
  if (!(s.muon_rate >= 0 && s.muon_rate < 1e9))
    fauna::fail("fauna train", "--muon-rate " + settings::text(s.muon_rate), "0 or more");
  if (!(s.muon_momentum >= 0 && s.muon_momentum < 1))
    fauna::fail("fauna train", "--muon-momentum " + settings::text(s.muon_momentum), "0 to below 1");
}

/// The model of a run, which --recompute has keep less.
inline tool::Described recomputed(tool::Described model, std::string const& how) {
  one_of("recompute", how, {"none", "full", "selective"});
  if (how == "none") return model;
  model.recompute = how == "full" ? "fauna::recomputed" : "fauna::selectively_recomputed";
  model.includes.push_back(how == "full" ? "fauna/compose/recomputed.hpp" : "fauna/blocks/selectively_recomputed.hpp");
  return model;
}

/// The parts that flags ask for. Throws where a pipeline's schedule is not for its stages or for an update's batches.
inline tool::ModelParts parts_of(tool::Verb const& verb, settings::Run const& s) {
  for (const char* flag : {"pp-schedule", "pp-rounds"})
    if (s.pp == 1 && verb.given_as_flag(flag))
      fauna::fail("fauna train", std::string("--") + flag + " without --pp", "both");
  const auto how = fauna::pipeline_schedule_named(s.pp_schedule);
  if (s.pp == 1) {
    tool::ModelParts parts{.ranks = s.tp * s.cp * s.ep == 1 ? 0 : std::max({s.tp, s.cp, s.ep})};
    if (s.tp > 1) parts.zero = s.zero;  // in context parallel the program has all stages
    parts.sequence = s.sequence_parallel;
    return parts;
  }
  const bool folded = fauna::there_and_back(how);
  const long usual = folded || how == fauna::pipeline_schedule::interleaved ? 2 : 1;
  const tool::ModelParts parts{s.pp, s.pp_rounds > 0 ? s.pp_rounds : usual, folded, s.tp, s.zero, s.sequence_parallel};
  const fauna::StagePlacement stages{static_cast<int>(parts.ranks), static_cast<int>(parts.rounds),
                                     folded ? fauna::stage_order::v : fauna::stage_order::loop};
  // How many batches each of several pipelines has is known when they run.
  const bool one = s.pieces == 0 && tool::started_ranks() == s.pp * s.tp;
  fauna::require_schedule({how, stages, one ? static_cast<int>(s.gradient_accumulation_steps) : 2 * stages.ranks});
  return parts;
}

/// Throws unless ranks can have `parts` parts of a model or of its sequences, as --tp, --pp, --ep or --cp asks for.
inline void require_parts(settings::Run const& s, long parts) {
  const std::string name = s.tp > 1 && s.pp > 1 ? "--tp times --pp"
                           : s.tp > 1           ? "--tp"
                           : s.pp > 1           ? "--pp"
                           : s.cp > 1           ? "--cp"
                                                : "--ep",
                    flag = name + ' ' + std::to_string(parts), start = "mpirun -n " + std::to_string(parts);
  const auto alone = [&flag](bool with, std::string const& other) {
    if (with) fauna::fail("fauna train", flag + " with " + other, "one of the two");
  };
  const bool cut = s.tp > 1 || s.pp > 1, in_parts = cut || s.ep > 1;  // else each rank has all of the model
  alone(cut && s.cp > 1, "--cp " + std::to_string(s.cp));
  alone((cut || s.cp > 1) && s.ep > 1, "--ep " + std::to_string(s.ep));
  alone(s.ep > 1 ? s.zero > 0 : s.pp > 1 && s.zero > 1, "--zero " + std::to_string(s.zero));
  alone(s.replicas > 1, "--replicas " + std::to_string(s.replicas));
  alone(in_parts && s.keep_checkpoints > 0, "--keep-checkpoints");
  alone(s.pp == 1 && s.pieces > 0, "--pieces");
  alone(in_parts && s.optimizer != "adamw", "--optimizer " + s.optimizer);
  alone(s.exit_loss > 0 || s.layer_dropout > 0, "--exit-loss or --layer-dropout");
  alone(s.tp > 1 && s.dtype != "f32" && s.dtype != "bf16", "--dtype " + s.dtype);
  if (tool::started_rank() < 0) fauna::fail("fauna train", flag + " in one process", start);
  const int ranks = tool::started_ranks();
  if (ranks > 0) tool::require_whole_copies(flag, parts, ranks);
}

/// train on ranks that this process starts, and starts again: the exit status. Once a run has saved, a start goes on
/// from there, with the settings of the run.toml beside it.
inline int train_on_ranks(settings::Train const& s) {
  std::vector<std::string> words;
  std::istringstream given(fauna::read_file("/proc/self/cmdline"));
  for (std::string word; std::getline(given, word, '\0');) words.push_back(word);
  words[0] = tool::fs::read_symlink("/proc/self/exe").string();
  const tool::fs::path last = s.out_dir + "/last.safetensors";
  const auto saved_at = [&last] {
    std::error_code none;
    return tool::fs::last_write_time(last, none);
  };
  const auto before = saved_at();  // by another run, perhaps
  return tool::run_again(s.restarts, [&] {
    auto all = tool::start_of_ranks(s.ranks);
    all.insert(all.end(), {"env", "FAUNA_SOURCE_DIR=" + tool::root.string()});  // on other machines too
    if (!tool::fs::exists(last) || saved_at() == before) {
      all.insert(all.end(), words.begin(), words.end());
    } else {
      all.insert(all.end(), {words[0], "train", "--config", s.out_dir + "/run.toml", "--init-from", "resume"});
    }
    all.insert(all.end(), {"--restarts", "0", "--ranks", "0"});
    return all;
  });
}

/// Throws unless so many ranks can deal out the experts of a model.
inline void require_experts(tool::ModelConfig const& c, long ranks) {
  const std::string line = c.line(), key = " experts=", flag = "--ep " + std::to_string(ranks);
  const std::size_t at = line.find(key);
  if (!c.described().experts || at == std::string::npos)
    fauna::fail("fauna train", flag + " with a model without experts", "a mixture of experts",
                "--model mixtral-shakespeare is one");
  const long experts = std::stol(line.substr(at + key.size()));
  if (experts % ranks != 0)
    fauna::fail("fauna train", flag + " with " + std::to_string(experts) + " experts in a layer",
                "a number of ranks that divides them");
}

[[noreturn]] inline void train(tool::Verb const& verb) {
  settings::Run s;
  settings::Named named;
  verb.apply(s);
  whole("restarts", s.restarts, 0, 1000000);
  whole("ranks", s.ranks, 0, 1000000);
  if (s.restarts == 0 && s.ranks > 0)
    fauna::fail("fauna train", "--ranks without --restarts", "both", "mpirun -n starts ranks without");
  if (s.restarts > 0 && tool::started_rank() < 0) std::exit(train_on_ranks(s));
  if (s.restarts > 0 && verb.given_as_flag("restarts"))
    fauna::fail("fauna train", "--restarts of ranks that were started already",
                "tools/fauna train --restarts N --ranks N, which starts them");
  verb.apply(named);
  const tool::Start from = start_of(verb, s);
  const AnyModel c = from.checkpoint  ? from_checkpoint(verb, from.path, from.head.config, block_size::run)
                     : from.directory ? pretrained_model(verb, from.path)
                                      : named_model(verb, named.model, true);
  check_run(s.dtype, s.threads, {"f32", "bf16", "float8", "float8_rowwise", "mxfp8"});
  one_of("schedule", s.schedule, {"cosine", "linear", "constant", "wsd"});
  check_optimizer(verb, s);
  whole("batch-size", s.batch_size, 1);
  whole("gradient-accumulation-steps", s.gradient_accumulation_steps, 1);
  whole("eval-iters", s.eval_iters, 0);
  whole("pieces", s.pieces, 0, s.batch_size * s.gradient_accumulation_steps);
  whole("zero", s.zero, 0, 3);
  whole("replicas", s.replicas, 1, 1000000);
  whole("watchdog", s.watchdog, 0, 1000000);
  if (s.sequence_parallel && s.tp == 1) fauna::fail("fauna train", "--sequence-parallel without --tp", "both");
  if (s.replicas > 1 && s.zero == 0)
    fauna::fail("fauna train", "--replicas without --zero", "--zero 1, 2 or 3", "without, each rank is a replica");
  whole("tp", s.tp, 1, 1024);
  whole("pp", s.pp, 1, 1024);
  whole("pp-rounds", s.pp_rounds, 0, 1024);
  whole("cp", s.cp, 1, 1024);
  whole("ep", s.ep, 1, 1024);
  whole("keep-checkpoints", s.keep_checkpoints, 0, 1000000);
  if (!(s.layer_dropout >= 0 && s.layer_dropout < 1))
    fauna::fail("fauna train", "--layer-dropout " + settings::text(s.layer_dropout), "0 to below 1");
  if (!(s.exit_loss >= 0 && s.exit_loss < 1e9))
    fauna::fail("fauna train", "--exit-loss " + settings::text(s.exit_loss), "0 or more");
  if (s.zero > 1 && (s.layer_dropout > 0 || s.exit_loss > 0))
    fauna::fail("fauna train", "--layer-dropout and --exit-loss with --zero " + settings::text(s.zero),
                "--zero 0 or 1: gradients are not shared layer by layer");
  settings::Structure length;  // nanoGPT's 64 where a model has no context of its own
  if (c->context() != fauna::unbounded) length.block_size = c->context();
  verb.apply(length);
  s.context = whole("block-size", length.block_size, 1, c->context());
  if (s.sequence_parallel && c->described().experts)
    fauna::fail("fauna train", "--sequence-parallel with a mixture of experts", "--tp without it",
                "a router weighs a row by what all rows chose");
  if (s.sequence_parallel && s.context % s.tp != 0)
    fauna::fail("fauna train", "--sequence-parallel with sequences of " + std::to_string(s.context) + " tokens",
                "a --block-size that --tp " + std::to_string(s.tp) + " divides");
  if (!tool::fs::exists(s.data))
    fauna::fail("fauna train", "there is no file " + s.data, "a text",
                "give --data FILE, or let tools/shakespeare fetch one");
  if (!s.val_data.empty() && !fauna::exists(s.val_data))
    fauna::fail("fauna train", "there is no file " + s.val_data, "a text that validates");
  const bool resume = s.init_from == "resume";
  if (resume) fauna::checkpoint::require_data(from.path, from.head, data_hash(s.data, s.val_data));
  if (!s.overwrite && !s.eval_only) fauna::checkpoint::require_own_folder(s.out_dir, resume ? &from.head : nullptr);
  settings::Reading reading;
  verb.apply(reading);
  const bool fresh = !from.directory && !from.checkpoint;
  s.recipe = tool::recipe_of(s, reading, fresh && verb.has("model") ? named.model : "", *c);
  if (fauna::is_directory(s.data) && s.tokenizer.empty() && fauna::exists(s.data + "/tokenizer.json"))
    s.tokenizer = s.data;
  s.tokenizer = tool::run_tokenizer(from, s.tokenizer);
  if (fauna::is_directory(s.data) && s.tokenizer.empty())
    fauna::fail("fauna train", s.data + " has tokens and no tokenizer.json", "--tokenizer FILE, which they are of");
  if (!from.checkpoint) {
    if (!from.path.empty()) fauna::check_tensors(from.path);  // weights alone: of what model, the flags say
    tool::fit_vocabulary(*c, s, from);
  }
  if (!from.path.empty() && !resume) s.init_from = from.path;
  const bool started = tool::started_rank() >= 0;
  const long parts = std::max({s.tp * s.pp, s.cp, s.ep});
  const tool::ModelParts in_parts = parts_of(verb, s);
  if (s.ep > 1) require_experts(*c, s.ep);
  if (parts > 1) require_parts(s, parts);
  if (s.replicas > 1 && !started)
    fauna::fail("fauna train", "--replicas " + std::to_string(s.replicas) + " in one process",
                "mpirun -n, with a multiple of that");
  if (s.replicas > 1 && tool::started_ranks() > 0 && tool::started_ranks() % s.replicas != 0)
    fauna::fail("fauna train",
                "--replicas " + std::to_string(s.replicas) + " on " + std::to_string(tool::started_ranks()) + " ranks",
                "a number that divides them");
  if (s.zero > 0 && !started) tool::say("--zero shares nothing on one rank: mpirun starts several");
  if (s.keep_checkpoints > 0 && !started && s.pieces == 0)
    fauna::fail("fauna train", "--keep-checkpoints of one process", "ranks, which write parts of a checkpoint",
                "mpirun starts several, or one");
  const std::string program = tool::program_for(recomputed(c->described(), s.recompute), s.dtype,
                                                s.pp > 1       ? "pipeline"
                                                : s.tp > 1     ? "tensor"
                                                : s.cp > 1     ? "context"
                                                : s.ep > 1     ? "experts"
                                                : started      ? s.replicas > 1 ? "replicas" : "ranks"
                                                : s.pieces > 0 ? "pieces"
                                                               : "runner",
                                                {}, {}, in_parts);
  auto all = settings::arguments(s);
  all.insert(all.begin(), "train");
  tool::become(program, all);
}

}  // namespace tool::verbs
