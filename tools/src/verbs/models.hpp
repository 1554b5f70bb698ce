// What the words of a command mean: a model directory, a checkpoint, a file of weights, a preset, with the structural
// flags beside it.
#pragma once
#include <tools/src/checks.hpp>
#include <tools/src/compile.hpp>
#include <tools/src/directory.hpp>
#include <tools/src/flags.hpp>
#include <tools/src/start.hpp>

#include <algorithm>
#include <utility>

#include <fauna/decode/adapter_parts.hpp>
#include <fauna/io/safetensors.hpp>
#include <fauna/text/bpe.hpp>

namespace tool::verbs {

/// Ids as an argument.
inline std::string id_list(std::vector<long long> const& ids) {
  std::string all;
  for (const long long id : ids) all += (all.empty() ? "" : ",") + std::to_string(id);
  return all;
}

/// adapter<MODEL, rows> or adapter_v2<MODEL> as source text.
inline tool::Described with_parts(tool::Described model, fauna::AdapterKind const& kind) {
  model.type = "fauna::" + kind.name + '<' + model.type + (kind.rows > 0 ? ", " + std::to_string(kind.rows) : "") + '>';
  model.includes.push_back("fauna/models/" + kind.name + ".hpp");
  return model;
}

/// What --block-size is for: the model's context, or that of a run alone, whose model has its own.
enum class block_size { model, run };

/// Throws if a structural flag was given, for a model that takes none.
inline void refuse_structure(tool::Verb const& verb, std::string const& name, block_size of) {
  settings::Structure{}.each([&](const char* flag, auto&, const char*) {
    if (verb.has(flag) && (of == block_size::model || std::string(flag) != "block-size"))
      fauna::fail("fauna", std::string("--") + flag + " for " + name,
                  "structural flags with nanogpt's and gpt2's presets alone",
                  "a model directory with a config.json of your own can have any structure");
  });
}
/// The structural flags that were given, over what stood before.
inline void apply_structure(tool::Verb const& verb, tool::ModelConfig& c, std::string const& name, block_size of) {
  auto s = c.structure();
  if (!s) return refuse_structure(verb, name, of);
  const auto context = s->block_size;
  verb.apply(*s);
  if (of == block_size::run) s->block_size = context;
  c.set_structure(*s);
}

/// The model of weights that exist. Flags may repeat its structure, and change only dropout, which has no tensors.
inline AnyModel with_dropout(tool::Verb const& verb, AnyModel asked, std::string const& path, block_size of) {
  const std::string own = asked->line();
  const auto kept = asked->structure();
  apply_structure(verb, *asked, path, of);
  if (!kept) return asked;
  const AnyModel same = asked->copy();
  auto structure = *same->structure();
  structure.dropout = kept->dropout;
  same->set_structure(structure);
  if (same->line() != own)
    fauna::fail("fauna", "the flags ask for " + same->line(), own,
                "that is what " + path + " holds: leave the structural flags out");
  return asked;
}
inline AnyModel from_checkpoint(tool::Verb const& verb, std::string const& path, std::string const& config,
                                block_size of = block_size::model) {
  return with_dropout(verb, tool::checkpoint_model(path, config), path, of);
}

/// The checkpoint in a run's folder; another name stands for itself.
inline std::string checkpoint_of(std::string const& from) {
  const std::string best = from + "/best.safetensors", last = from + "/last.safetensors";
  if (!tool::fs::exists(best)) return tool::fs::exists(last) ? last : from;
  const auto head = [](std::string const& path) { return fauna::checkpoint::read_head(fauna::SafeTensors(path)); };
  if (tool::fs::exists(last) && !fauna::checkpoint::same_run(head(best), head(last)))
    fauna::fail("fauna", best + " and last.safetensors are of different runs", "a folder of one run",
                "give the file that is meant");
  return best;
}
/// What has the model that is meant: a model directory, or a checkpoint.
inline std::string model_of(std::string const& from) {
  const bool directory = tool::fs::exists(tool::fs::symlink_status(from + "/config.json"));  // or a link to nowhere
  return directory ? from : checkpoint_of(from);
}

/// How the verb's flags have model directories read.
inline tool::Use use_of(tool::Verb const& verb, bool training = false) {
  settings::Reading r;
  verb.apply(r);
  settings::Generate g;
  if (verb.has("draft")) verb.apply(g);
  return {.training = training, .further = g.draft == "mtp", .ignore_unknown = r.ignore_unknown_config};
}

/// The model of a file: a checkpoint says it in a line, weights without a config.json by their tensors.
inline AnyModel model_of_file(std::string const& path) {
  return tool::weights_alone(path) ? tool::model_of_weights(path)
                                   : tool::checkpoint_model(path, fauna::read_checkpoint_head(path).config);
}

/// The three presets whose names are nearest; first those that begin with the word.
inline std::string presets_like(std::string const& word) {
  std::vector<std::pair<std::size_t, std::string>> near;
  for (auto const& [type, family] : tool::families())
    for (auto const& p : family.presets)
      near.emplace_back(p.first.starts_with(word) ? 0 : tool::distance(p.first, word), p.first);
  std::stable_sort(near.begin(), near.end(), [](auto const& a, auto const& b) { return a.first < b.first; });
  return near[0].second + ", " + near[1].second + " or " + near[2].second;
}

/// The config that a preset, a file or a model directory stands for, with the structural flags.
inline AnyModel named_model(tool::Verb const& verb, std::string const& name, bool training = false) {
  const block_size of = training && verb.has("model") ? block_size::run : block_size::model;
  if (AnyModel c = tool::preset(name)) {
    apply_structure(verb, *c, name, of);
    return c;
  }
  if (!tool::fs::exists(name))
    fauna::fail("fauna", "the model '" + name + '\'', "a model directory, a checkpoint, a file of weights, or a preset",
                "did you mean " + presets_like(name) + "? tools/fauna explain --help lists all presets");
  const std::string from = model_of(name);
  if (tool::fs::is_regular_file(from)) return with_dropout(verb, model_of_file(from), from, of);
  refuse_structure(verb, name, of);
  return tool::read_config(from, use_of(verb, training)).model;
}

inline void check_run(std::string const& dtype, long threads,
                      std::vector<std::string> const& dtypes = {"f32", "bf16"}) {
  one_of("dtype", dtype, dtypes);
  whole("threads", threads, 0, 4096);
}

/// The model of a model directory whose weights are to be trained on.
inline AnyModel pretrained_model(tool::Verb const& verb, std::string const& directory) {
  AnyModel c = tool::read_config(directory, use_of(verb, true)).model;
  tool::use_own_head(*c, fauna::open_tensors(directory));
  return with_dropout(verb, std::move(c), directory, block_size::run);
}

/// What --init-from means.
inline tool::Start start_of(tool::Verb const& verb, settings::Train const& s) {
  tool::Start start;
  if (s.init_from == "scratch") return start;
  const bool resume = s.init_from == "resume";
  start.path = resume ? s.out_dir + "/last.safetensors" : model_of(s.init_from);
  start.directory = tool::fs::is_directory(start.path);
  start.checkpoint = !start.directory && (resume || fauna::is_checkpoint(start.path));
  if (start.checkpoint) start.head = fauna::read_checkpoint_head(start.path);
  const std::string says = start.path + " says which model it holds";
  if ((start.directory || start.checkpoint) && verb.given_as_flag("model"))
    fauna::fail("fauna train", "--model beside --init-from " + s.init_from, "no --model: " + says);
  if ((start.directory || start.checkpoint) && verb.has("model") && !resume)
    tool::say(says + ": --config's does not count");
  return start;
}

/// Says what is wrong with the tokenizer before anything is compiled. `given`: by --tokenizer, instead of its own.
inline fauna::Bpe tokenizer_of(std::string const& directory, std::string const& given = {}) {
  if (given.empty() && !tool::is_gguf(directory) && !tool::fs::exists(directory + "/tokenizer.json") &&
      !tool::fs::exists(directory + "/tokenizer.model"))
    fauna::fail("fauna", directory + " has no tokenizer.json", "the tokenizer that the model was trained with",
                "generate, perplexity, compare and serve take --tokenizer FILE");
  return tool::bpe_of(given.empty() ? directory : given);
}

}  // namespace tool::verbs
