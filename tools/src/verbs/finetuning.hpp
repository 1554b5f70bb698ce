// The verb that trains adapters: finetune.
#pragma once
#include <tools/src/checks.hpp>
#include <tools/src/compile.hpp>
#include <tools/src/directory.hpp>
#include <tools/src/examples.hpp>
#include <tools/src/flags.hpp>
#include <tools/src/preferences.hpp>
#include <tools/src/recipe.hpp>
#include <tools/src/rewards.hpp>
#include <tools/src/start.hpp>

#include <algorithm>
#include <set>
#include <sstream>

#include <fauna/decode/adapter.hpp>
#include <fauna/text/bpe.hpp>
#include <tools/src/verbs/models.hpp>

namespace tool::verbs {

inline void check_double_quant(const char* verb, settings::Finetune const& s) {
  if (s.double_quant && !s.qlora) fauna::fail(verb, "--double-quant without --qlora", "both");
}

/// What stands under the adapters stays in the file.
inline void in_file(tool::Described& model) {
  model.includes.emplace_back("fauna/train/in_file.hpp");
  model.stored = "fauna::InFile<float>";
}

/// MODEL with the adapters that are to be trained, as source text; the blocks of a GGUF file stay where they are.
inline tool::Described with_adapters(tool::Described model, settings::FinetuneRun const& s) {
  if (s.kind != "lora") return with_parts(std::move(model), {s.kind, s.kind == "adapter" ? 10 : 0});
  std::string on = s.targets == "all" ? "" : s.targets, whole = s.modules_to_save;
  std::replace(on.begin(), on.end(), ',', '|');
  std::replace(whole.begin(), whole.end(), ',', '|');
  model.type = "fauna::lora<" + model.type + ", fauna::LoraConfig{.rank = " + settings::text(s.lora) +
               ", .alpha = " + settings::text(s.alpha) + (on.empty() ? "" : ", .on = \"" + on + '"') +
               (whole.empty() ? "" : ", .whole = \"" + whole + '"') +
               (s.lora_dropout > 0 ? ", .dropout = static_cast<float>(" + settings::text(s.lora_dropout) + ')' : "") +
               (s.rslora ? ", .rank_stabilised = true" : "") + (s.dora ? ", .magnitudes = true" : "") + "}>";
  model.includes.emplace_back("fauna/models/lora.hpp");
  if (s.qlora) {
    model.includes.emplace_back("fauna/ops/gemm/nf4.hpp");
    model.stored = s.double_quant ? "fauna::WithNf4Twice<float>" : "fauna::WithNf4<float>";
  } else if (tool::is_gguf(s.base)) in_file(model);
  return model;
}

/// For explain: MODEL with what finetune would train beside it. base: where the model is.
inline tool::Described with_planned_adapters(tool::Described model, settings::Explain const& e,
                                             std::string const& base) {
  const std::size_t colon = e.finetune.find(':');
  settings::FinetuneRun s;
  s.base = base;
  s.kind = e.finetune.substr(0, colon);
  s.qlora = e.qlora;
  s.double_quant = e.double_quant;
  s.dora = e.dora;
  const std::pair<const char*, bool> flags[] = {{"qlora", e.qlora}, {"double-quant", e.double_quant}, {"dora", e.dora}};
  for (auto const& [flag, on] : flags)
    if (on && s.kind != "lora")
      fauna::fail("fauna explain",
                  std::string("--") + flag + (s.kind.empty() ? " alone" : " beside --finetune " + s.kind),
                  "--finetune lora");
  if (s.kind.empty() && colon == std::string::npos) return model;
  one_of("finetune", s.kind, {"lora", "adapter", "adapter_v2"});
  if (colon != std::string::npos && (s.kind != "lora" || !settings::parse(e.finetune.substr(colon + 1), s.lora)))
    fauna::fail("fauna explain", "--finetune " + e.finetune, "lora, lora:RANK, adapter or adapter_v2");
  whole("finetune lora:", s.lora, 1, 4096);
  check_double_quant("fauna explain", s);
  if (e.quantize.empty()) return with_adapters(std::move(model), s);
  std::vector<std::string> known;
  for (fauna::BlockFormat const& f : fauna::block_formats) known.emplace_back(f.name);
  one_of("quantize", e.quantize, known);
  if (s.qlora || s.kind != "lora")
    fauna::fail("fauna explain", "--quantize beside " + (s.qlora ? "--qlora" : "--finetune " + s.kind),
                "--finetune lora with one of them");
  model = with_adapters(std::move(model), s);
  in_file(model);
  return model;
}

/// "lm_head" of "lm_head.weight".
inline std::string module_of(std::string name) {
  name.resize(name.rfind('.'));
  return name.substr(name.rfind('.') + 1);
}
/// Is a name one of those with commas between them?
inline bool lists(std::string const& names, std::string const& name) {
  return (',' + names + ',').find(',' + name + ',') != std::string::npos;
}

/// Throws on a name that no matrix of the files ends with.
inline void check_modules(std::string const& flag, std::string const& targets, fauna::TensorFile const& file) {
  if (targets.size() > 159)
    fauna::fail("fauna finetune", flag + " of " + std::to_string(targets.size()) + " characters", "159 at most");
  std::set<std::string> known;
  for (auto const& t : file.tensors())
    if (t.shape.size() == 2 && t.name.ends_with(".weight")) known.insert(module_of(t.name));
  std::string all;
  for (std::string const& k : known) all += (all.empty() ? "" : ", ") + k;
  std::istringstream names(targets + ',');
  for (std::string name; std::getline(names, name, ',');)
    if (known.count(name) == 0)
      fauna::fail("fauna finetune", flag + ' ' + targets, (flag == "--targets" ? "all, or some of " : "some of ") + all,
                  '\'' + name + "' is none");
}

/// Throws on targets that files have, and this model has no adapter for.
inline void check_targets(settings::Finetune const& s, tool::Directory const& d, fauna::TensorFile const& file) {
  if (!s.modules_to_save.empty()) check_modules("--modules-to-save", s.modules_to_save, file);
  if (s.targets == "all") return;
  check_modules("--targets", s.targets, file);
  const std::string head = module_of(d.model->names().head), table = module_of(d.model->names().table);
  if (d.model->tied() && (lists(s.targets, head) || lists(s.modules_to_save, head)))
    fauna::fail("fauna finetune", "the head " + head + ", which is the token table " + table, "names without it");
  for (std::string const& end : {head, table})
    if (s.dora && lists(s.targets, end)) fauna::fail("fauna finetune", "--dora with --targets " + end, "linear layers");
}

/// Flags of LoRA say nothing of other kinds.
inline void check_kind(tool::Verb const& verb, std::string const& base, settings::Finetune const& s) {
  one_of("kind", s.kind, {"lora", "adapter", "adapter_v2"});
  if (s.kind == "lora") return;
  if (tool::is_gguf(base)) fauna::fail("fauna finetune", "--kind " + s.kind + " for a GGUF file", "--kind lora");
  const std::pair<const char*, bool> flags[] = {{"rslora", s.rslora},
                                                {"dora", s.dora},
                                                {"pissa", s.pissa},
                                                {"qlora", s.qlora},
                                                {"double-quant", s.double_quant},
                                                {"lora", false},
                                                {"alpha", false},
                                                {"targets", false},
                                                {"modules-to-save", false},
                                                {"lora-plus", false},
                                                {"lora-dropout", false}};
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
    refuse({"block-size"}, other, "one of them");
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
  if (s.prefer == "grpo" && !verb.has("val")) s.val = 0;
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
  if (s.pissa && s.dora) fauna::fail("fauna finetune", "--pissa beside --dora", "one of the two");
  check_double_quant("fauna finetune", s);
  if (s.patience > 0 && (s.val == 0 || s.eval_interval == 0))
    fauna::fail("fauna finetune", "--patience without evaluations", "--val and --eval-interval above 0");
  if (s.pissa && !s.qlora && tool::is_gguf(directory))
    fauna::fail("fauna finetune", "--pissa with a GGUF file", "a model directory, whose weights can change",
                "fauna convert makes one, and --qlora reads the file's into memory");
  tool::Directory d = tool::read_model(directory, use_of(verb));
  d.model->without_dropout();
  const fauna::Bpe tokenizer = tokenizer_of(directory);
  const fauna::TensorFile file = fauna::open_tensors(directory);
  check_targets(s, d, file);
  whole("block-size", s.block_size, 0, d.model->context());
  if (s.data.empty() || !tool::fs::exists(s.data))
    fauna::fail("fauna finetune", s.data.empty() ? "no --data" : "there is no file " + s.data,
                "FILE.txt, FILE.jsonl or FILE.json");
  check_prefer(verb, s);
  if (s.pack && !tool::has_records(s.data))
    fauna::fail("fauna finetune", "--pack with the text " + s.data, "examples: FILE.jsonl or FILE.json",
                "a text's sequences are full");
  if (s.prefer == "grpo")
    (void)tool::Prompts::read(s.data, tokenizer, s.special, d.model->context(), directory).trains(s.val);
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
