// A cache as a value, and what ends a text.
#include <doctest/doctest.h>
#include <fauna/models/gpt_neox.hpp>
#include <fauna/models/llama.hpp>

#include "../support/decode_check.hpp"
#include "../support/runs.hpp"

namespace test_cache {

using namespace fauna;
using doctest::Contains;
using test::in_chunks, test::Small;

namespace {

constexpr int context = context_of<Small::model>;
using SmallCache = Cache<Small::model, Small::backend>;

std::vector<int> tokens(int n, std::uint64_t stream) { return test::some_tokens<Small::model>(n, stream); }

}  // namespace

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
  cache.copy(0, copy, 0, 5);  // the first rows alone
  CHECK(in_chunks(model, copy, tail, 3) == want);
  CHECK_THROWS_WITH_AS(cache.copy(0, copy, 0, -1), Contains("a copy of -1"), error);
  CHECK_THROWS_WITH_AS(copy.rewind({{context + 1}, {}}), Contains("0 to 12"), error);
  CHECK_THROWS_WITH_AS(copy.rewind({{1, 1}, {}}), Contains("2 sequences"), error);
}

TEST_CASE("bytes that are no cache, or another model's") {
  SmallCache cache(2, 5);
  const std::string bytes = cache.serialise();
  CHECK(SmallCache::deserialise(bytes).serialise() == bytes);
  CHECK_THROWS_WITH_AS(SmallCache::deserialise("cache"), Contains("no cache"), error);
  CHECK_THROWS_WITH_AS(SmallCache::deserialise(bytes.substr(0, bytes.size() - 1)), Contains("another model"), error);
  using Wider = Cache<NanoGptCpu, Cpu<>>;  // and one whose states are as large, of another policy
  using Other = Cache<Small::model, Cpu<bf16_products>>;
  CHECK(Other(2, 5).serialise().size() == bytes.size());
  CHECK_THROWS_WITH_AS(Wider::deserialise(bytes), Contains("no cache of this model"), error);
  CHECK_THROWS_WITH_AS(Other::deserialise(bytes), Contains("no cache of this model"), error);
  std::string many = bytes;  // more sequences than any memory holds
  many[14] = '\x7f';
  CHECK_THROWS_WITH_AS(SmallCache::deserialise(many), Contains("no cache of this model"), error);
  CHECK_THROWS_AS(SmallCache(0, 5), error);
}

TEST_CASE_TEMPLATE(
    "a cache is no longer than the context of its model", M, Small::model,
    Llama<LlamaConfig{
        .layers = 1, .heads = 2, .kv_heads = 1, .head_size = 8, .width = 16, .hidden = 16, .context = 12, .vocab = 20}>,
    GptNeoX<GptNeoXConfig{.layers = 1, .heads = 2, .width = 16, .hidden = 16, .context = 12, .vocab = 20}>) {
  using C = Cache<M, Cpu<>>;
  const C fits(1, 12);
  CHECK_THROWS_WITH_AS(C(1, 13), Contains("no more than the model's context of 12"), error);
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

TEST_CASE("a sampled text depends on its seed: not on its neighbours, the chunks of its prompt, or the threads") {
  Small model(seed{5});
  const std::vector<std::vector<int>> prompts{tokens(3, 1), tokens(7, 2), tokens(2, 3)};
  const GenerateOptions o{.tokens = 15, .temperature = 1, .seed = 4, .at_end = context_end::slide};
  const auto got = generate_batch(model, prompts, o, [](int, int) {});
  for (std::size_t s = 0; s < prompts.size(); ++s) {
    GenerateOptions own = o;
    own.sample = s;
    CHECK(generate_tokens(model, prompts[s], own, [](int) {}) == got[s]);
  }
  for (const int threads : {1, 3})
    for (const int chunk : {1, 2, 5}) {
      Small other(seed{5}, threads);
      GenerateOptions own = o;
      own.chunk = chunk;
      CHECK(generate_batch(other, prompts, own, [](int, int) {}) == got);
    }
}

TEST_CASE("stop ids, stop texts, and a listener that has heard enough") {
  Small model(seed{3});
  const CharTokenizer text("abcdefghijklmnopqrstuvwxyz ");
  const GenerateOptions o{.tokens = 40, .temperature = 1, .top_k = 0, .seed = 9, .at_end = context_end::slide};
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

}  // namespace test_cache
