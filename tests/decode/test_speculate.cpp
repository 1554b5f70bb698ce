// Drafters by themselves, acceptance rules, what is refused, and whole texts.
#include <doctest/doctest.h>

#include <fauna/models/gpt.hpp>
#include <fauna/text/chars.hpp>

#include "../support/speculate_check.hpp"

namespace test_speculate {

using namespace fauna;
using doctest::Contains;

namespace {

using Model = Gpt<GptConfig{.layers = 1, .heads = 2, .width = 16, .context = 32, .vocab = 13}>;
using Other = Gpt<GptConfig{.layers = 1, .heads = 2, .width = 16, .context = 32, .vocab = 14}>;
using Target = Loaded<Model, Cpu<>>;

Target target() { return Target(test::lively<Model, Cpu<>>(1).weights(), 1); }

/// What an n-gram drafter appends.
template <class D> std::vector<int> proposed(D d, std::vector<int> text, int most) {
  const auto before = static_cast<std::ptrdiff_t>(text.size());
  d.propose(text, most, [](const float*) { return 0; });
  return {text.begin() + before, text.end()};
}
/// By its definition: for each length from the longest down, for each place from the latest on.
std::vector<int> looked_up(int longest, int shortest, std::vector<int> text, int most) {
  const int n = static_cast<int>(text.size());
  for (int length = std::min(longest, n - 1); length >= shortest; --length)
    for (int end = n - 1; end >= length; --end)
      if (std::equal(text.end() - length, text.end(), text.begin() + end - length)) {
        std::vector<int> out;
        for (int i = 0; i < most; ++i)
          out.push_back(end + i < n ? text[static_cast<std::size_t>(end + i)]
                                    : out[static_cast<std::size_t>(end + i - n)]);
        return out;
      }
  return {};
}

/// The token behind the draft is drawn a row too early: from the logits that the last draft was verified with.
struct WrongRow : Match {
  mutable const float* before = nullptr;
  int next(Drawing at, Drafted const& drafted) const {
    const float* own = at.logits;
    if (drafted.count == 0 && before != nullptr) at.logits = before;
    const int id = at();
    before = drafted.count > 0 && id == drafted.tokens[0] ? own : nullptr;
    return id;
  }
};
/// Drafts stay without being looked at.
struct Trusting : Match {
  static int next(Drawing const& at, Drafted const& drafted) { return drafted.count > 0 ? drafted.tokens[0] : at(); }
};
/// The noise of the block's first place at all of its places, as a generator that is called in order would have it.
struct OneNoise : Match {
  static int next(Drawing at, Drafted const&) {
    at.key = at.key.child(1);
    return at();
  }
};

static_assert(Drafter<NgramDrafter> && Drafter<DraftModel<Reader<Target>>> && Drafter<test::Scripted>);
static_assert(Acceptance<Match> && Acceptance<Greedy> && Acceptance<WrongRow>);
static_assert(TextReader<Reader<Target>> && !TextReader<Target>);

}  // namespace

TEST_CASE("n-gram drafts: the longest suffix, at its latest place, and round again") {
  const NgramDrafter d(3, 1);  // copied for each text
  CHECK(proposed(d, {1, 2, 3, 9, 1, 2, 3}, 2) == std::vector<int>{9, 1});
  CHECK(proposed(d, {2, 3, 8, 3, 7, 2, 3}, 1) == std::vector<int>{8});  // two tokens before one
  CHECK(proposed(d, {3, 8, 3, 7, 3}, 1) == std::vector<int>{7});        // the latest
  CHECK(proposed(d, {1, 2, 3}, 4).empty());
  CHECK(proposed(d, {5}, 4).empty());
  CHECK(proposed(d, {}, 4).empty());
  CHECK(proposed(d, {4, 4}, 5) == std::vector<int>{4, 4, 4, 4, 4});
  CHECK(proposed(d, {6, 1, 2, 1, 2}, 5) == std::vector<int>{1, 2, 1, 2, 1});
  CHECK(proposed(d, {1, 2, 1}, 0).empty());
  CHECK(proposed(NgramDrafter(3, 2), {3, 8, 3, 7, 3}, 1).empty());
  test::Random random(1);
  int found = 0;
  for (int i = 0; i < 500; ++i) {
    const auto text = random.integers(random.integer(0, 40), 0, random.integer(1, 5));
    const int shortest = random.integer(1, 3), longest = shortest + random.integer(0, 6), most = random.integer(0, 9);
    const auto got = proposed(NgramDrafter(longest, shortest), text, most);
    CHECK(got == looked_up(longest, shortest, text, most));
    CHECK(got == proposed(NgramDrafter(longest, shortest, 0), text, most));
    found += !got.empty();
  }
  CHECK(found > 200);
  CHECK_THROWS_WITH_AS(NgramDrafter(2, 3), Contains("[n-gram drafter] 3 to 2"), error);
  CHECK_THROWS_WITH_AS(NgramDrafter(2, 0), Contains("0 to 2"), error);
}

TEST_CASE("n-gram drafts of a text that grows, and of others between: an index finds what looking through does") {
  test::Random random(4);
  for (const int kinds : {1, 2, 3, 7}) {
    NgramDrafter indexed(6, 1, 50);
    std::vector<int> text, other = random.integers(80, 0, 1);
    for (int i = 0; i < 400; ++i) {
      const auto at = static_cast<std::ptrdiff_t>(text.size());
      auto got = text;
      indexed.propose(got, 5, [](const float*) { return 0; });
      CHECK(std::vector<int>(got.begin() + at, got.end()) == looked_up(6, 1, text, 5));
      text.push_back(random.integer(0, 9) == 0 && i > 20 ? text[static_cast<std::size_t>(i - 20)]
                                                         : random.integer(0, kinds - 1));
      if (i % 100 == 99) indexed.propose(other, 1, [](const float*) { return 0; });
      if (i % 50 == 49) text.resize(text.size() - 3);
    }
  }
}

TEST_CASE("a rule that is wrong shows in the ids") {
  auto model = target();
  const std::vector<int> prompt{1, 2, 3};
  const GenerateOptions o{.tokens = 29, .temperature = 1, .top_k = 0};
  const auto want = test::plain(model, prompt, o);
  const test::Scripted right{want}, sometimes{test::wrong_at_every(want, 3, 4, 13)};
  for (const int gamma : {2, 5}) {
    CAPTURE(gamma);
    const SpeculateOptions options{.text = o, .draft = gamma};
    CHECK(speculate(model, sometimes, prompt, options, Match{}).ids == want);
    CHECK(speculate(model, right, prompt, options, WrongRow{}).ids != want);
    CHECK(speculate(model, sometimes, prompt, options, Trusting{}).ids != want);
    CHECK(speculate(model, sometimes, prompt, options, OneNoise{}).ids != want);
  }
}

TEST_CASE("greedy acceptance is matching at temperature 0, and nothing else") {
  auto model = target();
  NgramDrafter ngram(4, 1);
  const GenerateOptions o{.tokens = 25, .temperature = 0};
  const auto want = test::plain(model, {1, 2, 3}, o);
  const auto greedy = speculate(model, ngram, {1, 2, 3}, {.text = o}, Greedy{});
  CHECK(greedy.ids == want);
  CHECK(greedy.counts.accepted == speculate(model, ngram, {1, 2, 3}, {.text = o}, Match{}).counts.accepted);
  CHECK_THROWS_WITH_AS(speculate(model, ngram, {1, 2, 3}, {.text = {.tokens = 5, .temperature = 0.5F}}, Greedy{}),
                       Contains("expected temperature 0"), error);
}

TEST_CASE("drafts are counted by their place") {
  auto model = target();
  const std::vector<int> prompt{1, 2, 3};
  const GenerateOptions o{.tokens = 21, .temperature = 0};
  const test::Scripted every_third{test::wrong_at_every(test::plain(model, prompt, o), 3, 3, 13)};
  const auto counts = speculate(model, every_third, prompt, {.text = o, .draft = 4}).counts;
  CHECK(counts.steps == 7);
  CHECK(counts.tokens == 21);
  CHECK(counts.tokens_per_step() == 3);
  CHECK(counts.drafted == 6 * 4 + 2);  // the last token is drawn behind the last draft
  CHECK(counts.seen == std::vector<long>{7, 7, 6, 0});
  CHECK(counts.accepted == std::vector<long>{7, 7, 0, 0});
}

TEST_CASE(
    "lengths that follow what drafts came to leave the ids alone; a rule whose ids follow from them is asked for") {
  auto model = target();
  const std::vector<int> prompt{1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  const GenerateOptions o{.tokens = 22, .temperature = 1, .top_k = 0};
  const auto want = test::plain(model, prompt, o);
  DraftModel self(model, 32);
  Reader reader(model, 32);
  DraftLength length(4), zero(0);
  measure(reader, prompt, length);
  for (const int rows : {1, 2, 5}) CHECK(length.measured(rows));
  CHECK(!length.measured(3));
  for (int again = 0; again < 3; ++again)
    CHECK(speculate(reader, self, prompt, {.text = o, .draft = 6, .length = &length}).ids == want);
  const auto none = speculate(reader, self, prompt, {.text = o, .draft = 6, .length = &zero});
  CHECK(none.ids == want);
  CHECK(none.counts.drafted == 0);
  const SpeculateOptions never{.text = o, .draft = 6, .length = &zero, .adapts = adapt::never};
  CHECK(speculate(reader, self, prompt, never).counts.drafted > 10);
  // Rejection's ids are those of drafts of six, whatever the length says; unless it is asked.
  const auto fixed = speculate(reader, self, prompt, {.text = o, .draft = 6}, Rejection{});
  const auto told = speculate(reader, self, prompt, {.text = o, .draft = 6, .length = &zero}, Rejection{});
  CHECK(told.ids == fixed.ids);
  CHECK(told.counts.drafted == fixed.counts.drafted);
  const SpeculateOptions asked{.text = o, .draft = 6, .length = &zero, .adapts = adapt::always};
  CHECK(speculate(reader, self, prompt, asked, Rejection{}).counts.drafted == 0);
}

TEST_CASE("drafts of another vocabulary, drafts beyond the context, and what plain decoding refuses") {
  auto model = target();
  NgramDrafter ngram;
  const auto none = [](int) { FAIL("a token was drawn"); };
  const auto refused = [&](auto& drafter, SpeculateOptions const& o, std::vector<int> const& prompt,
                           const char* words) {
    CHECK_THROWS_WITH_AS(speculate(model, drafter, prompt, o, Match{}, none), Contains(words), error);
  };
  Loaded<Other, Cpu<>> other(test::lively<Other, Cpu<>>(1).weights(), 1);
  DraftModel wrong(other, 32);
  const GenerateOptions few{.tokens = 3};
  refused(wrong, {.text = few}, {1}, "[speculate] a draft model with a vocabulary of 14, expected the target's 13");
  refused(ngram, {.text = few, .draft = -1}, {1}, "drafts of -1 tokens");
  refused(ngram, {.text = few, .draft = 32}, {1}, "drafts of 32 tokens, expected 0 to 31, in a context of 32");
  refused(ngram, {.text = {.tokens = 3, .context = 8}, .draft = 8}, {1}, "expected 0 to 7");
  refused(ngram, {.text = few}, {}, "an empty prompt");
  refused(ngram, {.text = few}, {13}, "token 13");
  refused(ngram, {.text = {.tokens = 40}}, {1}, "40 more");
  refused(ngram, {.text = {.tokens = 3, .chunk = 0}}, {1}, "chunks of 0 rows");
  refused(ngram, {.text = {.tokens = 3, .top_p = 0}}, {1}, "top-p");
  CHECK(speculate(model, ngram, {1}, {.text = {.tokens = 0}}).ids == std::vector<int>{1});
}

TEST_CASE("texts: stop texts inside a block, pieces as they come, fewer ids than the model has") {
  auto model = target();
  const CharTokenizer text("abcdefghijkl");
  DraftModel self(model, 32);
  Speculative both{model, self, 5};
  const GenerateOptions o{.tokens = 28, .temperature = 1, .top_k = 0};
  const std::string whole = generate(model, text, "abc", o);
  CHECK(generate(both, text, "abc", o) == whole);
  CHECK(both.counts.tokens == 28);
  CHECK(both.counts.tokens_per_step() > 4);
  for (std::size_t at = 4; at < 24; ++at)
    for (std::size_t length = 1; length <= 3; ++length) {
      GenerateOptions stops = o;
      stops.stop = {"no such text", whole.substr(at, length)};
      std::string heard = "abc", want = "abc";
      const std::string cut = generate(both, text, "abc", stops, [&](std::string const& s) { heard += s; });
      CHECK(cut == generate(model, text, "abc", stops, [&](std::string const& s) { want += s; }));
      CHECK(heard == want);
    }
}

}  // namespace test_speculate
