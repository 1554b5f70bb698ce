// Text from a model, one token after another. Prompts of any lengths are read in chunks into a cache, then every
// sequence goes on a token at a time. A sequence's text depends on its own prompt and key alone: not on the chunks, the
// number of threads, or the sequences beside it.
#pragma once
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <fauna/decode/cache.hpp>
#include <fauna/decode/sampling.hpp>
#include <fauna/decode/stop_texts.hpp>

namespace fauna::inline v0 {

/// What happens when a sequence is as long as the context. slide: each further token is drawn from the last `context`
/// tokens, read anew, as nanoGPT does it; stop: the text ends there; refuse: an error before anything is read. A prompt
/// that is longer than the context is cut by slide alone, and an error otherwise.
enum class context_end : int { slide, stop, refuse };

/// The defaults are those of nanoGPT's sample.py, but that sliding has to be asked for.
struct GenerateOptions {
  int tokens = 500;
  float temperature = 0.8F;  ///< 0: always the likeliest token
  int top_k = 200;           ///< 0: all
  float top_p = 1;
  float min_p = 0;               ///< drop tokens less likely than this part of the likeliest; 0: none
  float repetition_penalty = 1;  ///< of every token in the text so far (Keskar et al. 2019, section 4.1); 1: none
  std::uint64_t seed = 1337;
  std::uint64_t sample = 0;         ///< which of the texts that a seed gives; sequence s of several gets sample + s
  int vocab = 0;                    ///< draw among the first so many ids; 0: all of the model's
  std::vector<int> stop_ids{};      ///< a sequence ends after one of these
  std::vector<std::string> stop{};  ///< a text ends before one of these
  int chunk = 512;                  ///< rows of a sequence that one call reads at most
  int context = 0;                  ///< rows of a sequence at most; 0: the model's own context
  context_end at_end = context_end::refuse;
  TokenRule* rule = nullptr;  ///< which tokens may follow a text; one that it ends ends there
  int adapter = no_adapter;   ///< which of those beside the model's weights writes (decode/adapters.hpp)
};

/// A text on its way: its ids, how many of them the cache has read, whether it goes on.
struct Continuation {
  std::vector<int> ids{};
  std::size_t prompt = 0;
  std::size_t from = 0;  ///< the first of ids that the cache holds or will hold
  int read = 0;          ///< of ids, from `from` on
  int most = unbounded;  ///< rows that one step may read
  int wanted = 1;  ///< of the last rows, those whose logits are wanted: with drafts behind the text, more than one
  std::vector<int> parents{};  ///< of drafts that branch: the draft that each continues, -1: the text; empty: the last
  bool done = false;
  Key key{};                 ///< of its random draws
  int adapter = no_adapter;  ///< which of those beside the model's weights writes it
  int pending() const { return static_cast<int>(ids.size() - from) - read; }
};
/// The key of one of the texts that a seed gives: the token at a position is drawn from it and the position.
inline Key text_key(std::uint64_t seed, std::uint64_t sample) { return Key{seed, 0}.child(0x74657874).child(sample); }
/// Room for the rows and logits of a step.
struct StepMemory {
  std::vector<int> tokens{}, offsets{}, parents{}, positions{}, adapters{};
  std::vector<float> logits{}, hidden{}, picked{};
};

namespace generate_detail {

/// Rows of a sequence at most, of a model whose own context is `own`.
inline int longest(GenerateOptions const& o, int own) {
  if (o.context < 0) fail("generate", "a context of " + std::to_string(o.context), "at least 1, or 0 for the model's");
  return o.context == 0 || o.context > own ? own : o.context;
}
/// How a text's tokens are drawn.
inline Sampling sampling(GenerateOptions const& o) {
  return {.temperature = o.temperature,
          .top_k = o.top_k,
          .top_p = o.top_p,
          .min_p = o.min_p,
          .repetition_penalty = o.repetition_penalty,
          .rule = o.rule};
}
/// Does a text end after this token?
inline bool stops(GenerateOptions const& o, int id) {
  for (const int stop : o.stop_ids)
    if (id == stop) return true;
  return false;
}
/// Has a text come to its end with its last token?
inline bool ended(GenerateOptions const& o, std::vector<int> const& ids) {
  return stops(o, ids.back()) || (o.rule != nullptr && o.rule->ends(ids.data(), ids.size()));
}

/// vocab: of the model.
inline void check(std::vector<std::vector<int>> const& prompts, GenerateOptions const& o, int vocab, int context) {
  if (prompts.empty()) fail("generate", "no prompt", "at least one");
  if (o.tokens < 0) fail("generate", std::to_string(o.tokens) + " tokens", "0 or more");
  if (o.chunk < 1) fail("generate", "chunks of " + std::to_string(o.chunk) + " rows", "at least 1");
  for (auto const& stop : o.stop)
    if (stop.empty()) fail("generate", "an empty stop text", "at least a character");
  for (auto const& ids : prompts) {
    if (ids.empty()) fail("generate", "an empty prompt", "at least one token");
    for (const int id : ids)
      if (id < 0 || id >= vocab)
        fail("generate", "token " + std::to_string(id), "one of the model's " + std::to_string(vocab));
    if (o.at_end != context_end::slide && ids.size() > static_cast<std::size_t>(context))
      fail("generate", "a prompt of " + std::to_string(ids.size()) + " tokens",
           "no more than the context of " + std::to_string(context));
    if (o.at_end == context_end::refuse &&
        ids.size() + static_cast<std::size_t>(o.tokens) > static_cast<std::size_t>(context) + 1)
      fail("generate", std::to_string(ids.size()) + " tokens of prompt and " + std::to_string(o.tokens) + " more",
           "no more than the context of " + std::to_string(context));
  }
}

inline bool one_each(std::vector<int> const& offsets) {
  for (std::size_t s = 0; s < offsets.size(); ++s)
    if (offsets[s] != static_cast<int>(s)) return false;
  return true;
}

/// The rows that a step reads, in its memory. Has any text then read all?
inline bool lay_out(std::vector<Continuation> const& all, int chunk, StepMemory& m) {
  m.tokens.clear();
  m.offsets.assign(1, 0);
  m.adapters.clear();
  bool any_next = false;
  for (auto const& s : all) {
    const int pending = s.done ? 0 : s.pending(), most = chunk < s.most ? chunk : s.most,
              rows = pending < most ? pending : most;
    const auto* from = s.ids.data() + s.from + s.read;
    m.tokens.insert(m.tokens.end(), from, from + rows);
    m.offsets.push_back(static_cast<int>(m.tokens.size()));
    m.adapters.push_back(s.adapter);
    any_next = any_next || (rows > 0 && rows == pending);
  }
  return any_next;
}
/// They are referred to.
inline Batch batch_of(StepMemory const& m) {
  const int n = static_cast<int>(m.offsets.size()) - 1;
  Batch batch = Batch::uniform(n, 1, m.tokens.data());
  batch.adapters = m.adapters.data();
  if (one_each(m.offsets)) return batch;
  batch.rows = m.offsets.back();
  batch.length = 0;
  batch.offsets = m.offsets.data();
  return batch;
}

/// see(sequence, id), or see(id), may return false to end that sequence.
template <class F, class... Id> bool goes_on(F& see, Id... id) {
  if constexpr (std::is_void_v<decltype(see(id...))>) return see(id...), true;
  else return see(id...);
}

}  // namespace generate_detail

/// One call of the model for all texts, of which text s has slot s of the cache: each that is not done reads what it
/// has not read yet, at most `chunk` rows, and at most its own `most`. Then next(s, logits [vocab]) for each that has
/// now read all: who adds a token to its ids, or several, has it go on. False where there was nothing to read. For
/// generate below, and for loops of one's own: texts may come and go between steps.
template <class T, class K, class F>
bool generate_step(T& model, K& cache, std::vector<Continuation>& all, int chunk, StepMemory& m, F&& next) {
  constexpr int vocab = T::model::vocab;
  const int n = static_cast<int>(all.size());
  const bool any_next = generate_detail::lay_out(all, chunk, m);
  if (m.tokens.empty()) return false;
  m.logits.resize(static_cast<std::size_t>(n) * static_cast<std::size_t>(vocab));
  const Batch batch = generate_detail::batch_of(m);
  model.logits(cache, batch, any_next ? logit_rows::last : logit_rows::none,
               Matrix<float>(m.logits.data(), any_next ? n : 0, vocab));
  for (int q = 0; q < n; ++q) {
    auto& s = all[static_cast<std::size_t>(q)];
    const int rows = m.offsets[static_cast<std::size_t>(q) + 1] - m.offsets[static_cast<std::size_t>(q)];
    s.read += rows;
    if (rows > 0 && s.pending() == 0) next(q, m.logits.data() + static_cast<std::ptrdiff_t>(q) * vocab);
  }
  return true;
}

/// Continues each prompt by up to options.tokens tokens and calls see(sequence, id) with each; all ids are returned.
/// A token is drawn from (seed, sample + sequence, its position).
template <class T, class F>
std::vector<std::vector<int>> generate_batch(T& model, std::vector<std::vector<int>> const& prompts,
                                             GenerateOptions const& o, F&& see) {
  using M = typename T::model;
  const int context = generate_detail::longest(o, context_of<M>), n = static_cast<int>(prompts.size());
  generate_detail::check(prompts, o, M::vocab, context);
  const int chunk = o.chunk < context ? o.chunk : context;
  model.prepare_inference({.sequences = n, .length = chunk, .context = context});
  Cache<M, typename T::backend> cache(n, context);
  const int vocab = o.vocab > 0 && o.vocab < M::vocab ? o.vocab : M::vocab;
  Sampler sampler(vocab, generate_detail::sampling(o));
  std::vector<Continuation> all(prompts.size());
  for (std::size_t s = 0; s < all.size(); ++s) {
    all[s].ids = prompts[s];
    all[s].prompt = prompts[s].size();
    all[s].ids.reserve(all[s].prompt + static_cast<std::size_t>(o.tokens));
    all[s].key = text_key(o.seed, o.sample + s);
    all[s].adapter = o.adapter;
    all[s].done = o.tokens == 0;
    if (all[s].prompt > static_cast<std::size_t>(context))
      all[s].from = all[s].prompt - static_cast<std::size_t>(context);
  }
  StepMemory memory;
  const auto next = [&](int q, const float* logits) {
    auto& s = all[static_cast<std::size_t>(q)];
    const int id = sampler(logits, s.key, s.ids.size(), s.ids.data(), s.ids.size());
    s.ids.push_back(id);
    s.done = s.ids.size() - s.prompt == static_cast<std::size_t>(o.tokens) || generate_detail::ended(o, s.ids);
    if (!generate_detail::goes_on(see, q, id)) s.done = true;
    if (cache.room(q) > 0 || s.done) return;
    if (o.at_end == context_end::slide) {
      s.from = s.ids.size() - static_cast<std::size_t>(context);
      s.read = 0;
      cache.clear(q);
    } else {
      s.done = true;
    }
  };
  while (generate_step(model, cache, all, chunk, memory, next)) {}
  std::vector<std::vector<int>> ids;
  ids.reserve(all.size());
  for (auto& s : all) ids.push_back(static_cast<std::vector<int>&&>(s.ids));
  return ids;
}
/// One sequence: see(id).
template <class T, class F>
std::vector<int> generate_tokens(T& model, std::vector<int> const& prompt, GenerateOptions const& o, F&& see) {
  const std::vector<std::vector<int>> prompts{prompt};
  return generate_batch(model, prompts, o, [&see](int, int id) { return see(id); })[0];
}

namespace generate_detail {

/// Spells ids one after another: by the tokenizer's stream, whose pieces are whole characters, where it has one.
template <class Text> class Speller {
 public:
  explicit Speller(Text const& text) : text_(&text) {}
  std::string push(int id) { return text_->decode(&id, 1); }
  std::string finish() { return {}; }

 private:
  Text const* text_;
};
template <class Text>
requires requires { typename Text::Stream; }
class Speller<Text> : public Text::Stream {
 public:
  using Text::Stream::Stream;
};

}  // namespace generate_detail

/// What the ids of a text become: see(piece) with each piece as it comes, up to a stop text; what may be the start of a
/// stop text, or of a character, is held back until it is known.
template <class Text, class F> class TextPieces {
 public:
  /// Of o, its stop ids and stop texts.
  TextPieces(Text const& text, GenerateOptions const& o, F see)
      : options_(&o), speller_(text), stops_(o.stop), see_(static_cast<F&&>(see)) {}
  /// The next id. False where the text ends with it.
  bool push(int id) {
    if (generate_detail::stops(*options_, id)) return false;
    show(stops_.push(speller_.push(id)));
    return !stops_.found();
  }
  /// No id comes any more. The whole text.
  std::string finish() {
    if (!stops_.found()) show(stops_.push(speller_.finish()));
    show(stops_.finish());
    return stops_.text();
  }

 private:
  void show(std::string const& piece) {
    if (!piece.empty()) see_(piece);
  }

  GenerateOptions const* options_;
  generate_detail::Speller<Text> speller_;
  StopTexts stops_;
  F see_;
};

/// The text that follows some tokens, up to a stop sequence if there is one: TextPieces of what a model writes.
template <class T, class Text, class F>
std::string generate_text(T& model, Text const& text, std::vector<int> const& prompt, GenerateOptions const& o,
                          F&& see) {
  GenerateOptions in_text = o;  // a model may know more ids than the text has characters
  if (o.vocab == 0) in_text.vocab = text.vocab();
  TextPieces pieces(text, o, [&see](std::string const& piece) { see(piece); });
  generate_tokens(model, prompt, in_text, [&pieces](int id) { return pieces.push(id); });
  return pieces.finish();
}
/// prompt and what follows it.
template <class T, class Text, class F>
std::string generate(T& model, Text const& text, std::string_view prompt, GenerateOptions const& o, F&& see) {
  return std::string(prompt) + generate_text(model, text, text.encode(prompt), o, see);
}
template <class T, class Text>
std::string generate(T& model, Text const& text, std::string_view prompt, GenerateOptions const& o = {}) {
  return generate(model, text, prompt, o, [](std::string const&) {});
}

}  // namespace fauna::inline v0
