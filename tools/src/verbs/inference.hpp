// The verbs that have a model read and write: generate, sample, chat, serve, logits, perplexity, eval, compare. Each
// becomes a program.
#pragma once
#include <tools/src/acceptance.hpp>
#include <tools/src/chat.hpp>
#include <tools/src/checks.hpp>
#include <tools/src/compile.hpp>
#include <tools/src/directory.hpp>
#include <tools/src/draft_names.hpp>
#include <tools/src/eagle_fields.hpp>
#include <tools/src/flags.hpp>
#include <tools/src/held.hpp>
#include <tools/src/named.hpp>
#include <tools/src/started.hpp>
#include <tools/src/tasks.hpp>
#include <tools/src/vocabulary.hpp>

#include <algorithm>
#include <optional>

#include <fauna/decode/adapter_parts.hpp>
#include <fauna/decode/exits.hpp>
#include <fauna/decode/speculate/pool.hpp>
#include <fauna/decode/speculate/rewind.hpp>
#include <fauna/decode/speculate/tree.hpp>
#include <tools/src/verbs/models.hpp>

namespace tool::verbs {

/// Says what is wrong with an adapter before anything is compiled.
inline void check_adapter(std::string const& adapter, std::string const& directory) {
  if (adapter.empty()) return;
  fauna::TensorFile base = fauna::open_tensors(directory);
  if (fauna::adapter_kind_of(adapter).name == "lora") (void)fauna::Adapter(adapter).weights_of(base);
  else if (tool::is_gguf(directory))
    fauna::fail("fauna", "the adapter " + adapter + " of LLaMA-Adapter's kinds for a GGUF file",
                "LoRA, or a model directory");
  else fauna::put_adapter(adapter, base);
}

inline void check_quantize(std::string const& type, std::string const& dtype) {
  if (type.empty()) return;
  std::string known;
  bool found = false;
  for (fauna::BlockFormat const& f : fauna::block_formats)
    if (f.write != nullptr) {
      known += (known.empty() ? "" : ", ") + std::string(f.name);
      found = found || f.name == type;
    }
  if (!found) fauna::fail("fauna", "--quantize " + type, "one of " + known);
  if (dtype != "f32")
    fauna::fail("fauna", "--quantize beside --dtype " + dtype, "one of them",
                "what is multiplied by blocks is rounded to 8 bits");
}
/// The precision of the program for a model's weights: in blocks where these are, or are to be.
inline std::string storage_of(std::string const& from, std::string const& dtype, std::string const& quantize) {
  check_quantize(quantize, dtype);
  if (!quantize.empty()) return tool::in_blocks;
  if (dtype != "f32") return dtype;
  const auto has_blocks = [](fauna::TensorFile const& file) {
    for (fauna::SafeTensor const& t : file.tensors())
      if (t.dtype == fauna::scaled_mxfp4 || fauna::block_format(t.dtype) != nullptr) return true;
    return false;
  };
  if (tool::is_gguf(from)) return has_blocks(fauna::Gguf(from)) ? tool::in_blocks : dtype;
  const bool directory = tool::fs::is_directory(from) && fauna::has_weights(from, "model.safetensors");
  return directory && has_blocks(fauna::SafeTensors(from)) ? tool::in_blocks : dtype;
}

/// The model that a program is compiled for: c without dropout, which is for training, and with what an adapter's
/// folder has beside weights. LoRA changes no type where it is added to weights: all but the blocks of a GGUF file.
inline tool::Described in_use(tool::ModelConfig& c, std::string const& adapter, std::string const& from,
                              std::string const& dtype) {
  c.without_dropout();
  tool::Described model = c.described();
  if (adapter.empty()) return model;
  if (const fauna::AdapterKind kind = fauna::adapter_kind_of(adapter); kind.name != "lora")
    return with_parts(std::move(model), kind);
  if (dtype != tool::in_blocks || !tool::is_gguf(from)) return model;
  model.type = "fauna::adaptable<" + model.type + '>';
  model.includes.emplace_back("fauna/models/adaptable.hpp");
  return model;
}

inline void check_texts(settings::Generate const& s) {
  check_run(s.dtype, s.threads);
  whole("num-samples", s.num_samples, 1);
  whole("max-new-tokens", s.max_new_tokens, 0, 1000000000);
  whole("top-k", s.top_k, 0, 1000000000);
  whole("chunk", s.chunk, 1);
  whole("context", s.context, 0, 1000000000);
  whole("draft-max", s.draft_max, 1, 1000000000);
  whole("draft-nodes", s.draft_nodes, 1, fauna::DraftTree::most_nodes);
  (void)fauna::rewinds_of(s.rewind);
  one_of("at-context-end", s.at_context_end, {"stop", "slide", "refuse"});
  for (std::string const& stop : s.stop)
    if (stop.empty()) fauna::fail("fauna", "--stop with an empty stop text", "at least a character");
  // Of one token; the constructor says what is wrong with the rest.
  (void)fauna::Sampler(1, {.temperature = static_cast<float>(s.temperature),
                           .top_p = static_cast<float>(s.top_p),
                           .min_p = static_cast<float>(s.min_p),
                           .repetition_penalty = static_cast<float>(s.repetition_penalty)});
}

/// The parts that --tp and --pp ask for. Throws unless there is a rank for each.
inline tool::ModelParts parts_of(settings::Generate const& s) {
  whole("tp", s.tp, 1, 1024);
  whole("pp", s.pp, 1, 1024);
  const long parts = s.tp * s.pp;
  const int ranks = tool::started_ranks();
  if (parts == 1) {
    if (ranks > 1)
      fauna::fail("fauna generate", std::to_string(ranks) + " ranks without --tp or --pp",
                  "--tp " + std::to_string(ranks), "each would write the same text");
    return {};
  }
  const std::string flags = (s.tp > 1 ? "--tp " + std::to_string(s.tp) : "") + (s.tp > 1 && s.pp > 1 ? " " : "") +
                            (s.pp > 1 ? "--pp " + std::to_string(s.pp) : ""),
                    start = "mpirun -n " + std::to_string(parts);
  for (auto const& [name, value] : {std::pair{"--draft", s.draft}, std::pair{"--quantize", s.quantize}})
    if (!value.empty()) fauna::fail("fauna generate", flags + " with " + name + ' ' + value, "one of the two");
  if (tool::started_rank() < 0) fauna::fail("fauna generate", flags + " in one process", start);
  if (ranks > 0 && ranks != parts)
    fauna::fail("fauna generate", flags + " on " + std::to_string(ranks) + " ranks", start);
  return {.ranks = s.pp, .tensor = s.tp};
}

/// Becomes the inference program, or the server, for a model directory, or for a checkpoint's file, of one model, in
/// parts perhaps, or of two. Without dropout, which is for training.
[[noreturn]] inline void infer(std::string const& verb, std::string const& from, tool::Described const& model,
                               std::string const& dtype, std::vector<std::string> const& words,
                               std::vector<std::string> flags, std::optional<tool::Described> const& draft = {},
                               std::string const& draft_source = {}, tool::ModelParts const& parts = {}) {
  fauna::check_tensors(from);  // says what is wrong with the weights before anything is compiled
  const std::string program = tool::program_for(model, dtype,
                                                verb == "serve"   ? "serve"
                                                : parts.ranks > 0 ? "inference_parts"
                                                                  : "inference",
                                                draft, draft_source, parts);
  flags.insert(flags.begin(), words.begin(), words.end());
  flags.insert(flags.begin(), {verb, from});
  tool::become(program, flags);
}

/// The same with an adapter and in blocks, as a verb's flags say.
template <class S>
[[noreturn]] inline void infer(std::string const& verb, std::string const& from, tool::ModelConfig& c, S const& s,
                               std::vector<std::string> const& words) {
  const std::string dtype = storage_of(from, s.dtype, s.quantize);
  infer(verb, from, in_use(c, s.adapter, from, dtype), dtype, words, settings::arguments(s));
}

/// The model of a model directory, or of a checkpoint's file.
inline AnyModel model_in(std::string const& from, tool::Use use) {
  return tool::fs::is_regular_file(from) ? model_of_file(from) : tool::read_config(from, use).model;
}

/// The model that drafts, where --draft names one; the program is told which engine is whose.
template <class S>
std::optional<tool::Described> drafting(tool::Verb const& verb, std::string const& from, tool::ModelConfig& c,
                                        std::string const& dtype, settings::Told<S>& told) {
  const std::string small_model = tool::draft_model_of(told.draft);
  if (small_model.empty()) return std::nullopt;
  if (!tool::fs::exists(small_model))
    fauna::fail("fauna", "there is no " + small_model,
                "--draft ngram, auto, ngram-tree, pool:FILE, medusa:FILE, eagle:FILE, mtp, exit:LAYERS, "
                "lookahead:N,W,G, a model "
                "directory, or a checkpoint");
  told.draft_weights = model_of(small_model);
  const AnyModel small = model_in(told.draft_weights, use_of(verb));
  tool::require_same_vocabulary(from, told.draft_weights);
  if (small->vocab() != c.vocab())
    fauna::fail("fauna",
                "the draft " + small_model + " has a token table of " + std::to_string(small->vocab()) + " rows",
                std::to_string(c.vocab()) + ", as many as " + from);
  fauna::check_tensors(told.draft_weights);
  small->without_dropout();
  c.without_dropout();
  const tool::Described draft = small->described();
  told.engine = tool::engine_name(c.described(), dtype);
  told.draft_engine = tool::engine_name(draft, dtype);
  return draft;
}

/// What drafts with a model's own layers or rows, or with other texts: it has to be there. Of a model from `from`.
template <class S> void check_drafter(std::string const& from, tool::ModelConfig& c, settings::Told<S>& told) {
  std::string const& draft = told.draft;
  if (tool::is_exit(draft)) {
    const int after = tool::exit_of(draft);
    fauna::Exits{.layers = c.layers() > 0 ? c.layers() : after + 1}.check(after);  // the program knows the rest
  }
  if (draft == "mtp" && c.further() == 0)
    fauna::fail("fauna", "--draft mtp for " + from + ", which has no layers that predict further tokens",
                "a model with some, such as DeepSeek-V3's",
                "num_nextn_predict_layers in its config.json says how many");
  if (const std::string pool = tool::pool_of(draft); !pool.empty()) {
    told.vocabulary = tool::vocabulary_hash(from);
    if (tool::fs::exists(pool)) (void)fauna::PoolDrafter::from_file(pool, told.vocabulary);
  }
  if (const std::string heads = tool::behind("medusa:", draft); !heads.empty()) fauna::check_tensors(heads);
}
/// The EAGLE layer that drafts, where --draft names one: the other part of a program, made from this source.
inline constexpr const char* eagle_source = "eagle_layer";
inline std::optional<tool::Described> eagle_drafting(tool::Verb const& verb, std::string const& from,
                                                     tool::ModelConfig& c, std::string const& draft) {
  const std::string eagle = tool::behind("eagle:", draft);
  if (eagle.empty()) return std::nullopt;
  return tool::eagle_described(eagle, tool::table_width(from, c), c.vocab(), use_of(verb));
}

/// Becomes the program that writes with a model, and with one that drafts for it, where --draft names one.
template <class S>
[[noreturn]] inline void write(std::string const& name, tool::Verb const& verb, std::string const& from,
                               tool::ModelConfig& c, std::vector<std::string> const& words, S const& s) {
  settings::Told<S> told;
  static_cast<S&>(told) = s;
  const std::string dtype = storage_of(from, s.dtype, s.quantize);
  const tool::Described model = in_use(c, s.adapter, from, dtype);
  if (s.draft.empty())
    for (const char* flag :
         {"draft-max", "draft-stats", "draft-nodes", "draft-tree", "acceptance", "adaptive", "rewind"})
      if (verb.has(flag)) fauna::fail("fauna", std::string("--") + flag + " without --draft", "ngram, or a model");
  const long context = s.context > 0 ? std::min<long>(s.context, c.context()) : c.context();
  if (tool::is_lookahead(s.draft)) {
    const fauna::LookaheadShape shape = tool::lookahead_of(s.draft);
    if (!verb.has("draft-max")) told.draft_max = std::clamp<long>(shape.depth(), 1, std::max(1L, context - 1));
    if (!verb.has("draft-nodes")) told.draft_nodes = shape.nodes();
  }
  if (!s.draft_tree.empty()) {
    (void)tool::ranks_of(s.draft_tree);
    if (!tool::takes_shape(s.draft))
      fauna::fail("fauna", "--draft-tree for --draft " + s.draft, "medusa:FILE, or a smaller model");
  }
  check_drafter(from, c, told);
  if (!s.draft.empty() && told.draft_max >= context)
    fauna::fail("fauna", "--draft-max " + std::to_string(told.draft_max), "at most " + std::to_string(context - 1),
                "a draft and the token before it are read in a context of " + std::to_string(context));
  const tool::AnyAcceptance acceptance(s.acceptance);
  acceptance.check({.temperature = static_cast<float>(s.temperature)});
  if (acceptance.kept != fauna::keeps::ids && !verb.has("adaptive")) told.adaptive = false;
  if (s.draft == "auto" && !told.adaptive)
    fauna::fail(
        "fauna", "--draft auto with drafts of a fixed length", "--adaptive",
        "with --acceptance " + s.acceptance + " the text then follows from what is measured, not from the seed");
  const auto draft = drafting(verb, from, c, dtype, told), layer = eagle_drafting(verb, from, c, s.draft);
  if (!told.engine.empty()) told.engine = tool::engine_name(model, dtype);
  infer(name, from, model, dtype, words, settings::arguments(told), layer ? layer : draft, layer ? eagle_source : "",
        parts_of(s));
}

[[noreturn]] inline void sample(tool::Verb const& verb, std::string const& from, settings::Sample const& s) {
  check_texts(s);
  const std::string checkpoint = checkpoint_of(from);
  if (tool::fs::is_directory(checkpoint))
    fauna::fail("fauna sample", from + " has no best.safetensors and no last.safetensors", "the folder of a run");
  const auto head = fauna::read_checkpoint_head(checkpoint);
  const AnyModel c = from_checkpoint(verb, checkpoint, head.config);
  if (!head.tokenizer.empty()) (void)tool::tokenizer_beside(checkpoint, head);
  write("sample", verb, checkpoint, *c, {}, s);
}
[[noreturn]] inline void sample(tool::Verb const& verb, std::string const& checkpoint) {
  settings::Sample s;
  verb.apply(s);
  sample(verb, checkpoint, s);
}

[[noreturn]] inline void logits(tool::Verb const& verb, std::string const& from) {
  settings::Logits s;
  verb.apply(s);
  check_run(s.dtype, s.threads);
  whole("chunk", s.chunk, 1);
  if (s.tokens.empty()) fauna::fail("fauna logits", "no --tokens", "ids with commas between them, such as 1,2,3");
  if (s.out.empty()) fauna::fail("fauna logits", "no --out", "a FILE.npy to write");
  const std::string model = model_of(from);
  check_adapter(s.adapter, model);
  const AnyModel c = model_in(model, use_of(verb));
  infer("logits", model, *c, s, {});
}

/// With a file of weights: texts are in the pieces of --tokenizer, of a GGUF file's own, or bytes where these are all
/// that the model knows.
[[noreturn]] inline void generate_from_weights(tool::Verb const& verb, std::string const& from,
                                               settings::Generate const& s) {
  const AnyModel c = tool::model_of_weights(from);
  const bool gguf = tool::is_gguf(from);
  if (s.tp * s.pp > 1) fauna::fail("fauna generate", "--tp or --pp for a file of weights", "a model directory");
  for (const char* flag : {"chat", "values", "special", "adapter", "regex", "json-schema"})
    if (verb.has(flag) && !gguf)
      fauna::fail("fauna generate", std::string("--") + flag + " for a file of weights", "a model directory");
  if (!tool::draft_model_of(s.draft).empty() || !tool::pool_of(s.draft).empty())
    fauna::fail(
        "fauna generate", "--draft " + s.draft + " for a file of weights",
        "--draft ngram, auto, ngram-tree, medusa:FILE, eagle:FILE, mtp, exit:LAYERS or lookahead:N,W,G; or a model "
        "directory in place of the file, whose vocabulary can be compared");
  if (s.prompt.empty()) fauna::fail("fauna generate", "no --prompt", "a text to continue");
  int vocab = fauna::ByteTokenizer::vocab();
  std::string stops;
  if (gguf) stops = id_list(fauna::gguf_stop_ids(fauna::Gguf(from)));
  if (s.chat) (void)tool::in_template(from, s.prompt, tool::values_of(s.values));
  check_adapter(s.adapter, from);
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

[[noreturn]] inline void generate(tool::Verb const& verb, std::string const& from) {
  settings::Generate s;
  verb.apply(s);
  check_texts(s);
  (void)parts_of(s);
  tool::check_form(s);
  if (!(s.regex + s.json_schema).empty() && !tool::behind("medusa:", s.draft).empty())
    fauna::fail("fauna generate", "--draft " + s.draft + " for a text that is held to a form", "another drafter");
  if (!(s.regex + s.json_schema).empty() && !s.draft_tree.empty())
    fauna::fail("fauna generate", "--draft-tree for a text that is held to a form", "no tree",
                "where the form leaves one token there is no second candidate");
  if (tool::fs::is_regular_file(from) && tool::weights_alone(from)) generate_from_weights(verb, from, s);
  if (tool::fs::is_regular_file(model_of(from))) {
    if (verb.has("tokenizer"))
      fauna::fail("fauna generate", "--tokenizer for a checkpoint", "none: a checkpoint has its own");
    for (const char* flag : {"chat", "values", "special", "adapter", "quantize", "regex", "json-schema"})
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
  const bool world = !s.tokenizer.empty() && tool::is_world(tool::tokenizer_file(s.tokenizer));
  if (world && !(s.regex + s.json_schema).empty())
    fauna::fail("fauna generate", "--regex or --json-schema with the vocabulary of RWKV World", "a tokenizer.json");
  if (world) (void)fauna::RwkvWorld::from_file(s.tokenizer);
  else begins = !tokenizer_of(from, s.tokenizer).encode("").empty();
  if (s.chat) (void)tool::in_template(from, s.prompt, tool::values_of(s.values));
  else if (s.prompt.empty() && !begins)
    fauna::fail("fauna generate", verb.has("prompt") ? "an empty --prompt" : "no --prompt", "a text to continue",
                "its tokenizer puts no token before a text, from which an empty one could go on");
  check_adapter(s.adapter, from);
  write("generate", verb, from, *d.model, {id_list(d.stop_ids)}, s);
}

[[noreturn]] inline void chat(tool::Verb const& verb, std::string const& from) {
  settings::Chat s;
  verb.apply(s);
  check_texts(s);
  if (!tool::fs::exists(from)) fauna::fail("fauna chat", "there is no " + from, "a model directory, or a GGUF file");
  fauna::jinja::Heap heap;  // says what is wrong with either
  (void)tool::Chat::read_values(heap, tool::values_of(s.values));
  (void)tool::Chat(from);
  const tool::Directory of = tool::read_model(from, use_of(verb));
  (void)tokenizer_of(from);
  check_adapter(s.adapter, from);
  infer("chat", from, *of.model, s, {id_list(of.stop_ids)});
}

[[noreturn]] inline void serve(tool::Verb const& verb, std::string const& from) {
  settings::Told<settings::Serve> s;
  verb.apply(s);
  check_run(s.dtype, s.threads);
  whole("draft-max", s.draft_max, 1, 15);
  whole("draft-nodes", s.draft_nodes, 1, 15);
  for (const char* flag : {"draft-max", "draft-nodes"})
    if (s.draft.empty() && verb.has(flag))
      fauna::fail("fauna serve", std::string("--") + flag + " without --draft", "both");
  if (s.draft == "auto") fauna::fail("fauna serve", "--draft auto", "ngram", "drafts have one length here");
  if (tool::is_lookahead(s.draft)) {
    const fauna::LookaheadShape shape = tool::lookahead_of(s.draft);
    if (!verb.has("draft-max")) s.draft_max = std::min(shape.depth(), 15);
    if (!verb.has("draft-nodes")) s.draft_nodes = std::min(shape.nodes(), 15);
  }
  whole("port", s.port, 0, 65535);
  whole("context", s.context, 0, 1000000000);
  whole("parallel", s.parallel, 0, 256);
  whole("queue", s.queue, 0, 1000);
  whole("time-out", s.time_out, 0);
  whole("chunk", s.chunk, 1);
  whole("profile", s.profile, 0, 100000);
  if (verb.has("trace") && s.profile == 0) fauna::fail("fauna serve", "--trace without --profile", "both");
  if (!s.api_key_file.empty() && !tool::fs::exists(s.api_key_file))
    fauna::fail("fauna serve", "there is no file " + s.api_key_file, "keys, one a line");
  const tool::Directory of = tool::read_model(from, use_of(verb));
  (void)tokenizer_of(from, s.tokenizer);
  if (s.name.empty()) {
    const tool::fs::path path = tool::fs::canonical(from);
    s.name = (tool::is_gguf(from) ? path.stem() : path.filename()).string();
  }
  std::vector<std::string> names{s.name};
  for (std::string const& lora : s.lora) {
    const auto [name, folder] = tool::named("--lora", lora);
    if (std::find(names.begin(), names.end(), name) != names.end())
      fauna::fail("fauna serve", "two models '" + name + '\'', "a name for each");
    (void)fauna::Adapter(folder);  // other kinds do not stand beside weights
    check_adapter(folder, from);
    names.push_back(name);
  }
  if (tool::is_gguf(from) && !(tool::draft_model_of(s.draft) + tool::pool_of(s.draft)).empty())
    fauna::fail("fauna serve", "--draft " + s.draft + " for a GGUF file", "--draft ngram",
                "or a model directory in place of the file, whose vocabulary can be compared");
  check_drafter(from, *of.model, s);
  of.model->without_dropout();
  tool::Described model = of.model->described();
  const std::string dtype = storage_of(from, s.dtype, s.quantize);
  const auto draft = drafting(verb, from, *of.model, dtype, s), layer = eagle_drafting(verb, from, *of.model, s.draft);
  if (!s.lora.empty()) {
    model.type = "fauna::adaptable<" + model.type + '>';
    model.includes.emplace_back("fauna/models/adaptable.hpp");
    if (draft) s.engine = tool::engine_name(model, dtype);
  }
  infer("serve", from, model, dtype, {id_list(of.stop_ids)}, settings::arguments(s), layer ? layer : draft,
        layer ? eagle_source : "");
}

[[noreturn]] inline void compare(tool::Verb const& verb, std::string const& directory, std::string const& file) {
  settings::Compare s;
  verb.apply(s);
  check_run(s.dtype, s.threads);
  if (!tool::fs::exists(file)) fauna::fail("fauna compare", "there is no file " + file, "a reference's tokens");
  const AnyModel c = tool::read_config(directory, use_of(verb)).model;
  (void)tokenizer_of(directory, s.tokenizer);
  (void)tool::in_template(directory, "");
  c->without_dropout();
  infer("compare", directory, c->described(), s.dtype, {file}, settings::arguments(s));
}

[[noreturn]] inline void perplexity(tool::Verb const& verb, std::string const& from, std::string const& file) {
  settings::Perplexity s;
  verb.apply(s);
  check_run(s.dtype, s.threads);
  whole("context", s.context, 0, 1000000000);
  if (!tool::fs::exists(file)) fauna::fail("fauna perplexity", "there is no file " + file, "a text");
  const AnyModel c = tool::read_model(from, use_of(verb)).model;
  (void)tokenizer_of(from, s.tokenizer);
  check_adapter(s.adapter, from);
  infer("perplexity", from, *c, s, {file});
}

/// The file of a task: one of that name, or NAME.jsonl among the examples.
inline std::string task_file(std::string const& task) {
  if (task.empty()) fauna::fail("fauna eval", "no --task", "a file of items, or the name of one in examples/tasks");
  if (tool::fs::is_regular_file(task)) return task;
  const tool::fs::path folder = tool::root / "examples/tasks", named = folder / (task + ".jsonl");
  if (task.find('/') == task.npos && tool::fs::is_regular_file(named)) return named.string();
  std::vector<std::string> known;
  for (auto const& e : tool::fs::directory_iterator(folder)) known.push_back(e.path().stem().string());
  std::sort(known.begin(), known.end());
  std::string all;
  for (std::string const& k : known) all += (all.empty() ? "" : ", ") + k;
  fauna::fail("fauna eval", "there is no task " + task, "a file of items, or one of " + all);
}

[[noreturn]] inline void eval(tool::Verb const& verb, std::string const& from) {
  settings::Eval s;
  verb.apply(s);
  check_run(s.dtype, s.threads);
  whole("limit", s.limit, 0, 1000000000);
  whole("context", s.context, 0, 1000000000);
  s.task = task_file(s.task);
  (void)tool::Task::read(s.task);
  const tool::Directory of = tool::read_model(from, use_of(verb));
  whole("prefix", s.prefix, -1, of.model->vocab() - 1);
  whole("context", s.context, 0, of.model->context());
  (void)tokenizer_of(from, s.tokenizer);
  check_adapter(s.adapter, from);
  infer("eval", from, *of.model, s, {id_list(of.stop_ids)});
}

}  // namespace tool::verbs
