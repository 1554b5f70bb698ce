// The verb that trains what drafts: draft-train.
#pragma once
#include <tools/src/checks.hpp>
#include <tools/src/compile.hpp>
#include <tools/src/directory.hpp>
#include <tools/src/draft_names.hpp>
#include <tools/src/eagle_fields.hpp>
#include <tools/src/export.hpp>
#include <tools/src/flags.hpp>

#include <algorithm>

#include <fauna/text/bpe.hpp>
#include <tools/src/verbs/models.hpp>
#include <tools/src/vocabulary.hpp>

namespace tool::verbs {

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

}  // namespace tool::verbs
