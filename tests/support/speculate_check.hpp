// What speculation promises of a target, whoever drafts: the ids of plain decoding, and a state that no rejected draft
// has touched.
#pragma once
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include <fauna/decode/speculate/speculate.hpp>

#include "decode_check.hpp"

namespace test {

/// Proposes what it is told, and no more than that.
struct Scripted {
  std::vector<int> script{};  ///< by position in the text
  template <class F> void propose(std::vector<int>& text, int most, F&&) const {
    for (int i = 0; i < most && text.size() < script.size(); ++i) text.push_back(script[text.size()]);
  }
};
/// Anything: too much, nothing, ids that no vocabulary has.
struct Wild {
  Random random{5};
  int vocab = 0;
  template <class F> void propose(std::vector<int>& text, int most, F&&) {
    const int n = random.integer(0, most + 2);
    for (int i = 0; i < n; ++i) text.push_back(random.integer(-1, vocab));
  }
};

/// Plain decoding, and what the text then goes on with.
template <class T> std::vector<int> plain(T& model, std::vector<int> const& prompt, fauna::GenerateOptions const& o) {
  return fauna::generate_tokens(model, prompt, o, [](int) {});
}
/// The script of a text that is right up to every n-th token, which is wrong.
inline std::vector<int> wrong_at_every(std::vector<int> text, std::size_t prompt, int n, int vocab) {
  for (std::size_t i = prompt; i < text.size(); ++i)
    if ((i - prompt) % static_cast<std::size_t>(n) == static_cast<std::size_t>(n) - 1) text[i] = (text[i] + 1) % vocab;
  return text;
}

/// How texts are drawn in these tests: greedily, and with everything that changes a law.
inline std::vector<fauna::GenerateOptions> ways(int tokens) {
  return {{.tokens = tokens, .temperature = 0, .top_k = 0},
          {.tokens = tokens, .temperature = 0, .top_k = 0, .repetition_penalty = 1.3F},
          {.tokens = tokens, .temperature = 0.9F, .top_k = 0, .seed = 5},
          {.tokens = tokens,
           .temperature = 1.1F,
           .top_k = 7,
           .top_p = 0.9F,
           .min_p = 0.02F,
           .repetition_penalty = 1.2F,
           .seed = 6,
           .sample = 3}};
}

/// The state of a text in a cache, without what lies behind its rows.
template <class K> std::string state_of(K const& cache) {
  K clean(1, cache.context());
  cache.copy(0, clean, 0);
  return clean.serialise();
}

/// A block of rows gives the bits of one row after another, which is what verification lives on.
template <class M, class P> void check_blocks() {
  using B = fauna::Cpu<P>;
  fauna::Loaded<M, B> model(lively<M, B>(1).weights(), 2);
  const auto ids = some_tokens<M>(45, 1);
  fauna::Cache<M, B> single(1, 64);
  const auto want = in_chunks(model, single, ids, 1);
  const auto state = state_of(single);
  for (int rows = 2; rows <= 17; ++rows) {
    CAPTURE(rows);
    fauna::Cache<M, B> cache(1, 64);
    CHECK(in_chunks(model, cache, ids, rows) == want);
    CHECK(state_of(cache) == state);
  }
}

/// Every drafter, draft length and way to draw: the ids of plain decoding. The readers live through all of it, so that
/// their caches are full of other texts' rows.
template <class M, class D, class P> void check_speculation() {
  using B = fauna::Cpu<P>;
  using fauna::DraftModel, fauna::NgramDrafter, fauna::Match;
  using Target = fauna::Loaded<M, B>;
  const int vocab = M::vocab, context = 64;
  Target target(lively<M, B>(1).weights(), 2);
  fauna::Loaded<D, B> small(lively<D, B>(1).weights(), 1);
  fauna::Reader<Target> reader(target, context, 5);
  DraftModel draft(small, context);
  DraftModel self(target, context);
  NgramDrafter ngram(4, 1);
  Wild wild{.vocab = vocab};
  int moved = 0;
  for (auto o : ways(27)) {
    CAPTURE(o.temperature);
    CAPTURE(o.repetition_penalty);
    o.context = context;
    for (const int length : sizes({1, 3, 7, 30}, {1, 30})) {
      CAPTURE(length);
      const auto prompt = some_tokens<M>(length, static_cast<std::uint64_t>(length));
      const auto want = plain(target, prompt, o);
      for (std::size_t i = prompt.size(); i < want.size(); ++i) moved += want[i] != want[i - 1];
      Scripted worst{want};
      for (int& id : worst.script) id = (id + 1) % vocab;
      for (int gamma = 0; gamma <= 8; ++gamma) {
        CAPTURE(gamma);
        const auto with = [&](auto& drafter) {
          auto heard = prompt;
          const auto got = speculate(reader, drafter, prompt, {.text = o, .draft = gamma}, Match{},
                                     [&heard](int id) { heard.push_back(id); });
          CHECK(got.ids == want);
          CHECK(heard == want);
          CHECK(got.counts.tokens == 27);
          return got.counts;
        };
        with(ngram);
        with(draft);
        with(wild);
        for (const int n : {2, 3, 5}) {
          Scripted sometimes{wrong_at_every(want, prompt.size(), n, vocab)};
          with(sometimes);
        }
        // The target's own drafts are all accepted; the worst drafter changes nothing.
        const auto own = with(self), none = with(worst);
        CHECK(own.seen == own.accepted);
        CHECK(own.steps == (27 + gamma) / (gamma + 1));
        CHECK(none.steps == 27);
        CHECK(none.accepted == std::vector<long>(static_cast<std::size_t>(gamma), 0));
        CHECK(none.tokens_per_step() == 1);
        if (gamma == 0) CHECK(own.drafted == 0);
      }
    }
  }
  CHECK(moved > 100);  // texts that stand still would prove little
}

/// Looks, before each draft, whether the state is that of reading the text so far a token at a time.
template <class T> struct Watching {
  fauna::Reader<T> const& reader;
  T& model;
  Scripted script;
  CacheOf<T> stepped{1, 64};
  int right = 0, looked = 0;

  template <class F> void propose(std::vector<int>& text, int most, F&& draw) {
    const int n = static_cast<int>(text.size());
    in_chunks(model, stepped, {text.begin() + stepped.length(0), text.end()}, 1);
    auto copy = reader;
    copy.logits(text.data(), n, 1, n);
    right += state_of(copy.cache()) == state_of(stepped);
    ++looked;
    script.propose(text, most, draw);
  }
};

/// Reads a text with drafts that are wrong at every n-th token; how often the state was looked at, and how often it was
/// right. With a target that breaks its promises, fewer times; and the ids are others.
template <class T, class M> int wrong_states(T& target, M& model, int gamma, bool& same_ids) {
  const auto prompt = some_tokens<typename T::model>(9, 4);
  const fauna::GenerateOptions o{.tokens = 40, .temperature = 0, .top_k = 0, .context = 64};
  const auto want = plain(model, prompt, o);
  int wrong = 0;
  same_ids = true;
  fauna::Reader<T> reader(target, 64);
  const auto junk = some_tokens<typename T::model>(64, 8);  // of another text, in a cache that is full
  reader.logits(junk.data(), 64, 1, 64);
  for (const int n : {2, 3, 4, 7}) {
    Watching<T> drafter{
        .reader = reader, .model = target, .script = {wrong_at_every(want, prompt.size(), n, T::model::vocab)}};
    same_ids = speculate(reader, drafter, prompt, {.text = o, .draft = gamma}).ids == want && same_ids;
    wrong += drafter.looked - drafter.right;
    CHECK(drafter.looked > 3);
  }
  return wrong;
}
template <class M, class P> void check_states() {
  using B = fauna::Cpu<P>;
  fauna::Loaded<M, B> target(lively<M, B>(1).weights(), 1);
  for (int gamma = 1; gamma <= 8; ++gamma) {
    bool same = false;
    CHECK(wrong_states(target, target, gamma, same) == 0);
    CHECK(same);
  }
}

/// A model whose cache is not taken back as it should be.
template <class T, class Slip> struct Slipping {
  using model = typename T::model;
  using backend = typename T::backend;
  T& honest;
  Slip slip{};
  void prepare_inference(fauna::Shape shape) { honest.prepare_inference(shape); }
  template <class K> void logits(K& cache, fauna::Batch const& batch, fauna::logit_rows which, fauna::Matrix<float> y) {
    slip(cache, [&] { honest.logits(cache, batch, which, y); });
  }
};
/// Keys and values: one row too few is forgotten, and the text goes on behind it.
struct OneRowTooMany {
  int length = 0;
  template <class K, class F> void operator()(K& cache, F&& read) {
    const bool back = cache.length(0) < length && cache.length(0) > 0 && cache.room(0) > 10;
    if (back) cache.advance(fauna::Batch::uniform(1, 1));
    read();
    if (back) cache.rewind({{cache.length(0) - 1}, {}});
    length = cache.length(0);
  }
};
/// Recurrent states: some numbers [from, to) of all of them stay as they were.
struct StatesStay {
  double from = 0, to = 1;
  int length = 0;
  std::vector<float> before{};
  template <class K, class F> void operator()(K& cache, F&& read) {
    if (cache.length(0) < length && cache.length(0) > 0) {
      auto mark = cache.mark();
      const auto n = static_cast<double>(before.size());
      const auto first = static_cast<std::ptrdiff_t>(from * n), last = static_cast<std::ptrdiff_t>(to * n);
      std::copy(before.begin() + first, before.begin() + last, mark.recurrent.begin() + first);
      cache.rewind(mark);
    }
    read();
    length = cache.length(0);
    before = cache.mark().recurrent;
  }
};
template <class M, class Slip> void check_slips(Slip const& slip) {
  using B = fauna::Cpu<>;
  fauna::Loaded<M, B> honest(lively<M, B>(1).weights(), 1);
  Slipping<fauna::Loaded<M, B>, Slip> target{honest, slip};
  bool same = true;
  CHECK(wrong_states(target, honest, 4, same) > 0);
  CHECK(!same);
}

/// Texts one after another that begin as the one before, for a while: each has the logits of reading it alone.
template <class M> void check_reader() {
  using B = fauna::Cpu<>;
  fauna::Loaded<M, B> model(lively<M, B>(1).weights(), 1);
  fauna::Reader reader(model, 64, 7);
  Random random(9);
  std::vector<int> text;
  for (int round = 0; round < size(300, 60); ++round) {
    CAPTURE(round);
    const int before = static_cast<int>(text.size());
    text.resize(static_cast<std::size_t>(std::max(0, before - random.integer(0, round % 10 == 0 ? 60 : 7))));
    const int most = std::min(round % 7 == 0 ? 25 : 6, 64 - static_cast<int>(text.size()));
    const auto more = random.integers(random.integer(text.empty() ? 1 : 0, most), 0, M::vocab - 1);
    text.insert(text.end(), more.begin(), more.end());
    const int n = static_cast<int>(text.size()), wanted = random.integer(1, std::min(n, 9));
    const float* got = reader.logits(text.data(), n, wanted, random.integer(std::max(0, n - 9), n));
    fauna::Cache<M, B> fresh(1, 64);
    const auto want = in_chunks(model, fresh, text, 1);
    CHECK(std::equal(want.end() - wanted * M::vocab, want.end(), got));
    CHECK(reader.length() == n);
    CHECK(state_of(reader.cache()) == state_of(fresh));
  }
}

/// Counts passes, and the rows that they read.
struct Counting {
  long *passes, *rows;
  template <class K, class F> void operator()(K& cache, F&& read) {
    ++*passes;
    *rows -= cache.length(0);
    read();
    *rows += cache.length(0);
  }
};
/// A draft model's own token, but for two of four places.
template <int V> struct WrongDrafts : fauna::Match {
  static int draft(fauna::Drawing const& at, fauna::Law&, fauna::Drafted const&) {
    return (at() + (at.position % 4 < 2)) % V;
  }
};
/// A step is a pass, and no row is read twice; but for states that a policy has read again, beside the next draft or
/// from the start of the text, which gives the same ids.
template <class M> void check_passes() {
  using T = fauna::Loaded<M, fauna::Cpu<>>;
  T model(lively<M, fauna::Cpu<>>(1).weights(), 1);
  long passes = 0, rows = 0;
  Slipping<T, Counting> counted{model, {&passes, &rows}};
  const auto prompt = some_tokens<M>(9, 4);
  const fauna::GenerateOptions o{.tokens = 50, .temperature = 0, .top_k = 0, .context = 64};
  const auto want = plain(model, prompt, o);
  for (const int n : {2, 3, 4, 7}) {
    const Scripted drafter{wrong_at_every(want, prompt.size(), n, M::vocab)};
    long copied = 0;
    for (const auto how : {fauna::rewinds::automatic, fauna::rewinds::all_states, fauna::rewinds::factors,
                           fauna::rewinds::copy, fauna::rewinds::replay}) {
      passes = rows = 0;
      const auto got = speculate(counted, drafter, prompt, {.text = o, .draft = 4, .rewind = how});
      CHECK(got.ids == want);
      auto const& c = got.counts;
      const long once = 8 + c.steps + c.drafted;  // of the prompt, but for its last token, and of each block
      if (!fauna::forgets_rows<M> && how == fauna::rewinds::copy) {
        CHECK(passes <= c.steps + c.steps / 3);
        CHECK(rows > once);
        CHECK(rows <= once + 16 * c.steps);
        copied = rows;
      } else if (!fauna::forgets_rows<M> && how == fauna::rewinds::replay) {
        CHECK(rows > copied);
      } else {
        CHECK(passes == c.steps);
        CHECK(rows == once);
      }
    }
  }
  fauna::DraftModel draft(counted, 64);
  for (const int gamma : {1, 2, 5}) {
    passes = rows = 0;
    const auto got = speculate(model, draft, prompt, {.text = o, .draft = gamma}, WrongDrafts<M::vocab>{});
    CHECK(got.ids == want);
    CHECK(passes == got.counts.drafted);
    CHECK(rows <= 9 + got.counts.drafted + got.counts.tokens);
  }
}

/// A draft model that has followed other texts and taken back other drafts proposes what a fresh one does.
template <class M> void check_draft_model() {
  using B = fauna::Cpu<>;
  using fauna::DraftModel;
  fauna::Loaded<M, B> model(lively<M, B>(1).weights(), 1);
  DraftModel old(model, 24);
  fauna::Sampler greedy(M::vocab, {.temperature = 0});
  const auto draw = [&greedy](const float* logits) { return greedy(logits, {}, 0); };
  Random random(3);
  std::vector<int> text = some_tokens<M>(5, 2);
  std::size_t longest = 0;
  for (int round = 0; round < size(200, 60); ++round) {
    if (round % 20 == 19) text = some_tokens<M>(random.integer(1, 9), 7);  // another text
    if (round % 20 == 9) text.resize(std::max<std::size_t>(1, text.size() / 2));
    const int most = random.integer(1, 6);
    auto got = text, want = text;
    old.propose(got, most, draw);
    if (text.size() + 6 <= 24) {
      DraftModel fresh(model, 24);
      fresh.propose(want, most, draw);
      CHECK(got == want);
    }
    CHECK(got.size() == text.size() + static_cast<std::size_t>(most));
    const int kept = random.integer(0, most);
    text.assign(got.begin(), got.end() - (most - kept));
    text.push_back(random.integer(0, M::vocab - 1));
    longest = std::max(longest, text.size());
  }
  CHECK(longest > 40);                   // well past the context
  for (const int context : {1, 2, 3}) {  // where hardly a draft fits
    DraftModel tiny(model, context);
    text = {1, 2, 3, 4, 5, 6, 7};
    tiny.propose(text, 6, draw);
    CHECK(text.size() >= 8);
    text = {1};
    tiny.propose(text, 6, draw);
    CHECK(text.size() == static_cast<std::size_t>(std::min(7, 1 + context)));
  }
}

/// Stop ids, a listener that has heard enough, and the last token, at every place of an accepted block; and the end of
/// the context, whatever is to happen there.
template <class M> void check_ends() {
  using B = fauna::Cpu<>;
  using fauna::context_end;
  fauna::Loaded<M, B> target(lively<M, B>(1).weights(), 1);
  const auto prompt = some_tokens<M>(5, 3);
  fauna::GenerateOptions o{.tokens = 20, .temperature = 1, .top_k = 0, .seed = 3, .context = 40};
  const auto whole = plain(target, prompt, o);
  int stopped = 0;
  for (const int gamma : {1, 3, 6})
    for (std::size_t at = 5; at < 20; ++at) {
      CAPTURE(gamma);
      CAPTURE(at);
      const Scripted right{whole};
      auto stops = o;
      stops.stop_ids = {whole[at], M::vocab + 5};
      const auto want = plain(target, prompt, stops);
      stopped += want.size() < whole.size();
      CHECK(speculate(target, right, prompt, {.text = stops, .draft = gamma}).ids == want);

      auto few = o;
      few.tokens = static_cast<int>(at - 5);
      CHECK(speculate(target, right, prompt, {.text = few, .draft = gamma}).ids ==
            std::vector<int>(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(at)));

      std::size_t heard = 5;
      const auto got = speculate(target, right, prompt, {.text = o, .draft = gamma}, fauna::Match{},
                                 [&](int) { return ++heard < at; });
      CHECK(got.ids == std::vector<int>(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(heard)));
      CHECK(heard == std::max<std::size_t>(at, 6));

      auto ends = o;
      ends.tokens = 30;
      ends.context = static_cast<int>(at) + 2;
      for (const context_end end : {context_end::stop, context_end::slide}) {
        ends.at_end = end;
        const auto text = plain(target, prompt, ends);
        CHECK(text.size() == (end == context_end::stop ? at + 3 : 35));
        const Scripted own{text};
        CHECK(speculate(target, own, prompt, {.text = ends, .draft = gamma}).ids == text);
        fauna::NgramDrafter ngram(3, 1);
        CHECK(speculate(target, ngram, prompt, {.text = ends, .draft = gamma}).ids == text);
      }
      ends.at_end = context_end::refuse;
      CHECK_THROWS_WITH_AS(speculate(target, right, prompt, {.text = ends, .draft = gamma}),
                           doctest::Contains("30 more"), fauna::error);
    }
  CHECK(stopped > 10);
}

}  // namespace test
