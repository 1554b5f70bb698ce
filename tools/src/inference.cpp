// The verbs that read a model directory or a checkpoint, before the engine of whichever model (engine.hpp) the program
// is linked with. It is started as  inference VERB FROM NAME=VALUE...
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <numeric>
#include <optional>

#include <fauna/backend/cpu.hpp>
#include <fauna/decode/adapter_parts.hpp>
#include <fauna/io/clock.hpp>
#include <fauna/io/json.hpp>
#include <fauna/io/open_tensors.hpp>
#include <fauna/io/process.hpp>
#include <fauna/text/bpe.hpp>
#include <fauna/text/chars.hpp>
#include <fauna/train/checkpoint.hpp>
#include <tools/src/chat.hpp>
#include <tools/src/engine.hpp>
#include <tools/src/evaluation.hpp>
#include <tools/src/held.hpp>
#include <tools/src/main.hpp>
#include <tools/src/say.hpp>
#include <tools/src/terminal.hpp>
#include <tools/src/texts.hpp>
#include <tools/src/token_list.hpp>
#include <tools/src/tokenizers.hpp>

namespace {

using tool::Engine;

/// The engine with the weights of a model directory, or of a file, and an adapter, if there is one: beside them in a
/// program whose model takes it there, else put to them.
Engine& loaded(std::string const& directory, long threads, std::string const& adapter = {},
               std::string const& quantize = {}) {
  fauna::TensorFile file = fauna::open_tensors(directory);
  std::optional<fauna::Adapter> beside;
  if (!adapter.empty()) {
    if (fauna::adapter_kind_of(adapter).name == "lora") beside.emplace(adapter);
    if (!beside || !tool::engine().takes(*beside, file)) {
      beside.reset();
      fauna::put_adapter(adapter, file);
    }
  }
  tool::engine().load(file, static_cast<int>(threads), quantize);
  if (beside) tool::engine().adapter = tool::engine().add(*beside, file);
  if (!quantize.empty())
    tool::say(std::to_string(tool::engine().weight_bytes()) + " bytes of weights, matrices in " + quantize);
  return tool::engine();
}

/// The engine that drafts, with its weights, if one does.
template <class S> std::unique_ptr<Engine> draft_of(settings::Told<S> const& s) {
  if (s.draft_engine.empty()) return {};
  auto e = tool::make_engine(s.draft_engine);
  e->load(fauna::open_tensors(s.draft_weights), static_cast<int>(s.threads));
  return e;
}

std::vector<int> token_list(std::string const& flag, std::string const& text) {
  return tool::token_list(flag, text, tool::engine().vocab());
}

/// NumPy's format 1.0: f32, C order.
void write_npy(std::string const& path, std::vector<float> const& values, std::size_t rows, std::size_t cols) {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(rows) + ", " +
                       std::to_string(cols) + "), }";
  while ((10 + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  std::string start = "\x93NUMPY";
  start += '\x01';
  start += '\0';
  start += static_cast<char>(header.size() & 0xff);
  start += static_cast<char>(header.size() >> 8);
  fauna::NewFile file(path);
  file.write(start.data(), start.size());
  file.write(header.data(), header.size());
  file.write(values.data(), values.size() * sizeof(float));
  file.commit();
}

/// The logits of some tokens, [tokens, vocab], read so many at once.
std::vector<float> logits_of(Engine& model, std::vector<int> const& ids, int chunk) {
  std::vector<float> y(ids.size() * static_cast<std::size_t>(model.vocab()));
  model.logits(ids, chunk, y.data());
  return y;
}

int logits(settings::Logits const& s, std::string const& directory) {
  const std::vector<int> ids = token_list("--tokens", s.tokens);
  const int n = static_cast<int>(ids.size()), context = tool::engine().context(), vocab = tool::engine().vocab();
  if (n > context)
    fauna::fail("logits", std::to_string(n) + " tokens", "at most the context of " + std::to_string(context));
  Engine& model = loaded(directory, s.threads, s.adapter, s.quantize);
  write_npy(s.out, logits_of(model, ids, s.decode ? 1 : static_cast<int>(s.chunk)), ids.size(),
            static_cast<std::size_t>(vocab));
  fauna::print(stdout, "wrote " + s.out + tool::sentence(": [%d, %d]\n", n, vocab));
  return 0;
}

int generate(settings::Told<settings::Generate> const& s, std::string const& directory,
             std::vector<int> const& stop_ids) {
  std::string prompt = tool::prompt_of(s);
  const auto write = [&](auto const& tokenizer) {
    const std::vector<int> ids = tokenizer.encode(prompt);
    tool::write_texts(loaded(directory, s.threads, {}, s.quantize), draft_of(s).get(), tokenizer, ids, stop_ids, s,
                      s.vocabulary, prompt);
    return 0;
  };
  if (s.tokenizer.empty() && !fauna::is_directory(directory) && !tool::is_gguf(directory))
    return write(fauna::ByteTokenizer());
  if (!s.tokenizer.empty() && tool::is_world(s.tokenizer)) return write(fauna::RwkvWorld::from_file(s.tokenizer));
  const auto tokenizer = tool::bpe_of(s.tokenizer.empty() ? directory : s.tokenizer);
  const auto ids = s.chat ? tool::Chat::ids(tokenizer, tool::in_template(directory, prompt, tool::values_of(s.values)))
                          : tokenizer.encode(prompt, {.match_special = s.special});
  std::optional<tool::Held> held;
  if (const auto form = tool::form_of(s))
    held.emplace(*form, tokenizer, std::min(tool::engine().vocab(), tokenizer.vocab()), stop_ids, ids.size());
  tool::write_texts(loaded(directory, s.threads, s.adapter, s.quantize), draft_of(s).get(), tokenizer, ids, stop_ids, s,
                    s.vocabulary, s.chat ? "" : prompt, held ? held->rule() : nullptr);
  return 0;
}

/// A conversation on stdin and stdout.
int chat(settings::Chat const& s, std::string const& directory, std::vector<int> const& stop_ids) {
  constexpr int usual = 8192;  // the memory for a context is taken at the start
  const auto tokenizer = tool::bpe_of(directory);
  const std::string values = tool::values_of(s.values);
  const tool::Chat in_template(directory, values.find("\"tools\"") != std::string::npos);
  Engine& model = loaded(directory, s.threads, s.adapter);
  if (s.context > model.context())
    fauna::fail("chat", "--context " + std::to_string(s.context),
                "at most the model's " + std::to_string(model.context()));
  const fauna::GenerateOptions o{
      .tokens = static_cast<int>(s.max_new_tokens),
      .temperature = static_cast<float>(s.temperature),
      .top_k = static_cast<int>(s.top_k),
      .top_p = static_cast<float>(s.top_p),
      .min_p = static_cast<float>(s.min_p),
      .repetition_penalty = static_cast<float>(s.repetition_penalty),
      .seed = s.seed,
      .vocab = tokenizer.vocab(),
      .stop_ids = stop_ids,
      .stop = s.stop,
      .chunk = static_cast<int>(s.chunk),
      .context = s.context > 0 ? static_cast<int>(s.context) : std::min(usual, model.context()),
      .at_end = fauna::context_end::stop};
  tool::Terminal(model, tokenizer, in_template, o, values, s.system, stdout).run(0);
  return 0;
}

int sample(settings::Told<settings::Sample> const& s, std::string const& checkpoint) {
  const fauna::SafeTensors file = fauna::checkpoint::open(checkpoint);
  fauna::checkpoint::require_tensors(file);
  const fauna::CheckpointHead head = fauna::checkpoint::read_head(file);
  tool::engine().load(file, static_cast<int>(s.threads));
  const auto draft = draft_of(s);
  if (!head.tokenizer.empty()) {
    const auto pieces = fauna::Bpe::from_file(tool::tokenizer_beside(checkpoint, head));
    const std::string start = tool::prompt_of(s);
    const auto ids = pieces.encode(start, {.add_special = false});
    if (ids.empty()) fauna::fail("sample", "a start without a token", "a text that the tokenizer has tokens for");
    tool::write_texts(tool::engine(), draft.get(), pieces, ids, {}, s, s.vocabulary, start);
    return 0;
  }
  if (head.alphabet.empty()) fauna::fail("sample", checkpoint + " has no vocabulary", "one trained on characters");
  const fauna::CharTokenizer tokenizer(head.alphabet);
  std::string start = tool::prompt_of(s);
  // The usual start is a line break; a vocabulary without it starts with its first character.
  if (start == "\n" && tokenizer.id(U'\n') < 0) {
    const int first = 0;
    start = tokenizer.decode(&first, 1);
  }
  tool::write_texts(tool::engine(), draft.get(), tokenizer, tokenizer.encode(start), {}, s, s.vocabulary, start);
  return 0;
}

int perplexity(settings::Perplexity const& s, std::string const& directory, std::string const& file) {
  const auto tokenizer = tool::bpe_of(s.tokenizer.empty() ? directory : s.tokenizer);
  const std::vector<int> ids = tokenizer.encode(fauna::read_file(file), {.match_special = false});
  const int most = tool::engine().context();
  const int window = s.context > 0 ? static_cast<int>(s.context) : std::min(most, 1024);
  if (window > most)
    fauna::fail("perplexity", "--context " + std::to_string(window), "at most " + std::to_string(most));
  if (ids.size() < 2) fauna::fail("perplexity", file + " has " + std::to_string(ids.size()) + " tokens", "at least 2");
  Engine& model = loaded(directory, s.threads, s.adapter, s.quantize);
  // A state of one size goes on from piece to piece; keys and values would need the whole text's.
  const bool one_pass = s.context == 0 && most == fauna::unbounded;
  std::vector<float> losses(static_cast<std::size_t>(window));
  std::vector<double> seconds;
  double sum = 0;
  std::size_t counted = 0, memory = 0;
  for (std::size_t from = 0; from + 1 < ids.size(); from += static_cast<std::size_t>(window)) {
    const int n = static_cast<int>(std::min(static_cast<std::size_t>(window), ids.size() - 1 - from));
    const double before = fauna::seconds_now();
    if (one_pass) model.further_losses(ids.data() + from, ids.data() + from + 1, n, from == 0, losses.data());
    else model.losses(ids.data() + from, ids.data() + from + 1, n, losses.data());
    seconds.push_back(fauna::seconds_now() - before);
    for (int i = 0; i < n; ++i) sum += static_cast<double>(losses[static_cast<std::size_t>(i)]);
    counted += static_cast<std::size_t>(n);
    if (seconds.size() == 2) memory = fauna::resident_bytes();
  }
  const double loss = sum / static_cast<double>(counted);
  const std::string how = one_pass ? "in one pass" : "in windows of " + std::to_string(window);
  fauna::print(stdout, file + tool::sentence(": %zu tokens %s: loss %.4f, perplexity %.4f\n", counted, how.c_str(),
                                             loss, std::exp(loss)));
  // Does a text's end take longer than its beginning, or more memory?
  if (constexpr std::size_t some = 10; seconds.size() > 2 * some + 1) {
    const auto speed = [&](auto first) {
      return static_cast<double>(some) * window / std::accumulate(first, first + some, 0.0);
    };
    fauna::print(stderr, tool::sentence("%zu tokens at the beginning: %.0f tokens/s, %.1f MB resident; at the end: "
                                        "%.0f tokens/s, %.1f MB\n",
                                        some * static_cast<std::size_t>(window), speed(seconds.begin() + 1),
                                        static_cast<double>(memory) / 1e6, speed(seconds.end() - some - 1),
                                        static_cast<double>(fauna::resident_bytes()) / 1e6));
  }
  return 0;
}

/// The token that texts begin with, as the directory says it: the first there is of bos_token and eos_token in
/// tokenizer_config.json, bos_token_id and eos_token_id in config.json, or of these in a GGUF file; -1 where there is
/// none.
int first_token(std::string const& directory, fauna::Bpe const& tokenizer) {
  if (tool::is_gguf(directory)) {
    const fauna::Gguf file(directory);
    for (const char* key : {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id"})
      if (file.has(key)) return static_cast<int>(file.integer(key));
    return -1;
  }
  using Json = nlohmann::json;
  const auto read = [&](const char* file) {
    const std::string path = directory + '/' + file;
    return fauna::exists(path) ? Json::parse(fauna::read_file(path), nullptr, false) : Json::object();
  };
  const Json names = read("tokenizer_config.json"), config = read("config.json");
  for (const char* key : {"bos_token", "eos_token"}) {
    if (!names.is_object() || !names.contains(key)) continue;
    Json const& token = names[key].is_object() && names[key].contains("content") ? names[key]["content"] : names[key];
    if (token.is_string())
      if (const int id = tokenizer.id(token.get<std::string>()); id >= 0) return id;
  }
  for (const char* key : {"bos_token_id", "eos_token_id"}) {
    if (!config.is_object() || !config.contains(key)) continue;
    Json const& id = config[key].is_array() && !config[key].empty() ? config[key][0] : config[key];
    if (id.is_number_integer()) return id.get<int>();
  }
  return -1;
}

int evaluate(settings::Eval const& s, std::string const& directory, std::vector<int> const& stop_ids) {
  const tool::Task task = tool::Task::read(s.task);
  const auto tokenizer = tool::bpe_of(s.tokenizer.empty() ? directory : s.tokenizer);
  const int prefix = s.prefix >= 0 ? static_cast<int>(s.prefix) : first_token(directory, tokenizer);
  if (prefix >= tool::engine().vocab())
    fauna::fail("eval", "texts begin with the token " + std::to_string(prefix),
                "one of " + std::to_string(tool::engine().vocab()), "--prefix says which");
  tool::Evaluation e(
      tool::engine(), tokenizer,
      {.prefix = prefix, .add_special = s.add_special, .context = static_cast<int>(s.context), .stop_ids = stop_ids});
  loaded(directory, s.threads, s.adapter, s.quantize);
  const double before = fauna::seconds_now();
  e.run(task, static_cast<std::size_t>(s.limit));
  fauna::print(stdout, s.task + ": " + std::to_string(e.items()) + " of " + std::to_string(task.items.size()) +
                           " items of the kind " + tool::name_of(task.kind) +
                           (e.sizes().empty() ? "" : ", " + e.sizes()) +
                           tool::sentence("; %zu cut at a context of %d\n", e.cut(), e.context()) + e.table());
  fauna::print(stderr, tool::sentence("in %.1f s\n", fauna::seconds_now() - before));
  if (!s.json.empty()) fauna::write_file(s.json, e.json(directory, s.task, task.kind));
  return 0;
}

/// A prompt, and what a reference makes of it: the text in the chat template, its ids, the greedy tokens after them,
/// and the difference of the two best logits at each of these.
struct Case {
  std::string prompt{}, text{};
  std::vector<int> ids{}, greedy{};
  std::vector<double> gaps{};
};

/// A JSON list of {"prompt", "text", "ids", "greedy", "gaps"}.
std::vector<Case> read_cases(std::string const& file) {
  const std::string text = fauna::read_file(file);
  const int vocab = tool::engine().vocab();
  fauna::JsonReader in(text, file);
  std::vector<Case> cases;
  in.enter_array();
  while (in.next_item()) {
    Case c;
    const auto list = [&](auto& to, auto&& next) {
      in.enter_array();
      while (in.next_item()) to.push_back(next());
    };
    in.enter_object();
    for (std::string key; in.next_key(key);) {
      if (key == "ids") list(c.ids, [&] { return static_cast<int>(in.integer()); });
      else if (key == "greedy") list(c.greedy, [&] { return static_cast<int>(in.integer()); });
      else if (key == "gaps") list(c.gaps, [&] { return in.number(); });
      else if (key == "prompt") c.prompt = in.string();
      else if (key == "text") c.text = in.string();
      else in.skip();
    }
    if (c.text.empty() || c.ids.empty() || c.greedy.empty() || c.gaps.size() != c.greedy.size())
      fauna::fail("compare", file + " has a case without text, ids, greedy tokens or gaps", "all four");
    for (const int id : c.ids)
      if (id < 0 || id >= vocab)
        fauna::fail("compare", file + " has the id " + std::to_string(id), "one of " + std::to_string(vocab));
    cases.push_back(c);
  }
  in.end();
  if (cases.empty()) fauna::fail("compare", file + " has no case", "at least one");
  return cases;
}

/// Are the logits of some tokens those of a safetensors file, but for what two orders of summation can differ by?
bool same_logits(Engine& model, std::vector<int> const& ids, std::string const& file) {
  constexpr double rounding = 1e-4;  // of the largest logit
  const std::vector<float> got = logits_of(model, ids, static_cast<int>(ids.size()));
  const fauna::SafeTensors reference(file);
  const fauna::SafeTensor* t = reference.find("logits");
  const auto vocab = static_cast<std::size_t>(model.vocab());
  if (t == nullptr || t->shape != std::vector<std::size_t>{ids.size(), vocab})
    fauna::fail("compare", file + " has " + (t == nullptr ? "no tensor logits" : "logits of " + t->text()),
                "logits of [" + std::to_string(ids.size()) + ", " + std::to_string(vocab) + "]: the first case's");
  std::vector<float> want(got.size());
  fauna::read_floats(*t, 0, want.size(), want.data());
  double worst = 0, largest = 0;
  bool numbers = true;  // a NaN is no difference to std::max
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double difference = std::abs(static_cast<double>(got[i]) - static_cast<double>(want[i]));
    numbers = numbers && std::isfinite(difference);
    worst = std::max(worst, difference);
    largest = std::max(largest, std::abs(static_cast<double>(want[i])));
  }
  const bool same = numbers && worst <= rounding * largest;
  fauna::print(stdout, tool::sentence("logits of the first prompt's %zu tokens: largest difference %.2g of %.3g, %s\n",
                                      ids.size(), worst, largest, same ? "rounding" : "NOT rounding"));
  return same;
}

/// A reference's cases: the chat template's text, its ids, the first case's logits (in the file of the same name that
/// ends in .safetensors) and the greedy texts. Where these part, the reference's two best logits must have been closer
/// than what two orders of summation can differ by.
int compare(settings::Compare const& s, std::string const& directory, std::string const& file) {
  constexpr double tie = 1e-4;
  const std::vector<Case> cases = read_cases(file);
  const auto tokenizer = tool::bpe_of(s.tokenizer.empty() ? directory : s.tokenizer);
  std::size_t texts = 0, tokenized = 0;
  for (Case const& c : cases) {
    texts += tool::in_template(directory, c.prompt).bytes == c.text;
    tokenized += tokenizer.encode(c.text, {.add_special = false}) == c.ids;
  }
  fauna::print(stdout, tool::sentence("%zu of %zu prompts equal the reference's in the chat template, %zu in its ids\n",
                                      texts, cases.size(), tokenized));
  Engine& model = loaded(directory, s.threads);
  const bool logits = same_logits(model, cases[0].ids, file.substr(0, file.rfind('.')) + ".safetensors");
  std::size_t equal = 0, wrong = 0;
  for (Case const& c : cases) {
    const int all = static_cast<int>(c.ids.size() + c.greedy.size());
    const auto got = model.generate(
        c.ids, {.tokens = static_cast<int>(c.greedy.size()), .temperature = 0, .top_k = 0, .context = all},
        [](int) { return true; });
    std::size_t n = 0;
    while (n < c.greedy.size() && got[c.ids.size() + n] == c.greedy[n]) ++n;
    equal += n == c.greedy.size();
    if (n == c.greedy.size()) {
      fauna::print(stdout, tool::sentence("%zu of %zu tokens equal: ", n, n) + c.prompt + '\n');
      continue;
    }
    const bool allowed = c.gaps[n] < tie;
    wrong += !allowed;
    fauna::print(stdout, tool::sentence("%zu of %zu tokens equal, then a split at a gap of %.2g, %s: ", n,
                                        c.greedy.size(), c.gaps[n], allowed ? "a tie" : "NOT a tie") +
                             c.prompt + '\n');
  }
  fauna::print(stdout,
               tool::sentence("%zu of %zu texts equal the reference's, %zu wrong\n", equal, cases.size(), wrong));
  return texts == cases.size() && tokenized == cases.size() && logits && wrong == 0 ? 0 : 1;
}

int run(int n, char** arguments) {
  const std::string verb = n > 1 ? arguments[1] : "", directory = n > 2 ? arguments[2] : "";
  if (verb == "logits" && n > 3) {
    settings::Logits s;
    settings::read(s, n - 3, arguments + 3);
    return logits(s, directory);
  }
  if (verb == "generate" && n > 4) {
    settings::Told<settings::Generate> s;
    settings::read(s, n - 4, arguments + 4);
    (void)tool::engine(s.engine);
    const std::string stops = arguments[3];
    return generate(s, directory, stops.empty() ? std::vector<int>{} : token_list("eos_token_id", stops));
  }
  if (verb == "chat" && n > 4) {
    settings::Chat s;
    settings::read(s, n - 4, arguments + 4);
    const std::string stops = arguments[3];
    return chat(s, directory, stops.empty() ? std::vector<int>{} : token_list("eos_token_id", stops));
  }
  if (verb == "sample" && n > 2) {
    settings::Told<settings::Sample> s;
    settings::read(s, n - 3, arguments + 3);
    (void)tool::engine(s.engine);
    return sample(s, directory);
  }
  if (verb == "perplexity" && n > 4) {
    settings::Perplexity s;
    settings::read(s, n - 4, arguments + 4);
    return perplexity(s, directory, arguments[3]);
  }
  if (verb == "eval" && n > 4) {
    settings::Eval s;
    settings::read(s, n - 4, arguments + 4);
    const std::string stops = arguments[3];
    return evaluate(s, directory, stops.empty() ? std::vector<int>{} : token_list("eos_token_id", stops));
  }
  if (verb == "compare" && n > 4) {
    settings::Compare s;
    settings::read(s, n - 4, arguments + 4);
    return compare(s, directory, arguments[3]);
  }
  fauna::fail("fauna", "the verb '" + verb + '\'',
              "logits, generate, chat, sample, perplexity, eval or compare; this program is started by tools/fauna");
}

}  // namespace

int main(int n, char** arguments) { return tool::main_of(run, n, arguments); }
