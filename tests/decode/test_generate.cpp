// Text from a model: a function of weights, prompt and seed, and of nothing else.
#include <doctest/doctest.h>
#include <fauna/decode/generate.hpp>
#include <fauna/text/bytes.hpp>

#include "../support/runs.hpp"

namespace test_generate {

using namespace fauna;
using doctest::Contains;
using test::Small;

namespace {

CharTokenizer const& tokenizer() {
  static const CharTokenizer t("abcdefghijklmnopqrstuvwxyz ");
  return t;
}

}  // namespace

TEST_CASE("the same text for a seed, whatever the thread count") {
  Small one(seed{3}, 1);
  const GenerateOptions o{.tokens = 40, .temperature = 1, .top_k = 0, .seed = 9, .at_end = context_end::slide};
  const std::string text = generate(one, tokenizer(), "abc", o);
  CHECK(text.size() == 43);
  CHECK(text.substr(0, 3) == "abc");
  CHECK(generate(one, tokenizer(), "abc", o) == text);
  for (const int threads : {2, 3, 8}) {
    Small many(seed{3}, threads);
    CHECK(generate(many, tokenizer(), "abc", o) == text);
  }
  GenerateOptions other = o;
  other.seed = 10;
  CHECK(generate(one, tokenizer(), "abc", other) != text);
  other = o;
  other.sample = 1;
  CHECK(generate(one, tokenizer(), "abc", other) != text);
}

TEST_CASE("more tokens continue the same text") {
  Small model(seed{3});
  const std::string longer = generate(model, tokenizer(), "the ", {.tokens = 30, .at_end = context_end::slide});
  CHECK(generate(model, tokenizer(), "the ", {.tokens = 10, .at_end = context_end::slide}) == longer.substr(0, 14));
}

TEST_CASE("greedy text takes the largest logit of the last `context` tokens") {
  Small model(seed{3});
  const std::string prompt = "a prompt that is longer than twelve";
  const auto ids = tokenizer().encode(prompt);
  std::vector<float> logits(27);
  model.prepare_inference({.sequences = 1, .length = 12});
  model.logits(Batch::uniform(1, 12, ids.data() + ids.size() - 12), logit_rows::last,
               Matrix<float>(logits.data(), 1, 27));
  int best = 0;
  for (int i = 0; i < 27; ++i)
    best = logits[static_cast<std::size_t>(i)] > logits[static_cast<std::size_t>(best)] ? i : best;
  const std::string text =
      generate(model, tokenizer(), prompt, {.tokens = 1, .temperature = 0, .at_end = context_end::slide});
  CHECK(text == prompt + tokenizer().decode(&best, 1));
  CHECK(generate(model, tokenizer(), prompt, {.tokens = 20, .temperature = 0, .at_end = context_end::slide})
            .substr(prompt.size()) == generate(model, tokenizer(), prompt.substr(prompt.size() - 12),
                                               {.tokens = 20, .temperature = 0, .at_end = context_end::slide})
                                          .substr(12));
}

TEST_CASE("a listener hears each piece as it comes") {
  Small model(seed{3});
  std::vector<std::string> pieces;
  const std::string text =
      generate(model, tokenizer(), "q", {.tokens = 5}, [&](std::string const& p) { pieces.push_back(p); });
  REQUIRE(pieces.size() == 5);
  CHECK("q" + pieces[0] + pieces[1] + pieces[2] + pieces[3] + pieces[4] == text);
}

TEST_CASE("bytes are tokens too") {
  Trained<Gpt<GptConfig{.layers = 1, .heads = 1, .width = 8, .context = 8, .vocab = 256}>, Cpu<>> model;
  CHECK(generate(model, ByteTokenizer{}, "\xff", {.tokens = 9, .at_end = context_end::slide}).size() == 10);
}

TEST_CASE("what cannot be continued") {
  Small model(seed{3});
  CHECK_THROWS_WITH_AS(generate(model, tokenizer(), "", {.tokens = 1}), Contains("empty prompt"), error);
  CHECK_THROWS_WITH_AS(generate(model, tokenizer(), "A", {.tokens = 1}), Contains("unseen character 'A'"), error);
  CHECK_THROWS_WITH_AS(generate(model, tokenizer(), "a", {.tokens = -1}), Contains("-1 tokens"), error);
  CHECK_THROWS_WITH_AS(generate(model, tokenizer(), "a", {.tokens = 1, .top_p = 0}), Contains("top-p"), error);
  CHECK_THROWS_WITH_AS(generate(model, tokenizer(), "a", {.tokens = 1, .stop = {"b", ""}}), Contains("empty stop text"),
                       error);
  CHECK_THROWS_WITH_AS(generate_tokens(model, {27}, {}, [](int) {}), Contains("token 27"), error);
  CHECK(generate(model, tokenizer(), "a", {.tokens = 0}) == "a");
}

}  // namespace test_generate
