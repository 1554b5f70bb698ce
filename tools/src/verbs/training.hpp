// The verbs that train: train, finetune, draft-train. Each becomes a program.
#pragma once
#include <tools/src/checks.hpp>
#include <tools/src/compile.hpp>
#include <tools/src/directory.hpp>
#include <tools/src/draft_names.hpp>
#include <tools/src/eagle_fields.hpp>
#include <tools/src/examples.hpp>
#include <tools/src/export.hpp>
#include <tools/src/flags.hpp>
#include <tools/src/preferences.hpp>
#include <tools/src/recipe.hpp>
#include <tools/src/restarts.hpp>
#include <tools/src/rewards.hpp>
#include <tools/src/start.hpp>

#include <algorithm>
#include <set>
#include <sstream>

#include <fauna/decode/adapter.hpp>
#include <fauna/dist/pipeline_schedule.hpp>
#include <fauna/text/bpe.hpp>
#include <tools/src/verbs/models.hpp>
#include <tools/src/vocabulary.hpp>

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

/// The parts that flags ask for. Throws where a pipeline's schedule is not for its stages or for an update's batches.
inline tool::ModelParts parts_of(tool::Verb const& verb, settings::Run const& s) {
  for (const char* flag : {"pp-schedule", "pp-rounds"})
    if (s.pp == 1 && verb.given_as_flag(flag))
      fauna::fail("fauna train", std::string("--") + flag + " without --pp", "both");
  const auto how = fauna::pipeline_schedule_named(s.pp_schedule);
  if (s.pp == 1) return {.ranks = s.tp * s.cp * s.ep == 1 ? 0 : std::max({s.tp, s.cp, s.ep})};
  const bool folded = fauna::there_and_back(how);
  const long usual = folded || how == fauna::pipeline_schedule::interleaved ? 2 : 1;
  const tool::ModelParts parts{s.pp, s.pp_rounds > 0 ? s.pp_rounds : usual, folded, s.tp};
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
  alone(in_parts && s.zero > 0, "--zero " + std::to_string(s.zero));
  alone(in_parts && s.keep_checkpoints > 0, "--keep-checkpoints");
  alone(s.pp == 1 && s.pieces > 0, "--pieces");
  alone(in_parts && s.optimizer != "adamw", "--optimizer " + s.optimizer);
  alone(s.exit_loss > 0 || s.layer_dropout > 0, "--exit-loss or --layer-dropout");
  alone(s.tp > 1 && s.dtype != "f32" && s.dtype != "bf16", "--dtype " + s.dtype);
  if (tool::started_rank() < 0) fauna::fail("fauna train", flag + " in one process", start);
  const int ranks = tool::started_ranks();
  if (s.cp > 1 && ranks > 0 && ranks != parts)
    fauna::fail("fauna train", flag + " on " + std::to_string(ranks) + " ranks", start,
                "all of them share every sequence");
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
  if (!tool::fs::exists(s.data))
    fauna::fail("fauna train", "there is no file " + s.data, "a text",
                "give --data FILE, or let tools/shakespeare fetch one");
  const bool resume = s.init_from == "resume";
  if (resume) fauna::checkpoint::require_data(from.path, from.head, data_hash(s.data));
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
  if (s.zero > 0 && !started) tool::say("--zero shares nothing on one rank: mpirun starts several");
  if (s.keep_checkpoints > 0 && !started && s.pieces == 0)
    fauna::fail("fauna train", "--keep-checkpoints of one process", "ranks, which write parts of a checkpoint",
                "mpirun starts several, or one");
  const std::string program = tool::program_for(c->described(), s.dtype,
                                                s.pp > 1       ? "pipeline"
                                                : s.tp > 1     ? "tensor"
                                                : s.cp > 1     ? "context"
                                                : s.ep > 1     ? "experts"
                                                : started      ? "ranks"
                                                : s.pieces > 0 ? "pieces"
                                                               : "runner",
                                                {}, {}, in_parts);
  auto all = settings::arguments(s);
  all.insert(all.begin(), "train");
  tool::become(program, all);
}

/// MODEL with the adapters that are to be trained, as source text; the blocks of a GGUF file stay where they are.
inline tool::Described with_adapters(tool::Described model, settings::FinetuneRun const& s) {
  if (s.kind != "lora") return with_parts(std::move(model), {s.kind, s.kind == "adapter" ? 10 : 0});
  std::string on = s.targets == "all" ? "" : s.targets;
  std::replace(on.begin(), on.end(), ',', '|');
  model.type = "fauna::lora<" + model.type + ", fauna::LoraConfig{.rank = " + settings::text(s.lora) +
               ", .alpha = " + settings::text(s.alpha) + (on.empty() ? "" : ", .on = \"" + on + '"') +
               (s.lora_dropout > 0 ? ", .dropout = static_cast<float>(" + settings::text(s.lora_dropout) + ')' : "") +
               (s.rslora ? ", .rank_stabilised = true" : "") + (s.dora ? ", .magnitudes = true" : "") + "}>";
  model.includes.emplace_back("fauna/models/lora.hpp");
  if (s.qlora) {
    model.includes.emplace_back("fauna/ops/gemm/nf4.hpp");
    model.stored = "fauna::WithNf4<float>";
  } else if (tool::is_gguf(s.base)) {
    model.includes.emplace_back("fauna/train/in_file.hpp");
    model.stored = "fauna::InFile<float>";
  }
  return model;
}

/// Throws on a name that no matrix of the files ends with.
inline void check_targets(std::string const& targets, fauna::TensorFile const& file) {
  if (targets == "all") return;
  if (targets.size() > 159)
    fauna::fail("fauna finetune", "--targets of " + std::to_string(targets.size()) + " characters", "159 at most");
  std::set<std::string> known;
  for (auto const& t : file.tensors())
    if (std::string name = t.name; t.shape.size() == 2 && name.ends_with(".weight")) {
      name.resize(name.size() - 7);
      known.insert(name.substr(name.rfind('.') + 1));
    }
  std::string all;
  for (std::string const& k : known) all += (all.empty() ? "" : ", ") + k;
  std::istringstream names(targets + ',');
  for (std::string name; std::getline(names, name, ',');)
    if (known.count(name) == 0)
      fauna::fail("fauna finetune", "--targets " + targets, "all, or some of " + all, '\'' + name + "' is none");
}

/// Writes the config.json of a drafter to a folder that has no other.
inline void write_draft_config(std::string const& kind, std::string const& json, std::string const& out) {
  const std::string path = out + "/config.json";
  if (tool::fs::exists(out) && !tool::fs::is_directory(out))
    fauna::fail("fauna draft-train", out + " is a file", "a folder, for --out of --kind " + kind);
  if (tool::fs::exists(path) && fauna::read_file(path) != json)
    fauna::fail(
        "fauna draft-train", path + " is another's",
        std::string("a folder without a config.json, or with that of such a ") + (kind == "eagle" ? "layer" : "model"));
  tool::fs::create_directories(out);
  fauna::write_file(path, json);
}
/// Of an EAGLE layer for a model.
inline void write_eagle_config(std::string const& directory, std::string const& out) {
  tool::Config c(directory + "/config.json");
  if (c.word("model_type", "") != "llama") c.wrong("model_type", "llama, of --kind eagle");
  write_draft_config("eagle", tool::eagle_json(fauna::eagle_of(tool::read_llama(c))).dump(2) + '\n', out);
}

/// A folder for a model cannot be that of the model that it is made from.
inline void check_draft_folder(settings::DraftTrainRun const& s) {
  if (tool::fs::exists(s.out) && tool::fs::equivalent(s.out, s.base))
    fauna::fail("fauna draft-train", "--out " + s.out + ", the model itself", "another folder");
}
/// The folder of the model that --kind medusa2 trains has its config.json and tokenizer from now on.
inline void write_joint_config(settings::DraftTrainRun const& s, tool::ModelConfig const& model) {
  check_draft_folder(s);
  const auto own = tool::Config::Json::parse(fauna::read_file(s.base + "/config.json"));
  tool::Config::Json json = model.config_json();
  for (const char* kept : {"bos_token_id", "eos_token_id", "pad_token_id"})
    if (own.contains(kept)) json[kept] = own[kept];
  json["dtype"] = "float32";
  write_draft_config("medusa2", json.dump(2) + '\n', s.out);
  (void)tool::copy_beside(s.base, s.out);
}

/// The model that --kind model trains, in a folder that has its config.json and the target's tokenizer from now on.
inline AnyModel draft_model(tool::Verb const& verb, settings::DraftTrainRun& s, tool::ModelConfig const& target) {
  if (s.model.empty())
    fauna::fail("fauna draft-train", "--kind model without --model",
                "--model and a name, such as smollm2-135m, or a model directory");
  AnyModel c = tool::preset(s.model);
  if (c != nullptr) {
    c->set_vocab(target.vocab());
  } else {
    if (!tool::fs::is_directory(s.model))
      fauna::fail("fauna draft-train", "--model " + s.model, "a preset, or a model directory",
                  "did you mean " + presets_like(s.model) + "? tools/fauna explain --help lists all presets");
    c = tool::read_config(s.model, use_of(verb)).model;
    tool::require_same_vocabulary(s.base, s.model);
    if (c->vocab() != target.vocab())
      fauna::fail("fauna draft-train", s.model + " has a token table of " + std::to_string(c->vocab()) + " rows",
                  std::to_string(target.vocab()) + ", as many as " + s.base);
    s.weights = s.model;
  }
  c->without_dropout();
  check_draft_folder(s);
  if (c->described().type == target.described().type)
    fauna::fail("fauna draft-train", "--model " + s.model + ", a model of the same type as " + s.base, "a smaller one");
  if (verb.has("block-size")) whole("block-size", s.block_size, 1, std::min(target.context(), c->context()));
  tool::Config::Json json = c->config_json();
  for (const char* none : {"bos_token_id", "eos_token_id"}) json[none] = nullptr;
  json["dtype"] = "float32";
  write_draft_config("model", json.dump(2) + '\n', s.out);
  (void)tool::copy_beside(s.base, s.out);
  c = tool::read_config(s.out, use_of(verb)).model;  // as --draft will read it
  c->without_dropout();
  return c;
}

[[noreturn]] inline void draft_train(tool::Verb const& verb, std::string const& directory) {
  settings::DraftTrainRun s;
  verb.apply(static_cast<settings::DraftTrain&>(s));
  one_of("kind", s.kind, {"medusa", "medusa2", "eagle", "model"});
  const auto only = [&](std::string const& kind, std::vector<const char*> flags) {
    for (const char* flag : flags)
      if (s.kind != kind && verb.has(flag))
        fauna::fail("fauna draft-train", "--" + std::string(flag) + " with --kind " + s.kind, "--kind " + kind);
  };
  if (s.kind != "medusa2") only("medusa", {"heads"});
  only("medusa", {"own-heads"});
  if (s.kind != "eagle") only("medusa", {"hidden"});
  only("medusa2", {"heads-first", "model-lr", "heads-weight"});
  only("model", {"model", "tv-weight"});
  if (s.kind != "medusa" && !verb.has("out")) s.out = s.kind == "model" ? "draft" : s.kind;
  if (!verb.has("heads-first")) s.heads_first = s.steps / 4;
  if (!verb.has("model-lr")) s.model_lr = s.lr / 4;
  whole("threads", s.threads, 0, 1024);
  whole("heads", s.heads, 1, 63);
  whole("heads-first", s.heads_first, 0, s.steps);
  whole("steps", s.steps, 1, 1000000000);
  whole("batch-size", s.batch_size, 1);
  whole("log-interval", s.log_interval, 0);
  if (!(s.tv_weight >= 0 && s.tv_weight <= 1))
    fauna::fail("fauna draft-train", "--tv-weight " + settings::text(s.tv_weight), "0 to 1");
  for (auto const& [flag, value] : {std::pair{"model-lr", s.model_lr}, std::pair{"heads-weight", s.heads_weight}})
    if (!(value >= 0 && value < 1e9))
      fauna::fail("fauna draft-train", std::string("--") + flag + ' ' + settings::text(value), "0 or more");
  tool::Directory d = tool::read_config(directory, use_of(verb));
  d.model->without_dropout();
  (void)tokenizer_of(directory);
  fauna::check_tensors(directory);
  if (s.data.empty() || !tool::fs::exists(s.data))
    fauna::fail("fauna draft-train", s.data.empty() ? "no --data" : "there is no file " + s.data, "a text");
  s.base = directory;
  AnyModel draft;
  if (s.kind == "model") draft = draft_model(verb, s, *d.model);
  const int context = std::min(d.model->context(), draft ? draft->context() : fauna::unbounded);
  if (!verb.has("block-size")) s.block_size = std::min<long>(s.block_size, context);
  whole("block-size", s.block_size, 1, context);
  if (s.kind == "eagle") write_eagle_config(directory, s.out);
  if (s.kind == "medusa2") write_joint_config(s, *d.model);
  const tool::Described target = d.model->described();
  const std::string program =
      draft ? tool::program_for(target, "f32", "distil_trainer", draft->described(), "distil_trainer")
            : tool::program_for(target, "f32", s.kind == "medusa" ? "draft_trainer" : s.kind + "_trainer");
  tool::become(program, settings::arguments(s));
}

/// Flags of LoRA say nothing of other kinds.
inline void check_kind(tool::Verb const& verb, std::string const& base, settings::Finetune const& s) {
  one_of("kind", s.kind, {"lora", "adapter", "adapter_v2"});
  if (s.kind == "lora") return;
  if (tool::is_gguf(base)) fauna::fail("fauna finetune", "--kind " + s.kind + " for a GGUF file", "--kind lora");
  const std::pair<const char*, bool> flags[] = {{"rslora", s.rslora}, {"dora", s.dora},     {"pissa", s.pissa},
                                                {"qlora", s.qlora},   {"lora", false},      {"alpha", false},
                                                {"targets", false},   {"lora-plus", false}, {"lora-dropout", false}};
  for (auto const& [flag, on] : flags)
    if (on || verb.given_as_flag(flag))
      fauna::fail("fauna finetune", std::string("--") + flag + " beside --kind " + s.kind, "--kind lora");
}

/// What --prefer grpo needs.
inline void check_grpo(settings::Finetune const& s) {
  if (s.reward_regex.empty() == s.reward_program.empty())
    fauna::fail("fauna finetune",
                std::string("--prefer grpo with ") + (s.reward_regex.empty() ? "no reward" : "two rewards"),
                "--reward-regex or --reward-program");
  (void)tool::Reward(s.reward_regex, s.reward_program);
  whole("group", s.group, 2, 65536);
  whole("max-new-tokens", s.max_new_tokens, 1, 1000000);
  whole("updates", s.updates, 1, 1000000);
  if (!(s.clip > 0 && s.clip < 1))
    fauna::fail("fauna finetune", "--clip " + settings::text(s.clip), "above 0, below 1");
}

/// What --prefer needs, and flags that would say nothing beside it or without it.
inline void check_prefer(tool::Verb const& verb, settings::Finetune const& s) {
  const auto refuse = [&](std::vector<const char*> flags, std::string const& beside, std::string const& expected) {
    for (const char* f : flags)
      if (verb.given_as_flag(f)) fauna::fail("fauna finetune", std::string("--") + f + ' ' + beside, expected);
  };
  if (s.prefer.empty()) {
    refuse({"beta", "label-smoothing", "desirable", "undesirable", "reward-regex", "reward-program", "group",
            "max-new-tokens", "updates", "clip"},
           "without --prefer", "both");
    return;
  }
  one_of("prefer", s.prefer, {"dpo", "orpo", "kto", "grpo"});
  const std::string other = "beside --prefer " + s.prefer;
  refuse({"lora-dropout", "accumulation", "resume", "eval-iters", "pack"}, "beside --prefer", "one of them");
  if (s.prefer != "dpo") refuse({"label-smoothing"}, other, "--prefer dpo");
  if (s.prefer != "kto") refuse({"desirable", "undesirable"}, other, "--prefer kto");
  if (s.prefer != "grpo")
    refuse({"reward-regex", "reward-program", "group", "max-new-tokens", "updates", "clip"}, other, "--prefer grpo");
  if (s.prefer == "grpo") {
    refuse({"val", "eval-interval", "patience", "block-size"}, other, "one of them");
    check_grpo(s);
  }
  if (!(s.beta >= 0 && s.beta < 1e9) || (s.beta == 0 && s.prefer != "grpo"))
    fauna::fail("fauna finetune", "--beta " + settings::text(s.beta), s.prefer == "grpo" ? "0 or more" : "above 0");
  for (auto const& [flag, weight] : {std::pair{"desirable", s.desirable}, std::pair{"undesirable", s.undesirable}})
    if (!(weight >= 0 && weight < 1e9))
      fauna::fail("fauna finetune", std::string("--") + flag + ' ' + settings::text(weight), "0 or more");
  if (!(s.label_smoothing >= 0 && s.label_smoothing < 0.5))
    fauna::fail("fauna finetune", "--label-smoothing " + settings::text(s.label_smoothing), "0 to below 0.5");
  if (s.prefer == "kto" && s.batch_size < 2)
    fauna::fail("fauna finetune", "--prefer kto with batches of 1", "at least 2",
                "what an answer is compared with is the mean over a batch");
  if (!tool::has_records(s.data))
    fauna::fail("fauna finetune", "--prefer with the data " + s.data, "FILE.jsonl or FILE.json");
}

[[noreturn]] inline void finetune(tool::Verb const& verb, std::string const& directory) {
  settings::FinetuneRun s;
  verb.apply(static_cast<settings::Finetune&>(s));
  check_run(s.dtype, s.threads);
  check_kind(verb, directory, s);
  one_of("schedule", s.schedule, {"cosine", "linear", "constant", "wsd"});
  whole("lora", s.lora, 1, 4096);
  whole("steps", s.steps, 1, 1000000000);
  if (!verb.has("warmup")) s.warmup = std::min(s.warmup, s.steps / 10);
  if (s.prefer == "grpo" && !verb.has("beta")) s.beta = 0;
  whole("batch-size", s.batch_size, 1);
  whole("accumulation", s.accumulation, 1);
  whole("eval-iters", s.eval_iters, 0);
  const auto share = [](const char* flag, double v) {
    if (!(v >= 0 && v < 1))
      fauna::fail("fauna finetune", std::string("--") + flag + ' ' + settings::text(v), "0 to below 1");
  };
  share("lora-dropout", s.lora_dropout);
  share("val", s.val);
  whole("patience", s.patience, 0);
  if (!(s.lora_plus > 0 && s.lora_plus <= 1e6))
    fauna::fail("fauna finetune", "--lora-plus " + settings::text(s.lora_plus), "above 0, such as 16");
  const std::pair<const char*, bool> starts[] = {{"--pissa", s.pissa}, {"--dora", s.dora}, {"--qlora", s.qlora}};
  for (auto const& [one, asked] : starts)
    for (auto const& [other, too] : starts)
      if (asked && too && std::string(one) != other)
        fauna::fail("fauna finetune", std::string(one) + " beside " + other, "one of the two");
  if (s.patience > 0 && (s.val == 0 || s.eval_interval == 0))
    fauna::fail("fauna finetune", "--patience without evaluations", "--val and --eval-interval above 0");
  if (s.pissa && tool::is_gguf(directory))
    fauna::fail("fauna finetune", "--pissa with a GGUF file", "a model directory, whose weights can change",
                "fauna convert makes one");
  tool::Directory d = tool::read_model(directory, use_of(verb));
  d.model->without_dropout();
  const fauna::Bpe tokenizer = tokenizer_of(directory);
  const fauna::TensorFile file = fauna::open_tensors(directory);
  check_targets(s.targets, file);
  whole("block-size", s.block_size, 0, d.model->context());
  if (s.data.empty() || !tool::fs::exists(s.data))
    fauna::fail("fauna finetune", s.data.empty() ? "no --data" : "there is no file " + s.data,
                "FILE.txt, FILE.jsonl or FILE.json");
  check_prefer(verb, s);
  if (s.pack && !tool::has_records(s.data))
    fauna::fail("fauna finetune", "--pack with the text " + s.data, "examples: FILE.jsonl or FILE.json",
                "a text's sequences are full");
  if (s.prefer == "grpo") (void)tool::Prompts::read(s.data, tokenizer, s.special, d.model->context());
  else if (!s.prefer.empty())
    (void)tool::Preferences::read(s.data, tokenizer, -1, s.special, d.model->context(), s.prefer == "kto")
        .trains(s.val);
  else if (tool::has_records(s.data))
    (void)tool::Examples::read(s.data, tokenizer, -1, s.special, d.model->context(), directory).split(s.val);
  const std::string last = s.out + "/last.safetensors";
  fauna::CheckpointHead head;
  if (s.resume) {
    head = fauna::read_checkpoint_head(last);
    fauna::checkpoint::require_data(last, head, sha256(fauna::Mapped(s.data).text()));
  }
  if (!s.overwrite) fauna::checkpoint::require_own_folder(s.out, s.resume ? &head : nullptr);
  settings::Reading reading;
  verb.apply(reading);
  s.base = directory;
  s.end = d.stop_ids.empty() ? -1 : static_cast<long>(d.stop_ids[0]);
  s.stop_ids = id_list(d.stop_ids);
  s.recipe = tool::recipe_of(s, reading, directory);
  tool::become(tool::program_for(with_adapters(d.model->described(), s), s.dtype,
                                 s.prefer.empty()     ? "finetuner"
                                 : s.prefer == "grpo" ? "grpo_trainer"
                                                      : "preference_trainer"),
               settings::arguments(s));
}

}  // namespace tool::verbs
