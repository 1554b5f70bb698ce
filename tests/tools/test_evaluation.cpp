// Tasks from files, and what an evaluation asks an engine for.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include <fauna/io/file.hpp>
#include <tools/src/evaluation.hpp>
#include <tools/src/tokenizers.hpp>

#include "../support/idle_engine.hpp"
#include "../support/temporary.hpp"

namespace test_evaluation {

namespace {

using namespace fauna;

/// Thinks of every token that its loss is the token's id, and remembers what it read.
struct Ids final : IdleEngine {
  int vocab() const override { return 8; }
  int context() const override { return 4; }
  void losses(const int* ids, const int* targets, int rows, float* losses) override {
    read.emplace_back(ids, ids + rows);
    for (int i = 0; i < rows; ++i) losses[i] = static_cast<float>(targets[i]);
  }
  std::vector<int> generate(std::vector<int> const& prompt, GenerateOptions const& o,
                            std::function<bool(int)> const& see) override {
    read.push_back(prompt);
    for (int i = 0; i < o.tokens && see(i % 3); ++i) {}
    return prompt;
  }
  std::vector<std::vector<int>> read{};
};

tool::Task task_of(std::string const& lines) {
  const TemporaryFolder place;
  write_file(place / "t.jsonl", lines);
  return tool::Task::read(place / "t.jsonl");
}
std::string refusal(std::string const& line) {
  try {
    (void)task_of(R"({"text": "a"})"
                  "\n\n" +
                  line);
  } catch (error const& e) {
    return e.what();
  }
  return "read";
}
const Bpe spelling = Bpe::from_json(tool::character_tokenizer(" abcdef"), "letters");

}  // namespace

TEST_CASE("characters and words are counted as the harness does") {
  CHECK(tool::characters("aé€ ") == 4);
  CHECK(tool::words("a b\n\n c") == 3);
  CHECK(tool::words(" a\xc2\xa0 b ") == 4);  // nothing, a, b, nothing; a no-break space is white
  CHECK(tool::words("") == 1);
  CHECK(tool::end_of_words("ab \n") == 2);
  CHECK(tool::end_of_words(" ") == 0);
  CHECK(tool::stripped(" \na b\t") == "a b");
  CHECK(tool::stripped(" ").empty());
}

TEST_CASE("the likeliest choice, by sum and by length; what does not fit is cut at its beginning") {
  Ids model;
  tool::Evaluation e(model, spelling, {.prefix = 7});
  const tool::Task task = task_of(R"({"context": "c ", "choices": ["b", "aac"], "answer": 0, "delimiter": ""})"
                                  "\n"
                                  R"({"context": "", "choices": ["f", "e"], "answer": 1, "id": 4})"
                                  "\n"
                                  R"({"context": "abcabc", "choices": ["a", "f"], "answer": 1})");
  e.run(task, 2);
  // -2 beside -5, in characters -2 beside -5/3; -6 beside -5.
  CHECK(model.read == std::vector<std::vector<int>>{{3, 0}, {3, 0, 1, 1}, {7, 0}, {7, 0}});
  CHECK(e.items() == 2);
  CHECK(e.cut() == 0);
  REQUIRE(e.measured().size() == 3);
  CHECK(e.measured()[0].first == "acc");
  CHECK(e.measured()[0].second.value == 1);
  CHECK(e.measured()[1].first == "acc_norm");
  CHECK(e.measured()[1].second.value == 0.5);
  CHECK(e.measured()[1].second.error == doctest::Approx(0.5));  // of 0 and 1: √(1/4 / (2 - 1))

  Ids again;
  tool::Evaluation all(again, spelling, {.prefix = 7});
  all.run(task, 0);
  CHECK(all.items() == 3);
  CHECK(all.cut() == 1);
  CHECK(again.read[4] == std::vector<int>{1, 2, 3, 0});
  CHECK(all.json("m", "t", task.kind).find("\"log_likelihoods\": [-1, -6], \"acc\": 0") != std::string::npos);
  tool::Evaluation without(again, spelling, {});
  CHECK_THROWS_WITH_AS(without.run(task, 0), doctest::Contains("t.jsonl:2 begins with no token before it"), error);
  CHECK_THROWS_WITH_AS(all.run(task_of(R"({"context": "a", "choices": ["abcd", "f"], "answer": 1})"), 0),
                       doctest::Contains("a continuation of 5 tokens, expected at most the context of 4"), error);
  CHECK_THROWS_WITH_AS(tool::Evaluation(model, spelling, {.context = 5}), doctest::Contains("at most the model's 4"),
                       error);
}

TEST_CASE("every token of a text is foretold once, and later windows read what there is room for") {
  Ids model;
  tool::Evaluation e(model, spelling, {.prefix = 7});
  e.run(task_of(R"({"text": "abcdef"})"), 0);
  CHECK(model.read == std::vector<std::vector<int>>{{7, 1, 2, 3}, {2, 3, 4, 5}});
  CHECK(e.measured()[0].second.value == doctest::Approx(std::exp(21.0 / 6)));
  CHECK(e.measured()[1].second.value == doctest::Approx(std::exp(21.0)));
  CHECK(e.measured()[3].second.value == doctest::Approx(21.0 / 6 / std::log(2.0)));
  CHECK(e.sizes() == "6 tokens, 1 words, 6 bytes");
}

TEST_CASE("what is written up to a text that ends it is one of the targets, or is not") {
  Ids model;  // writes " ab ab"
  tool::Evaluation e(model, spelling, {.prefix = 7});
  e.run(task_of(R"({"prompt": "abc", "target": "a", "until": "b", "max_tokens": 2})"
                "\n"
                R"({"prompt": "f", "target": ["a", "\nab "], "max_tokens": 3})"
                "\n"
                R"({"prompt": "", "target": "b", "max_tokens": 3})"),
        0);
  CHECK(model.read == std::vector<std::vector<int>>{{2, 3}, {6}, {7}});
  CHECK(e.cut() == 1);
  CHECK(e.measured()[0].second.value == doctest::Approx(2.0 / 3));
  CHECK_THROWS_WITH_AS(e.run(task_of(R"({"prompt": "", "target": "b", "max_tokens": 4})"), 0),
                       doctest::Contains("max_tokens 4, expected less than the context of 4"), error);
}

TEST_CASE("a line that is no item is said with its number") {
  const char* const cases[][2] = {
      {R"({"context": "a", "choices": ["b", "c"], "answer": 1})", ":3 has an item of the kind choice, expected text"},
      {R"({"text": ""})", ":3 has an empty text"},
      {R"({"text": "a")", ":3: the text ends at byte"},
      {R"({"text": "a", "text": "b"})", ":3 has text twice"},
      {R"({"text": "a", "delimeter": " "})", ":3 has delimeter, expected context"},
      {R"({"text": "a", "answer": 1})", ":3 is no item"},
      {R"({"context": "a", "choices": ["b"], "answer": 0})", ":3 has 1 choices, expected at least 2"},
      {R"({"context": "a", "choices": ["b", ""], "answer": 0})", ":3 has an empty choice"},
      {R"({"context": "a", "choices": ["b", "c"], "answer": 2})", ":3 has the answer 2, expected 0 to 1"},
      {R"({"context": "a", "choices": ["b", "c"], "answer": "b"})", ":3: "},
      {R"({"prompt": "a", "target": []})", ":3 has no target"},
      {R"({"prompt": "a", "target": "b", "max_tokens": 0})", ":3 has max_tokens 0"},
      {R"({"prompt": "a", "target": "b", "until": [""]})", ":3 has an empty text in until"},
      {R"(["a"])", ":3: '[' at byte 0"}};
  for (auto const& c : cases) {
    CAPTURE(c[0]);
    const std::string said = refusal(c[0]);
    CAPTURE(said);
    CHECK(said.find(c[1]) != std::string::npos);
  }
  CHECK_THROWS_WITH_AS(task_of("\n \n"), doctest::Contains("has no item"), error);
}

}  // namespace test_evaluation
