// Caches of attention with windows: as many places as a window needs, whatever the context, and the bits of a pass that
// keeps every key.
#include <doctest/doctest.h>

#include <fauna/blocks/self_attention.hpp>
#include <fauna/models/explain.hpp>
#include <fauna/models/gemma3.hpp>
#include <fauna/models/mistral.hpp>

#include "../support/speculate_check.hpp"

namespace test_windows {

using namespace fauna;
using doctest::Contains;

namespace {

constexpr MistralConfig mistral{.layers = 2,
                                .heads = 4,
                                .kv_heads = 2,
                                .head_size = 8,
                                .width = 16,
                                .hidden = 16,
                                .context = 1 << 20,
                                .vocab = 13,
                                .window = 100,
                                .full_every = unbounded};
/// Every layer has a window of 100 rows.
using Windows = Mistral<mistral>;
/// Two layers have windows of 40, the third sees all.
using Alternating = Gemma3<Gemma3Config{.layers = 4,
                                        .heads = 2,
                                        .kv_heads = 1,
                                        .head_size = 8,
                                        .width = 16,
                                        .hidden = 16,
                                        .context = 700,
                                        .vocab = 13,
                                        .window = 40,
                                        .full_every = 3}>;
/// A layer with a window of 40 and one that sees all, in turns, both with sinks.
template <int Window>
using WithSinks = Residual<At<"attn", SelfAttention<SelfAttentionNames, 16, 4, 2, 8,
                                                    SelfAttentionForm{.scores = {.window = Window, .sinks = true}}>>>;
struct Config {
  int context = 700;
};
struct Sinks : Lm<At<"wte", Embedding<13, 16>>, Stack<0, 2, WithSinks<40>, WithSinks<unbounded>>, LmHead<16, 13>> {
  static constexpr Config config{};
};
using B = Cpu<>;
constexpr int rows = 430;

constexpr Shape one(int context) { return {.sequences = 1, .length = 512, .context = context}; }

// 100 rows, 63 more of the block in which they begin, 64 that can be taken back: four blocks of 64.
static_assert(StatePiece{.grows = true, .window = 100}.places(1 << 20) == 256);
static_assert(state_bytes<Windows>(one(4096)) == 2 * 2 * 2 * 256 * 8 * sizeof(float));
static_assert(state_bytes<Windows>(one(4096)) == state_bytes<Windows>(one(1 << 20)));
static_assert(BoundedState<Windows> && !ConstantState<Windows> && !BoundedState<Alternating>);
// What is there and what is saved are what all keys and values would take.
static_assert(state_bytes<Windows>(one(4096)) + bytes_saved_by_windows<Windows>(one(4096)) ==
              2 * 2 * 2 * 4096 * 8 * sizeof(float));
static_assert(state_bytes<Alternating>(one(640)) + bytes_saved_by_windows<Alternating>(one(640)) ==
              4 * 2 * 640 * 8 * sizeof(float));
static_assert(bytes_saved_by_windows<Windows>(one(256)) == 0);

template <class M> Loaded<M, B> lively() { return Loaded<M, B>(test::lively<M, B>(1).weights(), 1); }
template <class M> std::vector<int> tokens(int n, std::uint64_t stream) { return test::some_tokens<M>(n, stream); }
std::vector<int> part(std::vector<int> const& of, int from, int to) { return {of.begin() + from, of.begin() + to}; }
/// The logits of the rows from `from` on.
template <class M> std::vector<float> tail(std::vector<float> const& logits, int from) {
  return {logits.begin() + static_cast<std::ptrdiff_t>(from) * M::vocab, logits.end()};
}

}  // namespace

TEST_CASE("explain says what windows spare") {
  CHECK(cache_text<Windows>(one(4096)) ==
        "memory of a cache of 1 x 4096 tokens\nstates 65,536 bytes\nspared by windows 983,040 bytes\n");
  CHECK(cache_text<Windows>(one(100)) == "memory of a cache of 1 x 100 tokens\nstates 25,600 bytes\n");
}
TEST_CASE("the scratch of a call is that of its window, whatever the context") {
  CHECK(scratch_bytes<Windows, B>(one(4096)) == scratch_bytes<Windows, B>(one(1 << 20)));
}

TEST_CASE_TEMPLATE("a window's cache gives the bits of one pass, in chunks of any size", M, Windows, Alternating,
                   Sinks) {
  auto model = lively<M>();
  const auto ids = tokens<M>(rows, 1);
  const auto want = test::at_once(model, ids);
  for (const int chunk : test::sizes({1, 7, 64, 65, 130, 300, 512}, {1, 64, 300})) {
    CAPTURE(chunk);
    Cache<M, B> cache(1, 640);
    CHECK(test::in_chunks(model, cache, ids, chunk) == want);
  }
  Cache<M, B> longest(1, context_of<M>);  // goes on past every window with what it has
  test::in_chunks(model, longest, part(ids, 0, 301), 301);
  CHECK(test::in_chunks(model, longest, part(ids, 301, rows), 3) == tail<M>(want, 301));
}

TEST_CASE_TEMPLATE("texts outgrow three windows and the context", M, Windows, Alternating, Sinks) {
  auto model = lively<M>();
  const GenerateOptions plain{.tokens = 350, .temperature = 1, .top_k = 0, .seed = 3};
  const auto prompt = tokens<M>(5, 2);
  const auto text = test::plain(model, prompt, plain);
  const auto logits = test::at_once(model, text);  // of every key, and the same draws
  Sampler sampler(M::vocab, {.temperature = 1, .top_k = 0});
  for (std::size_t at = prompt.size(); at < text.size(); ++at)
    CHECK(text[at] == sampler(logits.data() + (at - 1) * M::vocab, text_key(3, 0), at, text.data(), at));
  GenerateOptions sliding = plain;  // in a context whose rings go round
  sliding.context = 300;
  sliding.tokens = 310;
  sliding.at_end = context_end::slide;
  const auto slid = test::plain(model, prompt, sliding);
  CHECK(part(slid, 0, 300) == part(text, 0, 300));
  for (int end = 300; end < 315; ++end) {
    const auto last = test::at_once(model, part(slid, end - 300, end));
    const auto at = static_cast<std::size_t>(end);
    CHECK(slid[at] == sampler(last.data() + 299 * M::vocab, text_key(3, 0), at, slid.data(), at));
  }
}

TEST_CASE_TEMPLATE("sequences of unequal length share a window's cache", M, Windows, Alternating, Sinks) {
  auto model = lively<M>();
  const std::vector<int> lengths{400, 3, 0, 257, 130};
  std::vector<std::vector<int>> first, second, third, whole;
  for (std::size_t s = 0; s < lengths.size(); ++s) {
    whole.push_back(tokens<M>(lengths[s] + 25, 10 + s));
    first.push_back(part(whole[s], 0, lengths[s]));
    second.push_back(part(whole[s], lengths[s], lengths[s] + 24));
    third.push_back(part(whole[s], lengths[s] + 24, lengths[s] + 25));
  }
  Cache<M, B> cache(5, 640);
  for (auto const& some : {first, second}) test::last_rows(model, cache, some);
  const auto got = test::last_rows(model, cache, third);
  for (std::size_t s = 0; s < lengths.size(); ++s) {
    const auto alone = tail<M>(test::at_once(model, whole[s]), lengths[s] + 24);
    CHECK(std::equal(alone.begin(), alone.end(), got.begin() + static_cast<std::ptrdiff_t>(s) * M::vocab));
  }
}

TEST_CASE_TEMPLATE("a window's cache goes back 64 rows, and no further", M, Windows, Alternating, Sinks) {
  auto model = lively<M>();
  const auto ids = tokens<M>(rows, 1), other = tokens<M>(70, 2);
  const auto want = tail<M>(test::at_once(model, ids), 400);
  Cache<M, B> cache(1, 640);
  test::in_chunks(model, cache, part(ids, 0, 400), 400);
  const auto mark = cache.mark();
  for (const int n : {64, 5, 64}) {
    test::in_chunks(model, cache, part(other, 0, n), n);
    cache.rewind(mark);
    Cache<M, B> copy(cache);
    CHECK(test::in_chunks(model, copy, part(ids, 400, rows), 6) == want);
  }
  // The rows that were taken back count: what they stand in the place of is gone.
  test::in_chunks(model, cache, part(other, 0, 63), 9);
  const std::string before = cache.serialise();
  CHECK(cache.can_rewind(0, 400));
  CHECK(!cache.can_rewind(0, 399));
  CHECK_THROWS_WITH_AS(cache.rewind({{399}, {}}), Contains("row 400 or later"), error);
  CHECK(cache.serialise() == before);
  test::in_chunks(model, cache, part(other, 63, 65), 1);
  CHECK_THROWS_WITH_AS(cache.rewind(mark), Contains("read the text again"), error);
  cache.rewind({{0}, {}});  // to nothing is never too far, and then nothing is lost
  test::in_chunks(model, cache, part(ids, 0, 150), 150);
  cache.rewind({{10}, {}});
  CHECK(test::in_chunks(model, cache, part(ids, 10, rows), 420) == tail<M>(test::at_once(model, ids), 10));
}

TEST_CASE_TEMPLATE("a window's cache is written out, read back and copied into others", M, Windows, Alternating,
                   Sinks) {
  auto model = lively<M>();
  const auto ids = tokens<M>(rows, 1), rest = part(ids, 390, rows);
  const auto want = tail<M>(test::at_once(model, ids), 390);
  Cache<M, B> cache(2, 640);
  test::last_rows(model, cache, {tokens<M>(9, 5), part(ids, 0, 390)});
  auto read = Cache<M, B>::deserialise(cache.serialise());
  CHECK(read.serialise() == cache.serialise());
  const auto go_on = [&](Cache<M, B>& c, int slot) {
    bool same = true;
    for (int r = 0; r < 40; r += 2) {  // in a batch with others that have nothing
      std::vector<std::vector<int>> next(static_cast<std::size_t>(c.sequences()));
      next[static_cast<std::size_t>(slot)] = part(rest, r, r + 2);
      const auto y = test::last_rows(model, c, next);
      same = same && std::equal(y.begin() + slot * M::vocab, y.begin() + (slot + 1) * M::vocab,
                                want.begin() + (r + 1) * M::vocab);
    }
    return same;
  };
  CHECK(go_on(read, 1));
  CHECK_THROWS_AS(read.rewind({{0, 360}, {}}), error);
  for (const int context : {430, 500, 700}) {
    Cache<M, B> other(3, context);
    cache.copy(1, other, 2);
    CHECK(go_on(other, 2));
  }
  Cache<M, B> small(1, 200), large(1, 640);  // one has no ring at all
  test::in_chunks(model, small, part(ids, 0, 200), 200);
  small.copy(0, large, 0);
  CHECK(test::in_chunks(model, large, part(ids, 200, rows), 230) == tail<M>(test::at_once(model, ids), 200));
}

TEST_CASE_TEMPLATE("trees see their own branch's windows past the edge of a ring", M, Windows, Alternating, Sinks) {
  auto model = lively<M>();
  for (const int n : {30, 100}) {  // written before they are read, and after
    const auto ids = tokens<M>(260 + n, 8);
    std::vector<int> all, branch, places;
    test::Random random(4);
    for (int r = 0; r < 260 + n; ++r) {
      const int continued = r < 260 ? r - 1 : r % 5 == 0 ? random.integer(259, r - 1) : r - 1;
      all.push_back(continued);
      places.push_back(continued < 0 ? 0 : places[static_cast<std::size_t>(continued)] + 1);
      if (r >= 260) branch.push_back(continued < 260 ? -1 : continued - 260);
    }
    auto whole = Batch::uniform(1, 260 + n, ids.data()), tree = Batch::uniform(1, n, ids.data() + 260);
    whole.parent = all.data();
    whole.positions = places.data();
    tree.parent = branch.data();
    tree.positions = places.data() + 260;
    std::vector<float> want(static_cast<std::size_t>((260 + n) * M::vocab)),
        got(static_cast<std::size_t>(n * M::vocab));
    model.prepare_inference({.sequences = 1, .length = 260 + n, .context = 640});
    model.logits(whole, logit_rows::all, Matrix<float>(want.data(), 260 + n, M::vocab));
    Cache<M, B> cache(1, 640);
    test::in_chunks(model, cache, part(ids, 0, 260), 260);
    model.logits(cache, tree, logit_rows::all, Matrix<float>(got.data(), n, M::vocab));
    CHECK(got == tail<M>(want, 260));
  }
}

TEST_CASE_TEMPLATE("drafts are taken back from a window's cache", M, Windows, Alternating, Sinks) {
  auto model = lively<M>();
  const auto prompt = tokens<M>(230, 6);
  const GenerateOptions o{.tokens = 60, .temperature = 0.9F, .top_k = 0, .seed = 5};
  const auto want = test::plain(model, prompt, o);
  for (const int draft : {4, 64, 100}) {
    test::Scripted drafter{test::wrong_at_every(want, prompt.size(), 5, M::vocab)};
    const auto got = speculate(model, drafter, prompt, {.text = o, .draft = draft});
    CHECK(got.ids == want);
    CHECK(got.counts.tokens_per_step() > 3);
  }
}

TEST_CASE_TEMPLATE("a reader that must go back further than a ring reads again", M, Windows, Alternating, Sinks) {
  auto model = lively<M>();
  Reader reader(model, 640, 200);
  auto text = tokens<M>(400, 6);
  reader.logits(text.data(), 400, 1, 400);
  const auto other = tokens<M>(300, 7);
  for (const int keep : {390, 250}) {
    std::copy_n(other.begin(), 400 - keep, text.begin() + keep);
    const float* const got = reader.logits(text.data(), 400, 1, 400);
    CHECK(std::vector<float>(got, got + M::vocab) == tail<M>(test::at_once(model, text), 399));
  }
}

TEST_CASE("a sequence is cut where a ring still has its rows, and says where it cannot be") {
  auto model = lively<Windows>();
  const auto ids = tokens<Windows>(rows, 1);
  Cache<Windows, B> cache(1, rows), fresh(1, rows);
  const auto read = [&](auto& into, int from, int to) { return test::in_chunks(model, into, part(ids, from, to), 64); };
  (void)read(cache, 0, 200);
  CHECK(!cache.cuts());
  CHECK(cache.cut(0, 150));  // it has not gone round
  (void)read(cache, 150, 400);
  CHECK_FALSE(cache.cut(0, 300));
  CHECK(cache.length(0) == 400);
  CHECK(cache.cut(0, 340));
  (void)read(fresh, 0, 340);
  CHECK(read(cache, 340, 430) == read(fresh, 340, 430));
  CHECK(cache.cut(0, 0));
  CHECK(read(cache, 0, 100) == test::at_once(model, part(ids, 0, 100)));
  CHECK_THROWS_WITH_AS(cache.cut(0, 101), Contains("0 to 100"), error);
}

}  // namespace test_windows
