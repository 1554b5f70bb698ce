// tools/fauna: turns flags, a text or a checkpoint into a model's type, compiles a program for it, and becomes that
// program.
#include <tools/src/acceptance.hpp>
#include <tools/src/chat.hpp>
#include <tools/src/checks.hpp>
#include <tools/src/compile.hpp>
#include <tools/src/convert.hpp>
#include <tools/src/directory.hpp>
#include <tools/src/download.hpp>
#include <tools/src/draft_names.hpp>
#include <tools/src/examples.hpp>
#include <tools/src/export.hpp>
#include <tools/src/flags.hpp>
#include <tools/src/recipe.hpp>
#include <tools/src/start.hpp>
#include <tools/src/upcycle.hpp>
#include <tools/src/vocabulary.hpp>

#include <algorithm>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include <fauna/decode/adapter.hpp>
#include <fauna/decode/sampling.hpp>
#include <fauna/decode/speculate/pool.hpp>
#include <fauna/decode/speculate/tree.hpp>
#include <fauna/io/print.hpp>
#include <fauna/io/safetensors.hpp>
#include <fauna/text/bpe.hpp>
#include <fauna/text/chars.hpp>
#include <fauna/train/checkpoint.hpp>

namespace {

using tool::AnyModel;
using tool::one_of;
using tool::whole;

/// What --block-size is for: the model's context, or that of a run alone, whose model has its own.
enum class block_size { model, run };

/// Throws if a structural flag was given, for a model that takes none.
void refuse_structure(tool::Verb const& verb, std::string const& name, block_size of) {
  settings::Structure{}.each([&](const char* flag, auto&, const char*) {
    if (verb.has(flag) && (of == block_size::model || std::string(flag) != "block-size"))
      fauna::fail("fauna", std::string("--") + flag + " for " + name,
                  "structural flags with nanogpt's and gpt2's presets alone",
                  "a model directory with a config.json of your own can have any structure");
  });
}
/// The structural flags that were given, over what stood before.
void apply_structure(tool::Verb const& verb, tool::ModelConfig& c, std::string const& name, block_size of) {
  auto s = c.structure();
  if (!s) return refuse_structure(verb, name, of);
  const auto context = s->block_size;
  verb.apply(*s);
  if (of == block_size::run) s->block_size = context;
  c.set_structure(*s);
}

/// The model of weights that exist. Flags may repeat its structure, and change only dropout, which has no tensors.
AnyModel with_dropout(tool::Verb const& verb, AnyModel asked, std::string const& path, block_size of) {
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
AnyModel from_checkpoint(tool::Verb const& verb, std::string const& path, std::string const& config,
                         block_size of = block_size::model) {
  return with_dropout(verb, tool::checkpoint_model(path, config), path, of);
}

/// The checkpoint in a run's folder; another name stands for itself.
std::string checkpoint_of(std::string const& from) {
  const std::string best = from + "/best.safetensors", last = from + "/last.safetensors";
  if (!tool::fs::exists(best)) return tool::fs::exists(last) ? last : from;
  const auto head = [](std::string const& path) { return fauna::checkpoint::read_head(fauna::SafeTensors(path)); };
  if (tool::fs::exists(last) && !fauna::checkpoint::same_run(head(best), head(last)))
    fauna::fail("fauna", best + " and last.safetensors are of different runs", "a folder of one run",
                "give the file that is meant");
  return best;
}
/// What has the model that is meant: a model directory, or a checkpoint.
std::string model_of(std::string const& from) {
  const bool directory = tool::fs::exists(tool::fs::symlink_status(from + "/config.json"));  // or a link to nowhere
  return directory ? from : checkpoint_of(from);
}

/// How the verb's flags have model directories read.
tool::Use use_of(tool::Verb const& verb, bool training = false) {
  settings::Reading r;
  verb.apply(r);
  return {.training = training, .ignore_unknown = r.ignore_unknown_config};
}

/// The model of a file: a checkpoint says it in a line, weights without a config.json by their tensors.
AnyModel model_of_file(std::string const& path) {
  return tool::weights_alone(path) ? tool::model_of_weights(path)
                                   : tool::checkpoint_model(path, fauna::read_checkpoint_head(path).config);
}

/// The three presets whose names are nearest; first those that begin with the word.
std::string presets_like(std::string const& word) {
  std::vector<std::pair<std::size_t, std::string>> near;
  for (auto const& [type, family] : tool::families())
    for (auto const& p : family.presets)
      near.emplace_back(p.first.starts_with(word) ? 0 : tool::distance(p.first, word), p.first);
  std::stable_sort(near.begin(), near.end(), [](auto const& a, auto const& b) { return a.first < b.first; });
  return near[0].second + ", " + near[1].second + " or " + near[2].second;
}

/// The config that a preset, a file or a model directory stands for, with the structural flags.
AnyModel named_model(tool::Verb const& verb, std::string const& name, bool training = false) {
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

void check_run(std::string const& dtype, long threads) {
  one_of("dtype", dtype, {"f32", "bf16"});
  whole("threads", threads, 0, 4096);
}

/// The model of a model directory whose weights are to be trained on.
AnyModel pretrained_model(tool::Verb const& verb, std::string const& directory) {
  AnyModel c = tool::read_config(directory, use_of(verb, true)).model;
  tool::use_own_head(*c, fauna::open_tensors(directory));
  return with_dropout(verb, std::move(c), directory, block_size::run);
}

/// What --init-from means.
tool::Start start_of(tool::Verb const& verb, settings::Train const& s) {
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

[[noreturn]] void train(tool::Verb const& verb) {
  settings::Run s;
  settings::Named named;
  verb.apply(s);
  verb.apply(named);
  const tool::Start from = start_of(verb, s);
  const AnyModel c = from.checkpoint  ? from_checkpoint(verb, from.path, from.head.config, block_size::run)
                     : from.directory ? pretrained_model(verb, from.path)
                                      : named_model(verb, named.model, true);
  check_run(s.dtype, s.threads);
  one_of("schedule", s.schedule, {"cosine", "linear", "constant", "wsd"});
  whole("batch-size", s.batch_size, 1);
  whole("gradient-accumulation-steps", s.gradient_accumulation_steps, 1);
  whole("eval-iters", s.eval_iters, 0);
  whole("pieces", s.pieces, 0, s.batch_size * s.gradient_accumulation_steps);
  whole("zero", s.zero, 0, 1);
  settings::Structure length;  // nanoGPT's 64 where a model has no context of its own
  if (c->context() != fauna::unbounded) length.block_size = c->context();
  verb.apply(length);
  s.context = whole("block-size", length.block_size, 1, c->context());
  if (!tool::fs::exists(s.data))
    fauna::fail("fauna train", "there is no file " + s.data, "a text",
                "give --data FILE, or let tools/shakespeare fetch one");
  const bool resume = s.init_from == "resume";
  if (resume) fauna::checkpoint::require_data(from.path, from.head, sha256(fauna::Mapped(s.data).text()));
  if (!s.overwrite && !s.eval_only) fauna::checkpoint::require_own_folder(s.out_dir, resume ? &from.head : nullptr);
  settings::Reading reading;
  verb.apply(reading);
  const bool fresh = !from.directory && !from.checkpoint;
  s.recipe = tool::recipe_of(s, reading, fresh && verb.has("model") ? named.model : "", *c);
  s.tokenizer = tool::run_tokenizer(from, s.tokenizer);
  if (!from.checkpoint) {
    if (!from.path.empty()) (void)fauna::open_tensors(from.path);  // weights alone: of what model, the flags say
    tool::fit_vocabulary(*c, s, from);
  }
  if (!from.path.empty() && !resume) s.init_from = from.path;
  const bool started = tool::started_rank() >= 0;
  if (s.zero > 0 && !started) tool::say("--zero 1 shares nothing on one rank: mpirun starts several");
  const std::string program = tool::program_for(c->described(), s.dtype,
                                                started        ? "ranks"
                                                : s.pieces > 0 ? "pieces"
                                                               : "runner");
  auto all = settings::arguments(s);
  all.insert(all.begin(), "train");
  tool::become(program, all);
}

/// Says what is wrong with the tokenizer before anything is compiled. `given`: by --tokenizer, instead of its own.
fauna::Bpe tokenizer_of(std::string const& directory, std::string const& given = {}) {
  const std::string path = given.empty() ? directory + "/tokenizer.json" : tool::tokenizer_file(given);
  if (!tool::fs::exists(path))
    fauna::fail("fauna", directory + " has no tokenizer.json", "the tokenizer that the model was trained with",
                "generate, perplexity, compare and serve take --tokenizer FILE");
  return fauna::Bpe::from_file(path);
}

/// lora<MODEL, ...> as source text.
tool::Described with_adapters(tool::Described model, settings::Finetune const& s) {
  std::string on = s.targets == "all" ? "" : s.targets;
  std::replace(on.begin(), on.end(), ',', '|');
  model.type = "fauna::lora<" + model.type + ", fauna::LoraConfig{.rank = " + settings::text(s.lora) +
               ", .alpha = " + settings::text(s.alpha) + (on.empty() ? "" : ", .on = \"" + on + '"') +
               (s.lora_dropout > 0 ? ", .dropout = static_cast<float>(" + settings::text(s.lora_dropout) + ')' : "") +
               "}>";
  model.includes.emplace_back("fauna/models/lora.hpp");
  return model;
}

/// Throws on a name that no matrix of the files ends with.
void check_targets(std::string const& targets, fauna::TensorFile const& file) {
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

[[noreturn]] void draft_train(tool::Verb const& verb, std::string const& directory) {
  settings::DraftTrainRun s;
  verb.apply(static_cast<settings::DraftTrain&>(s));
  whole("threads", s.threads, 0, 1024);
  whole("heads", s.heads, 1, 63);
  whole("steps", s.steps, 1, 1000000000);
  whole("batch-size", s.batch_size, 1);
  whole("log-interval", s.log_interval, 0);
  tool::Directory d = tool::read_config(directory, use_of(verb));
  d.model->without_dropout();
  if (!verb.has("block-size")) s.block_size = std::min<long>(s.block_size, d.model->context());
  whole("block-size", s.block_size, 1, d.model->context());
  (void)tokenizer_of(directory);
  (void)fauna::open_tensors(directory);
  if (s.data.empty() || !tool::fs::exists(s.data))
    fauna::fail("fauna draft-train", s.data.empty() ? "no --data" : "there is no file " + s.data, "a text");
  s.base = directory;
  tool::become(tool::program_for(d.model->described(), "f32", "draft_trainer"), settings::arguments(s));
}

[[noreturn]] void finetune(tool::Verb const& verb, std::string const& directory) {
  settings::FinetuneRun s;
  verb.apply(static_cast<settings::Finetune&>(s));
  check_run(s.dtype, s.threads);
  one_of("schedule", s.schedule, {"cosine", "linear", "constant", "wsd"});
  whole("lora", s.lora, 1, 4096);
  whole("steps", s.steps, 1, 1000000000);
  if (!verb.has("warmup")) s.warmup = std::min(s.warmup, s.steps / 10);
  whole("batch-size", s.batch_size, 1);
  whole("accumulation", s.accumulation, 1);
  whole("eval-iters", s.eval_iters, 0);
  const auto share = [](const char* flag, double v) {
    if (!(v >= 0 && v < 1))
      fauna::fail("fauna finetune", std::string("--") + flag + ' ' + settings::text(v), "0 to below 1");
  };
  share("lora-dropout", s.lora_dropout);
  share("val", s.val);
  tool::Directory d = tool::read_config(directory, use_of(verb));
  d.model->without_dropout();
  const fauna::Bpe tokenizer = tokenizer_of(directory);
  const fauna::TensorFile file = fauna::open_tensors(directory);
  check_targets(s.targets, file);
  whole("block-size", s.block_size, 0, d.model->context());
  if (s.data.empty() || !tool::fs::exists(s.data))
    fauna::fail("fauna finetune", s.data.empty() ? "no --data" : "there is no file " + s.data,
                "FILE.txt or FILE.jsonl");
  if (s.data.ends_with(".jsonl"))
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
  s.recipe = tool::recipe_of(s, reading, directory);
  tool::become(tool::program_for(with_adapters(d.model->described(), s), s.dtype, "finetuner"), settings::arguments(s));
}

/// Says what is wrong with an adapter before anything is compiled.
void check_adapter(std::string const& adapter, std::string const& directory) {
  if (!adapter.empty()) (void)fauna::Adapter(adapter).weights_of(fauna::open_tensors(directory));
}

/// A mixture of experts has products by groups of rows, which blocks do not have.
bool has_experts(tool::Described const& model) {
  return model.type.find("Mixtral") != std::string::npos || model.type.find("Olmoe") != std::string::npos;
}
void check_quantize(std::string const& type, tool::Described const& model, std::string const& dtype) {
  if (type.empty()) return;
  std::string known;
  bool found = false;
  for (fauna::BlockFormat const& f : fauna::block_formats)
    if (f.code.bits > 0) {
      known += (known.empty() ? "" : ", ") + std::string(f.name);
      found = found || f.name == type;
    }
  if (!found) fauna::fail("fauna", "--quantize " + type, "one of " + known);
  if (has_experts(model)) fauna::fail("fauna", "--quantize for a mixture of experts", "a model without");
  if (dtype != "f32")
    fauna::fail("fauna", "--quantize beside --dtype " + dtype, "one of them",
                "what is multiplied by blocks is rounded to 8 bits");
}
/// The precision of the program for a model's weights: in blocks where these are, or are to be.
std::string storage_of(std::string const& from, tool::Described const& model, std::string const& dtype,
                       std::string const& quantize) {
  check_quantize(quantize, model, dtype);
  if (!quantize.empty()) return tool::in_blocks;
  if (has_experts(model) || dtype != "f32" || !tool::is_gguf(from)) return dtype;
  const auto file = fauna::open_tensors(from);
  for (fauna::SafeTensor const& t : file.tensors())
    if (const fauna::BlockFormat* f = fauna::block_format(t.dtype); f != nullptr && f->code.bits > 0)
      return tool::in_blocks;
  return dtype;
}

void check_texts(settings::Generate const& s) {
  check_run(s.dtype, s.threads);
  whole("num-samples", s.num_samples, 1);
  whole("max-new-tokens", s.max_new_tokens, 0, 1000000000);
  whole("top-k", s.top_k, 0, 1000000000);
  whole("chunk", s.chunk, 1);
  whole("context", s.context, 0, 1000000000);
  whole("draft-max", s.draft_max, 1, 1000000000);
  whole("draft-nodes", s.draft_nodes, 1, fauna::DraftTree::most_nodes);
  one_of("at-context-end", s.at_context_end, {"stop", "slide", "refuse"});
  for (std::string const& stop : s.stop)
    if (stop.empty()) fauna::fail("fauna", "--stop with an empty stop text", "at least a character");
  // Of one token; the constructor says what is wrong with the rest.
  (void)fauna::Sampler(1, {.temperature = static_cast<float>(s.temperature),
                           .top_p = static_cast<float>(s.top_p),
                           .min_p = static_cast<float>(s.min_p),
                           .repetition_penalty = static_cast<float>(s.repetition_penalty)});
}

/// Becomes the inference program, or the server, for a model directory, or for a checkpoint's file, of one model or of
/// two. Without dropout, which is for training.
[[noreturn]] void infer(std::string const& verb, std::string const& from, tool::ModelConfig& c,
                        std::string const& dtype, std::vector<std::string> const& words, std::vector<std::string> flags,
                        std::optional<tool::Described> const& draft = {}) {
  c.without_dropout();
  (void)fauna::open_tensors(from);  // says what is wrong with the weights before anything is compiled
  const std::string program = tool::program_for(c.described(), dtype, verb == "serve" ? "serve" : "inference", draft);
  flags.insert(flags.begin(), words.begin(), words.end());
  flags.insert(flags.begin(), {verb, from});
  tool::become(program, flags);
}

/// The model of a model directory, or of a checkpoint's file.
AnyModel model_in(std::string const& from, tool::Use use) {
  return tool::fs::is_regular_file(from) ? model_of_file(from) : tool::read_config(from, use).model;
}

/// Becomes the program that writes with a model, and with one that drafts for it, where --draft names one.
template <class S>
[[noreturn]] void write(std::string const& name, tool::Verb const& verb, std::string const& from, tool::ModelConfig& c,
                        std::vector<std::string> const& words, S const& s) {
  settings::Told<S> told;
  static_cast<S&>(told) = s;
  const std::string dtype = storage_of(from, c.described(), s.dtype, s.quantize);
  std::optional<tool::Described> draft;
  if (s.draft.empty())
    for (const char* flag : {"draft-max", "draft-stats", "draft-nodes", "acceptance", "adaptive"})
      if (verb.has(flag)) fauna::fail("fauna", std::string("--") + flag + " without --draft", "ngram, or a model");
  const long context = s.context > 0 ? std::min<long>(s.context, c.context()) : c.context();
  if (!s.draft.empty() && s.draft_max >= context)
    fauna::fail("fauna", "--draft-max " + std::to_string(s.draft_max), "at most " + std::to_string(context - 1),
                "a draft and the token before it are read in a context of " + std::to_string(context));
  const tool::AnyAcceptance acceptance(s.acceptance);
  acceptance.check({.temperature = static_cast<float>(s.temperature)});
  if (acceptance.kept != fauna::keeps::ids && !verb.has("adaptive")) told.adaptive = false;
  if (s.draft == "auto" && !told.adaptive)
    fauna::fail(
        "fauna", "--draft auto with drafts of a fixed length", "--adaptive",
        "with --acceptance " + s.acceptance + " the text then follows from what is measured, not from the seed");
  if (const std::string pool = tool::pool_of(s.draft); !pool.empty()) {
    told.vocabulary = tool::vocabulary_hash(from);
    if (tool::fs::exists(pool)) (void)fauna::PoolDrafter::from_file(pool, told.vocabulary);
  }
  if (const std::string heads = tool::behind("medusa:", s.draft); !heads.empty()) (void)fauna::open_tensors(heads);
  if (const std::string small_model = tool::draft_model_of(s.draft); !small_model.empty()) {
    if (!tool::fs::exists(small_model))
      fauna::fail("fauna", "there is no " + small_model,
                  "--draft ngram, auto, ngram-tree, pool:FILE, medusa:FILE, a model directory, or a checkpoint");
    told.draft_weights = model_of(small_model);
    const AnyModel small = model_in(told.draft_weights, use_of(verb));
    tool::require_same_vocabulary(from, told.draft_weights);
    if (small->vocab() != c.vocab())
      fauna::fail("fauna",
                  "the draft " + small_model + " has a token table of " + std::to_string(small->vocab()) + " rows",
                  std::to_string(c.vocab()) + ", as many as " + from);
    (void)fauna::open_tensors(told.draft_weights);
    small->without_dropout();
    c.without_dropout();
    draft = small->described();
    told.engine = tool::engine_name(c.described(), dtype);
    told.draft_engine = tool::engine_name(*draft, dtype);
  }
  infer(name, from, c, dtype, words, settings::arguments(told), draft);
}

[[noreturn]] void sample(tool::Verb const& verb, std::string const& from, settings::Sample const& s) {
  check_texts(s);
  const std::string checkpoint = checkpoint_of(from);
  if (tool::fs::is_directory(checkpoint))
    fauna::fail("fauna sample", from + " has no best.safetensors and no last.safetensors", "the folder of a run");
  const auto head = fauna::read_checkpoint_head(checkpoint);
  const AnyModel c = from_checkpoint(verb, checkpoint, head.config);
  if (!head.tokenizer.empty()) (void)tool::tokenizer_beside(checkpoint, head);
  write("sample", verb, checkpoint, *c, {}, s);
}
[[noreturn]] void sample(tool::Verb const& verb, std::string const& checkpoint) {
  settings::Sample s;
  verb.apply(s);
  sample(verb, checkpoint, s);
}

[[noreturn]] void logits(tool::Verb const& verb, std::string const& from) {
  settings::Logits s;
  verb.apply(s);
  check_run(s.dtype, s.threads);
  whole("chunk", s.chunk, 1);
  if (s.tokens.empty()) fauna::fail("fauna logits", "no --tokens", "ids with commas between them, such as 1,2,3");
  if (s.out.empty()) fauna::fail("fauna logits", "no --out", "a FILE.npy to write");
  const std::string model = model_of(from);
  check_adapter(s.adapter, model);
  const AnyModel c = model_in(model, use_of(verb));
  infer("logits", model, *c, storage_of(model, c->described(), s.dtype, s.quantize), {}, settings::arguments(s));
}

/// Ids as an argument.
std::string id_list(std::vector<long long> const& ids) {
  std::string all;
  for (const long long id : ids) all += (all.empty() ? "" : ",") + std::to_string(id);
  return all;
}

/// With a file of weights: texts are in the pieces of --tokenizer, of a GGUF file's own, or bytes where these are all
/// that the model knows.
[[noreturn]] void generate_from_weights(tool::Verb const& verb, std::string const& from, settings::Generate const& s) {
  const AnyModel c = tool::model_of_weights(from);
  const bool gguf = tool::is_gguf(from);
  for (const char* flag : {"chat", "values", "special", "adapter"})
    if (verb.has(flag) && (!gguf || flag == std::string("adapter")))
      fauna::fail("fauna generate", std::string("--") + flag + " for a file of weights", "a model directory");
  if (!tool::draft_model_of(s.draft).empty() || !tool::pool_of(s.draft).empty())
    fauna::fail("fauna generate", "--draft " + s.draft + " for a file of weights",
                "--draft ngram or auto, or a model directory, whose vocabulary can be compared");
  if (s.prompt.empty()) fauna::fail("fauna generate", "no --prompt", "a text to continue");
  int vocab = fauna::ByteTokenizer::vocab();
  std::string stops;
  if (gguf) stops = id_list(fauna::gguf_stop_ids(fauna::Gguf(from)));
  if (s.chat) (void)tool::in_template(from, s.prompt, tool::values_of(s.values));
  if (s.tokenizer.empty() && gguf) {
    vocab = tool::bpe_of(from).vocab();
  } else if (s.tokenizer.empty()) {
    if (c->vocab() != vocab)
      fauna::fail("fauna generate", from + " has " + std::to_string(c->vocab()) + " tokens, and no tokenizer",
                  "--tokenizer FILE",
                  "rwkv_vocab_v20230424.txt is that of RWKV World; 256 tokens are bytes without one");
  } else if (tool::is_world(tool::tokenizer_file(s.tokenizer))) {
    vocab = fauna::RwkvWorld::from_file(s.tokenizer).vocab();
    stops = std::to_string(fauna::RwkvWorld::end_of_text);
  } else {
    vocab = tool::bpe_of(s.tokenizer).vocab();
  }
  if (vocab > c->vocab())
    fauna::fail("fauna generate",
                (s.tokenizer.empty() ? from : s.tokenizer) + " has " + std::to_string(vocab) + " tokens",
                "at most the model's " + std::to_string(c->vocab()));
  write("generate", verb, from, *c, {stops}, s);
}

[[noreturn]] void generate(tool::Verb const& verb, std::string const& from) {
  settings::Generate s;
  verb.apply(s);
  check_texts(s);
  if (tool::fs::is_regular_file(from) && tool::weights_alone(from)) generate_from_weights(verb, from, s);
  if (tool::fs::is_regular_file(model_of(from))) {
    if (verb.has("tokenizer"))
      fauna::fail("fauna generate", "--tokenizer for a checkpoint", "none: a checkpoint has its own");
    for (const char* flag : {"chat", "values", "special", "adapter", "quantize"})
      if (verb.has(flag))
        fauna::fail("fauna generate", std::string("--") + flag + " for a checkpoint of characters",
                    "a model directory");
    settings::Sample like;
    static_cast<settings::Generate&>(like) = s;
    if (!verb.has("prompt")) like.prompt = "\n";
    sample(verb, from, like);
  }
  if (!s.values.empty() && !s.chat) fauna::fail("fauna generate", "--values without --chat", "both, or neither");
  const tool::Directory d = tool::read_config(from, use_of(verb));
  bool begins = false;  // with a token before a text
  if (!s.tokenizer.empty() && tool::is_world(tool::tokenizer_file(s.tokenizer)))
    (void)fauna::RwkvWorld::from_file(s.tokenizer);
  else begins = !tokenizer_of(from, s.tokenizer).encode("").empty();
  if (s.chat) (void)tool::in_template(from, s.prompt, tool::values_of(s.values));
  else if (s.prompt.empty() && !begins)
    fauna::fail("fauna generate", verb.has("prompt") ? "an empty --prompt" : "no --prompt", "a text to continue",
                "its tokenizer puts no token before a text, from which an empty one could go on");
  check_adapter(s.adapter, from);
  write("generate", verb, from, *d.model, {id_list(d.stop_ids)}, s);
}

[[noreturn]] void chat(tool::Verb const& verb, std::string const& from) {
  settings::Chat s;
  verb.apply(s);
  check_texts(s);
  if (!tool::fs::exists(from)) fauna::fail("fauna chat", "there is no " + from, "a model directory, or a GGUF file");
  fauna::jinja::Heap heap;  // says what is wrong with either
  (void)tool::Chat::read_values(heap, tool::values_of(s.values));
  (void)tool::Chat(from);
  if (tool::is_gguf(from)) {
    if (!s.adapter.empty()) fauna::fail("fauna chat", "--adapter for a file of weights", "a model directory");
    (void)tool::bpe_of(from);
    infer("chat", from, *tool::model_of_weights(from), s.dtype, {id_list(fauna::gguf_stop_ids(fauna::Gguf(from)))},
          settings::arguments(s));
  }
  const tool::Directory d = tool::read_config(from, use_of(verb));
  (void)tokenizer_of(from);
  check_adapter(s.adapter, from);
  infer("chat", from, *d.model, s.dtype, {id_list(d.stop_ids)}, settings::arguments(s));
}

[[noreturn]] void serve(tool::Verb const& verb, std::string const& directory) {
  settings::Serve s;
  verb.apply(s);
  check_run(s.dtype, s.threads);
  whole("port", s.port, 0, 65535);
  whole("context", s.context, 0, 1000000000);
  whole("parallel", s.parallel, 0, 256);
  whole("queue", s.queue, 0, 1000);
  whole("time-out", s.time_out, 0);
  whole("chunk", s.chunk, 1);
  if (!s.api_key_file.empty() && !tool::fs::exists(s.api_key_file))
    fauna::fail("fauna serve", "there is no file " + s.api_key_file, "keys, one a line");
  const tool::Directory d = tool::read_config(directory, use_of(verb));
  (void)tokenizer_of(directory, s.tokenizer);
  if (s.name.empty()) s.name = tool::fs::canonical(directory).filename().string();
  infer("serve", directory, *d.model, s.dtype, {id_list(d.stop_ids)}, settings::arguments(s));
}

[[noreturn]] void compare(tool::Verb const& verb, std::string const& directory, std::string const& file) {
  settings::Compare s;
  verb.apply(s);
  check_run(s.dtype, s.threads);
  if (!tool::fs::exists(file)) fauna::fail("fauna compare", "there is no file " + file, "a reference's tokens");
  const AnyModel c = tool::read_config(directory, use_of(verb)).model;
  (void)tokenizer_of(directory, s.tokenizer);
  (void)tool::in_template(directory, "");
  infer("compare", directory, *c, s.dtype, {file}, settings::arguments(s));
}

[[noreturn]] void perplexity(tool::Verb const& verb, std::string const& directory, std::string const& file) {
  settings::Perplexity s;
  verb.apply(s);
  check_run(s.dtype, s.threads);
  whole("context", s.context, 0, 1000000000);
  if (!tool::fs::exists(file)) fauna::fail("fauna perplexity", "there is no file " + file, "a text");
  const AnyModel c = tool::read_config(directory, use_of(verb)).model;
  (void)tokenizer_of(directory, s.tokenizer);
  check_adapter(s.adapter, directory);
  infer("perplexity", directory, *c, storage_of(directory, c->described(), s.dtype, s.quantize), {file},
        settings::arguments(s));
}

/// As named_model, with a vocabulary of another size.
tool::Described described_model(tool::Verb const& verb, std::string const& name) {
  const AnyModel c = named_model(verb, name);
  if (verb.has("vocab-size")) {
    settings::Vocabulary v;
    verb.apply(v);
    if (tool::preset(name) == nullptr)
      fauna::fail("fauna", "--vocab-size for " + name, "a preset", "the vocabulary of other models is their own");
    c->set_vocab(whole("vocab-size", v.vocab_size, 1, 100000000));
  }
  return c->described();
}

/// Says what is wrong with words that name no verb.
[[noreturn]] void refuse_verb(std::vector<tool::Verb*> const& verbs, std::string const& word) {
  std::string all, nearest;
  for (tool::Verb* v : verbs) {
    const std::string name = (*v)->get_name();
    all += (all.empty() ? "" : ", ") + name;
    if (nearest.empty() || tool::distance(name, word) < tool::distance(nearest, word)) nearest = name;
  }
  if (word.empty() || word[0] == '-')
    fauna::fail("fauna", (word.empty() ? "" : "the flag " + word + " and ") + std::string("no verb"), all,
                "tools/fauna --help lists verbs and flags");
  fauna::fail("fauna", "unknown verb " + word, all, "did you mean " + nearest + '?');
}

int run(int n, char** words) {
  CLI::App app("Train small language models, sample from them, and look at them. Each model is compiled first.");
  app.name("tools/fauna")->require_subcommand(1)->set_help_flag("");
  app.set_help_all_flag("-h,--help", "print every verb with every flag");
  const std::string structure = "Model", training = "Run";
  std::string checkpoint = "out", name = "nanogpt-cpu", directory, file, to;

  tool::Verb train_verb(app, "train", "train a model on a text, evaluate it, keep checkpoints");
  train_verb.add(settings::Named{}, structure);
  train_verb.add(settings::Structure{}, structure);
  train_verb.add(settings::Train{}, training);
  tool::Verb sample_verb(app, "sample", "write texts with a trained model");
  sample_verb
      ->add_option("checkpoint", checkpoint, "a checkpoint, or a folder with best.safetensors or last.safetensors")
      ->type_name("FILE=out");
  sample_verb.add(settings::Sample{}, training);
  tool::Verb generate_verb(app, "generate",
                           "write texts with a model directory (config.json, weights, tokenizer.json) or a checkpoint");
  generate_verb
      ->add_option("model", directory, "a model directory, a checkpoint, a folder with one, or a file of weights")
      ->type_name("DIR")
      ->required();
  generate_verb.add(settings::Generate{}, training);
  tool::Verb chat_verb(app, "chat", "talk with a model in the terminal, in its chat template");
  chat_verb->add_option("model", directory, "a model directory, or a GGUF file")->type_name("DIR")->required();
  chat_verb.add(settings::Chat{}, training);
  tool::Verb serve_verb(app, "serve", "serve a model directory over HTTP, as the OpenAI API does");
  serve_verb->add_option("model", directory, "a model directory")->type_name("DIR")->required();
  serve_verb.add(settings::Serve{}, training);
  tool::Verb logits_verb(app, "logits", "write the logits of some tokens as a .npy file");
  logits_verb
      ->add_option("model", directory, "a model directory, a checkpoint, a folder with one, or a file of weights")
      ->type_name("DIR")
      ->required();
  logits_verb.add(settings::Logits{}, training);
  tool::Verb perplexity_verb(app, "perplexity", "print the perplexity of a text");
  perplexity_verb->add_option("model", directory, "a model directory")->type_name("DIR")->required();
  perplexity_verb->add_option("text", file, "a text, UTF-8")->type_name("FILE")->required();
  perplexity_verb.add(settings::Perplexity{}, training);
  tool::Verb compare_verb(app, "compare", "compare template, ids, logits and greedy texts with a reference's");
  compare_verb->add_option("model", directory, "a model directory")->type_name("DIR")->required();
  compare_verb->add_option("golden", file, "what tools/oracles/smollm2.py writes")->type_name("FILE")->required();
  compare_verb.add(settings::Compare{}, training);
  tool::Verb export_verb(app, "export", "write config.json and model.safetensors, as transformers loads them");
  export_verb->add_option("model", directory, "a model directory, a checkpoint, or a folder with one")
      ->type_name("FROM")
      ->required();
  export_verb->add_option("out", to, "a folder to write")->type_name("DIR")->required();
  tool::Verb convert_verb(app, "convert",
                          "write a model directory as a GGUF file, or a GGUF file as a model directory");
  convert_verb->add_option("model", directory, "a model directory, or a GGUF file")->type_name("FROM")->required();
  convert_verb->add_option("out", to, "FILE.gguf, or a folder to write")->type_name("TO")->required();
  convert_verb.add(settings::Convert{}, training);
  tool::Verb finetune_verb(app, "finetune", "train LoRA adapters to a model directory on a text or on examples");
  finetune_verb->add_option("model", directory, "a model directory")->type_name("DIR")->required();
  finetune_verb.add(settings::Finetune{}, training);
  tool::Verb draft_train_verb(app, "draft-train", "train heads that draft for a model directory (Medusa), on a text");
  draft_train_verb->add_option("model", directory, "a model directory")->type_name("DIR")->required();
  draft_train_verb.add(settings::DraftTrain{}, training);
  tool::Verb merge_verb(app, "merge", "write a model with an adapter merged into it, as transformers loads it");
  merge_verb->add_option("model", directory, "a model directory")->type_name("DIR")->required();
  merge_verb->add_option("adapter", file, "an adapter's folder, as peft or finetune writes it")
      ->type_name("ADAPTER")
      ->required();
  merge_verb->add_option("out", to, "a folder to write")->type_name("OUT")->required();
  tool::Verb upcycle_verb(app, "upcycle", "make a mixture of experts of a dense model directory");
  upcycle_verb->add_option("model", directory, "a model directory of llama, mistral or qwen3")
      ->type_name("DIR")
      ->required();
  upcycle_verb->add_option("out", to, "a folder to write")->type_name("OUT")->required();
  upcycle_verb.add(settings::Upcycle{}, training);
  tool::Verb download_verb(app, "download",
                           "fetch a model directory from a hub: $HF_ENDPOINT, with the token $HF_TOKEN");
  download_verb->add_option("model", name, "as the hub calls it")->type_name("ORG/NAME")->required();
  download_verb.add(settings::Download{}, training);
  tool::Verb explain_verb(app, "explain", "print a model's tree, what it costs, and its memory plan");
  tool::Verb type_verb(app, "type", "print a model's C++ type");
  for (tool::Verb* v : {&explain_verb, &type_verb}) {
    (*v)->add_option("model", name, tool::preset_names() + "; a checkpoint, a model directory, or a file of weights")
        ->type_name("NAME=nanogpt-cpu");
    v->add(settings::Vocabulary{}, structure);
    v->add(settings::Structure{}, structure);
  }
  explain_verb.add(settings::Explain{}, training);
  for (tool::Verb* v : {&train_verb, &generate_verb, &chat_verb, &serve_verb, &logits_verb, &perplexity_verb,
                        &compare_verb, &export_verb, &convert_verb, &finetune_verb, &draft_train_verb, &merge_verb,
                        &upcycle_verb, &explain_verb, &type_verb})
    v->add(settings::Reading{}, structure);

  const std::vector<tool::Verb*> verbs = {
      &train_verb,      &sample_verb,  &generate_verb, &chat_verb,    &serve_verb,    &logits_verb,
      &perplexity_verb, &compare_verb, &export_verb,   &convert_verb, &finetune_verb, &draft_train_verb,
      &merge_verb,      &upcycle_verb, &download_verb, &explain_verb, &type_verb};
  const auto require_known = [&verbs] {
    bool any = false;
    for (tool::Verb* v : verbs)
      if (v->chosen()) v->require_known(), any = true;
    return any;
  };
  std::vector<std::string> last_first;  // as CLI11 takes them
  for (int i = n - 1; i > 0; --i) {
    std::string word = words[i];
    const bool empty = word.starts_with("--") && word.find('=') == word.size() - 1;
    if (empty) {  // --flag= is a flag with an empty text, for which CLI11 would take the next word
      word.pop_back();
      last_first.emplace_back();
    }
    last_first.push_back(word);
  }
  try {
    app.parse(last_first);
  } catch (CLI::ParseError const& e) {
    if (e.get_exit_code() == 0) {
      std::ostringstream help;
      app.exit(e, help);
      fauna::print(stdout, help.str());
      return 0;
    }
    if (!require_known()) refuse_verb(verbs, n > 1 ? words[1] : "");
    fauna::fail("fauna", e.what(), {}, "tools/fauna --help lists verbs and flags");
  }
  require_known();
  for (tool::Verb* v : verbs)
    if (v->chosen()) v->read_config();

  if (train_verb.chosen()) train(train_verb);
  if (sample_verb.chosen()) sample(sample_verb, checkpoint);
  if (generate_verb.chosen()) generate(generate_verb, directory);
  if (chat_verb.chosen()) chat(chat_verb, directory);
  if (serve_verb.chosen()) serve(serve_verb, directory);
  if (logits_verb.chosen()) logits(logits_verb, directory);
  if (compare_verb.chosen()) compare(compare_verb, directory, file);
  if (perplexity_verb.chosen()) perplexity(perplexity_verb, directory, file);
  if (export_verb.chosen()) {
    tool::export_model(model_of(directory), to, use_of(export_verb));
    return 0;
  }
  if (convert_verb.chosen()) {
    settings::Convert s;
    convert_verb.apply(s);
    tool::convert(directory, to, s.type, use_of(convert_verb));
    return 0;
  }
  if (finetune_verb.chosen()) finetune(finetune_verb, directory);
  if (draft_train_verb.chosen()) draft_train(draft_train_verb, directory);
  if (merge_verb.chosen()) {
    tool::export_model(directory, to, use_of(merge_verb), file);
    return 0;
  }
  if (upcycle_verb.chosen()) {
    settings::Upcycle s;
    upcycle_verb.apply(s);
    tool::upcycle(directory, to, whole("experts", s.experts, 2), whole("top-k", s.top_k, 2), use_of(upcycle_verb));
    return 0;
  }
  if (download_verb.chosen()) {
    settings::Download s;
    download_verb.apply(s);
    tool::download(name, s);
    return 0;
  }
  if (type_verb.chosen()) {
    fauna::print(stdout, described_model(type_verb, name).type + '\n');
    return 0;
  }
  settings::Explain s;
  explain_verb.apply(s);
  check_run(s.dtype, s.threads);
  whole("batch-size", s.batch_size, 1);
  whole("context", s.context, 0);
  const tool::Described d = described_model(explain_verb, name);
  check_quantize(s.quantize, d, s.dtype);
  const std::string program = tool::program_for(d, s.quantize.empty() ? s.dtype : tool::in_blocks, "explain");
  fauna::print(stdout, d.type + "\n\n");
  tool::become(program, settings::arguments(s));
}

}  // namespace

int main(int n, char** words) {
  try {
    return run(n, words);
  } catch (std::exception const& e) {
    // What all ranks have to say, rank 0 says at once, and its end is theirs.
    const int rank = tool::started_rank();
    if (rank > 0) ::sleep(3);
    std::fprintf(stderr, "%s%s\n", rank > 0 ? ("[rank " + std::to_string(rank) + "] ").c_str() : "", e.what());
    return 1;
  }
}
