// Several texts with drafts in one pass, of a model with keys and values: the same texts, ends, rules and refusals.
#include <doctest/doctest.h>

#include <algorithm>

#include <fauna/models/gpt.hpp>

#include "../support/batch_check.hpp"

namespace test_speculate_batch {

using namespace fauna;
using doctest::Contains;

namespace {

using Model = Gpt<GptConfig{.layers = 2, .heads = 2, .width = 16, .context = 64, .vocab = 13, .bias = true}>;
using Other = Gpt<GptConfig{.layers = 1, .heads = 2, .width = 16, .context = 32, .vocab = 14}>;
using Target = Loaded<Model, Cpu<>>;

Target target() { return Target(test::lively<Model, Cpu<>>(1).weights(), 1); }
const std::vector<std::vector<int>> prompts{{1, 2, 3}, {4, 5, 6, 7, 8, 9}, {1}, {3, 1, 4, 1, 5}};

/// Slots that count their passes, and the rows of these.
struct Counted : Slots<Target> {
  using Slots<Target>::Slots;
  long passes = 0, rows = 0;
  template <class F> bool step(std::vector<Continuation>& all, int chunk, F&& next) {
    for (int s = 0; s < count(); ++s) rows -= length(s);
    const bool any = Slots<Target>::step(all, chunk, next);
    for (int s = 0; s < count(); ++s) rows += length(s);
    passes += any;
    return any;
  }
};
/// Slots that keep a row too many of what was taken back.
struct OneRowTooMany : Slots<Target> {
  using Slots<Target>::Slots;
  int take_back(int slot, int rows) {
    const int had = length(slot);
    return Slots<Target>::take_back(slot, rows < had && rows > 0 ? rows + 1 : rows) - (rows < had && rows > 0);
  }
};

}  // namespace

TEST_CASE("batches: rules that keep the law draw each text as they do alone") {
  auto model = target();
  const auto self = [&](std::size_t) { return DraftModel(model, 64); };
  const auto ngram = [](std::size_t) { return NgramDrafter(3, 1); };
  for (const int gamma : {1, 5}) {
    const SpeculateOptions o{.text = {.tokens = 31, .temperature = 1.1F, .top_k = 0, .sample = 2}, .draft = gamma};
    test::check_together(model, prompts, o, Rejection{}, self);
    test::check_together(model, prompts, o, PointMass{}, ngram);
    test::check_together(model, prompts, o, Typical{}, self);
  }
}

TEST_CASE("batches: stop ids at every offset of every text, listeners that have heard enough, and few tokens") {
  auto model = target();
  GenerateOptions o{.tokens = 20, .temperature = 1, .top_k = 0, .seed = 3, .context = 40};
  const auto whole = test::each_alone(model, prompts, o);
  const auto right = [&](std::size_t s) { return test::Scripted{whole[s]}; };
  for (const int gamma : {1, 3, 6})
    for (std::size_t text = 0; text < prompts.size(); ++text)
      for (std::size_t at = 0; at < 20; ++at) {
        CAPTURE(gamma);
        CAPTURE(text);
        CAPTURE(at);
        auto stops = o;
        stops.stop_ids = {whole[text][prompts[text].size() + at]};
        test::check_together(model, prompts, {.text = stops, .draft = gamma}, Match{}, right);
        // One listener leaves; the others hear all.
        std::vector<test::Scripted> drafters;
        for (std::size_t s = 0; s < prompts.size(); ++s) drafters.push_back(right(s));
        std::size_t heard = 0;
        const auto got = speculate(model, drafters, prompts, {.text = o, .draft = gamma}, Match{},
                                   [&](int s, int) { return s != static_cast<int>(text) || ++heard <= at; });
        for (std::size_t s = 0; s < prompts.size(); ++s) {
          const std::size_t n = s == text ? prompts[s].size() + at + 1 : whole[s].size();
          CHECK(got[s].ids == std::vector<int>(whole[s].begin(), whole[s].begin() + static_cast<std::ptrdiff_t>(n)));
        }
      }
  for (const int tokens : {0, 1, 2}) {
    o.tokens = tokens;
    test::check_together(model, prompts, {.text = o, .draft = 4}, Match{}, right);
  }
}

TEST_CASE("batches: texts that come to the end of the context stop or slide, each by itself") {
  auto model = target();
  const auto ngram = [](std::size_t) { return NgramDrafter(3, 1); };
  for (const context_end end : {context_end::stop, context_end::slide})
    for (const int context : {8, 11}) {
      const GenerateOptions o{.tokens = 17, .temperature = 1, .top_k = 0, .context = context, .at_end = end};
      const auto got = test::check_together(model, prompts, {.text = o, .draft = 5}, Match{}, ngram);
      const auto want = generate_batch(model, prompts, o, [](int, int) {});
      for (std::size_t s = 0; s < prompts.size(); ++s) CHECK(got[s].ids == want[s]);
    }
}

TEST_CASE("batches: one pass a step for all, over their own rows and drafts") {
  auto model = target();
  const GenerateOptions o{.tokens = 24, .temperature = 0, .context = 64};
  std::vector<test::Scripted> drafters;
  for (auto const& prompt : prompts) drafters.push_back({test::plain(model, prompt, o)});
  Counted slots(model, 4, 64, 16);
  const auto got = speculate(slots, drafters, prompts, {.text = o, .draft = 5});
  CHECK(slots.passes == 4);  // drafts of five and a token more, 24 in all, of every text
  for (auto const& text : got) CHECK(text.counts.tokens_per_step() == 6);
}

TEST_CASE("batches: a prompt that stands several times is read once, and its texts differ") {
  auto model = target();
  const auto prompt = test::some_tokens<Model>(25, 1);
  const std::vector<std::vector<int>> same{prompt, {1, 2}, prompt, prompt, {1, 2}, {7}, {7}};
  const GenerateOptions o{.tokens = 12, .temperature = 1, .top_k = 0, .chunk = 8, .context = 40};
  const auto ngram = [](std::size_t) { return NgramDrafter(3, 1); };
  const auto got = test::check_together(model, same, {.text = o, .draft = 3}, Match{}, ngram);
  CHECK(got[0].ids != got[2].ids);
  CHECK(got[2].ids != got[3].ids);

  Counted slots(model, 7, 40, 16);
  std::vector<NgramDrafter> drafters(7);
  const auto again = speculate(slots, drafters, same, {.text = o, .draft = 0});
  for (std::size_t s = 0; s < same.size(); ++s) CHECK(again[s].ids == got[s].ids);
  CHECK(slots.rows == 24 + 1 + 7 * 12);
}

TEST_CASE("batches: one pass reads the trees of all texts") {
  auto model = target();
  const GenerateOptions o{.tokens = 50, .temperature = 1, .top_k = 0, .context = 64};
  const auto want = test::each_alone(model, prompts, o);
  std::vector<test::ScriptedTree> drafters;
  for (auto const& text : want) drafters.push_back({text, 3, 13});
  Counted slots(model, 4, 64, 64);
  long steps = 0;
  const auto got = speculate(slots, drafters, prompts, {.text = o, .draft = 4});
  for (std::size_t s = 0; s < prompts.size(); ++s) {
    CHECK(got[s].ids == want[s]);
    CHECK(got[s].counts.tokens_per_step() > 1.5);
    steps = std::max(steps, got[s].counts.steps);
  }
  CHECK(slots.passes == steps);
}

TEST_CASE("batches: a length that is measured follows what the drafts of all come to, and leaves the texts alone") {
  auto model = target();
  const GenerateOptions o{.tokens = 40, .temperature = 0, .context = 64};
  const auto whole = test::each_alone(model, prompts, o);
  for (const bool right : {true, false}) {
    std::vector<test::Scripted> drafters;
    for (std::size_t s = 0; s < prompts.size(); ++s)
      drafters.push_back({right ? whole[s] : test::wrong_at_every(whole[s], prompts[s].size(), 1, 13)});
    DraftLength length(3);
    SpeculateOptions how{.text = o, .draft = 3, .length = &length};
    const auto got = speculate(model, drafters, prompts, how);
    for (std::size_t s = 0; s < prompts.size(); ++s) CHECK(got[s].ids == whole[s]);
    CHECK((right ? length.stays(0) > 0.9 : length.stays(0) < 0.1));
    CHECK(length.measured(1));
    how.adapts = adapt::never;
    const auto fixed = speculate(model, drafters, prompts, how);
    for (auto const& text : fixed) CHECK(text.counts.drafted >= (right ? 28 : 90));
  }
}

TEST_CASE("batches: slots that are not taken back as they should be show") {
  auto model = target();
  const GenerateOptions o{.tokens = 40, .temperature = 0, .context = 64};
  const auto run = [&](auto& slots) {
    std::vector<test::Scripted> drafters;
    for (std::size_t s = 0; s < prompts.size(); ++s)
      drafters.push_back({test::wrong_at_every(test::plain(model, prompts[s], o), prompts[s].size(), 3, 13)});
    int same = 0;
    const auto got = speculate(slots, drafters, prompts, {.text = o, .draft = 4});
    for (std::size_t s = 0; s < prompts.size(); ++s) same += got[s].ids == test::plain(model, prompts[s], o);
    return same;
  };
  Slots<Target> honest(model, 4, 64, 16);
  CHECK(run(honest) == 4);
  CHECK(run(honest) == 4);  // in slots that are full of other rows
  OneRowTooMany wrong(model, 4, 64, 16);
  CHECK(run(wrong) < 4);
}

TEST_CASE("batches: what is refused") {
  auto model = target();
  std::vector<NgramDrafter> two(2);
  const auto refused = [&](auto& drafters, std::vector<std::vector<int>> const& p, SpeculateOptions const& o,
                           const char* words) {
    CHECK_THROWS_WITH_AS(speculate(model, drafters, p, o), Contains(words), error);
  };
  const GenerateOptions few{.tokens = 3};
  refused(two, {{1}}, {.text = few}, "[speculate] 2 drafters for 1 prompts, expected one for each");
  refused(two, {}, {.text = few}, "no prompt");
  refused(two, {{1}, {}}, {.text = few}, "an empty prompt");
  refused(two, {{1}, {13}}, {.text = few}, "token 13");
  refused(two, {{1}, {2}}, {.text = few, .draft = 64}, "drafts of 64 tokens, expected 0 to 63");
  Loaded<Other, Cpu<>> other(test::lively<Other, Cpu<>>(1).weights(), 1);
  std::vector<DraftModel<Reader<Loaded<Other, Cpu<>>>>> wrong;
  wrong.emplace_back(other, 32);
  refused(wrong, {{1}}, {.text = few}, "a draft model with a vocabulary of 14, expected the target's 13");
  Slots<Target> slots(model, 1, 64, 16);
  CHECK_THROWS_WITH_AS(speculate(slots, two, {{1}, {2}}, {.text = few}), Contains("2 prompts for 1 slots"), error);
}

}  // namespace test_speculate_batch
