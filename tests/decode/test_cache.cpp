// Decoding with a cache: the bits of reading everything anew, however the rows are split, whoever stands beside.
#include <doctest/doctest.h>

#include <cstring>

#include "../support/runs.hpp"

using namespace fauna;
using doctest::Contains;
using test::Small;

namespace {

constexpr int vocab = Small::model::vocab, context = Small::model::config.context;
using SmallCache = Cache<Small::model, Small::backend>;

std::vector<int> tokens(int n, int seed) {
  std::vector<int> ids;
  for (int i = 0; i < n; ++i)
    ids.push_back(
        static_cast<int>(Key{static_cast<std::uint64_t>(seed), 0}.word(static_cast<std::uint64_t>(i)) % vocab));
  return ids;
}

/// Logits of every row, `chunk` rows at a time.
std::vector<float> in_chunks(Small& model, SmallCache& cache, std::vector<int> const& ids, int chunk) {
  model.prepare_inference({.sequences = 1, .length = chunk, .context = cache.context()});
  std::vector<float> all(ids.size() * vocab);
  for (std::size_t from = 0; from < ids.size(); from += static_cast<std::size_t>(chunk)) {
    const int n = std::min(chunk, static_cast<int>(ids.size() - from));
    std::vector<float> part(static_cast<std::size_t>(n) * vocab);
    // one row is asked for as the last of its sequence, more rows as all of them
    model.logits(cache, Batch::uniform(1, n, ids.data() + from), Matrix<float>(part.data(), n, vocab));
    std::memcpy(all.data() + from * vocab, part.data(), part.size() * sizeof(float));
  }
  return all;
}

}  // namespace

TEST_CASE("forward, prefill and step: the same bits") {
  Small model(seed{3});
  const auto ids = tokens(context, 1);
  std::vector<float> whole(ids.size() * vocab);
  model.prepare_inference({.sequences = 1, .length = context});
  model.logits(Batch::uniform(1, context, ids.data()), Matrix<float>(whole.data(), context, vocab));
  for (const int chunk : {1, 2, 3, 5, context - 1, context}) {
    CAPTURE(chunk);
    SmallCache cache(1, context);
    CHECK(in_chunks(model, cache, ids, chunk) == whole);
    CHECK(cache.length(0) == context);
    CHECK(cache.room(0) == 0);
  }
}

TEST_CASE("a cache is a value: copied, marked, taken back, written out and read back") {
  Small model(seed{3});
  const auto ids = tokens(context, 2);
  SmallCache cache(1, context);
  const std::vector<int> head(ids.begin(), ids.begin() + 5), tail(ids.begin() + 5, ids.end()), other = tokens(4, 9);
  in_chunks(model, cache, head, 5);
  const auto mark = cache.mark();
  SmallCache copy(cache), read = SmallCache::deserialise(cache.serialise());
  const auto want = in_chunks(model, cache, tail, 1);
  CHECK(in_chunks(model, copy, other, 2) != want);
  cache.rewind(mark);
  in_chunks(model, cache, other, 3);
  cache.rewind(mark);
  CHECK(in_chunks(model, cache, tail, 4) == want);
  CHECK(in_chunks(model, read, tail, 7) == want);
  copy = cache;
  CHECK(copy.length(0) == context);
  CHECK_THROWS_WITH_AS(copy.rewind({context + 1}), Contains("0 to 12"), error);
  CHECK_THROWS_WITH_AS(copy.rewind({1, 1}), Contains("2 sequences"), error);
}

TEST_CASE("bytes that are no cache, or another model's") {
  SmallCache cache(2, 5);
  const std::string bytes = cache.serialise();
  CHECK(SmallCache::deserialise(bytes).serialise() == bytes);
  CHECK_THROWS_WITH_AS(SmallCache::deserialise("cache"), Contains("no cache"), error);
  CHECK_THROWS_WITH_AS(SmallCache::deserialise(bytes.substr(0, bytes.size() - 1)), Contains("another model"), error);
  CHECK_THROWS_WITH_AS((Cache<NanoGptCpu, Cpu<>>::deserialise(bytes)), Contains("another model"), error);
  CHECK_THROWS_AS(SmallCache(0, 5), error);
}

TEST_CASE("past the end of the cache is an error that loses nothing") {
  Small model(seed{3});
  SmallCache cache(1, 6);
  const auto ids = tokens(6, 4), more = tokens(1, 5);
  in_chunks(model, cache, ids, 6);
  const std::string before = cache.serialise();
  CHECK_THROWS_WITH_AS(in_chunks(model, cache, more, 1), Contains("at most the 6"), error);
  CHECK(cache.serialise() == before);
}

TEST_CASE("greedy text is the same in batches of 1 to 16, with prompts of any length and any chunk") {
  Small model(seed{5});
  std::vector<std::vector<int>> prompts;
  for (int i = 0; i < 16; ++i) prompts.push_back(tokens(1 + i * 5 % 17, 20 + i));  // some longer than the context
  std::vector<std::vector<int>> alone;
  for (auto const& p : prompts)
    alone.push_back(generate_tokens(model, p, {.tokens = 20, .temperature = 0}, [](int) {}));
  for (const int n : {1, 2, 3, 5, 16})
    for (const int chunk : {1, 4, 512}) {
      const std::vector<std::vector<int>> some(prompts.begin(), prompts.begin() + n);
      const auto got = generate_batch(model, some, {.tokens = 20, .temperature = 0, .chunk = chunk}, [](int, int) {});
      CHECK(got == std::vector<std::vector<int>>(alone.begin(), alone.begin() + n));
    }
}

TEST_CASE("a sampled text depends on its seed, not on its neighbours") {
  Small model(seed{5});
  const std::vector<std::vector<int>> prompts{tokens(3, 1), tokens(7, 2), tokens(2, 3)};
  const GenerateOptions o{.tokens = 15, .temperature = 1, .seed = 4};
  const auto got = generate_batch(model, prompts, o, [](int, int) {});
  for (std::size_t s = 0; s < prompts.size(); ++s) {
    GenerateOptions own = o;
    own.sample = s;
    CHECK(generate_tokens(model, prompts[s], own, [](int) {}) == got[s]);
  }
}

TEST_CASE("the end of the context is the caller's choice") {
  Small model(seed{5});
  const auto prompt = tokens(5, 1);
  GenerateOptions o{.tokens = 20, .temperature = 0};
  const auto slid = generate_tokens(model, prompt, o, [](int) {});
  CHECK(slid.size() == 25);
  o.at_end = context_end::stop;
  const auto stopped = generate_tokens(model, prompt, o, [](int) {});
  CHECK(stopped.size() == context + 1);  // the last token was drawn from a full context
  CHECK(std::equal(stopped.begin(), stopped.end(), slid.begin()));
  CHECK_THROWS_WITH_AS(generate_tokens(model, tokens(context + 1, 1), o, [](int) {}), Contains("a prompt of 13"),
                       error);
  o.at_end = context_end::refuse;
  CHECK_THROWS_WITH_AS(generate_tokens(model, prompt, o, [](int) {}), Contains("the context of 12"), error);
  o.tokens = context + 1 - 5;
  CHECK(generate_tokens(model, prompt, o, [](int) {}) == stopped);
}

TEST_CASE("stop ids, stop texts, and a listener that has heard enough") {
  Small model(seed{3});
  const CharTokenizer text("abcdefghijklmnopqrstuvwxyz ");
  const GenerateOptions o{.tokens = 40, .temperature = 1, .top_k = 0, .seed = 9};
  const std::string whole = generate(model, text, "abc", o);
  GenerateOptions stops = o;
  stops.stop = {"no such text", whole.substr(20, 3)};
  std::string heard = "abc";
  const std::string cut = generate(model, text, "abc", stops, [&](std::string const& s) { heard += s; });
  CHECK(cut == whole.substr(0, whole.find(stops.stop[1], 3)));
  CHECK(heard == cut);
  const int id = text.encode(whole.substr(10, 1))[0];
  stops = o;
  stops.stop_ids = {id};
  CHECK(generate(model, text, "abc", stops) == whole.substr(0, whole.find(whole[10], 3)));
  int count = 0;
  generate_tokens(model, text.encode("abc"), o, [&](int) { return ++count < 7; });
  CHECK(count == 7);
}
