// What generate and sample ask an engine for, where the model has a context of its own and where it has none.
#include <doctest/doctest.h>

#include <fauna/text/chars.hpp>
#include <tools/src/texts.hpp>

#include "../support/idle_engine.hpp"

namespace test_texts {

namespace {

using namespace fauna;

/// Remembers what it is asked for, and answers with the prompt's first token.
struct Parrot final : IdleEngine {
  explicit Parrot(int longest) : longest_(longest) {}
  int vocab() const override { return 3; }
  int context() const override { return longest_; }
  std::vector<int> generate(std::vector<int> const& prompt, GenerateOptions const& o,
                            std::function<bool(int)> const& see) override {
    asked.push_back(o);
    for (int i = 0; i < o.tokens && see(prompt[0]); ++i) ++told;
    return prompt;
  }
  std::vector<GenerateOptions> asked{};
  int told = 0;

 private:
  int longest_;
};

/// What a model of this context is asked for, to go on from "ab".
Parrot written(int longest, settings::Generate const& s) {
  Parrot parrot(longest);
  tool::write_texts(parrot, nullptr, CharTokenizer("abc"), {0, 1}, {}, s, 0, "ab");
  return parrot;
}

}  // namespace

TEST_CASE("texts from a model with a context end there, and from one without when they are long enough") {
  settings::Generate s;
  s.max_new_tokens = 20;
  s.num_samples = 2;
  const Parrot bounded = written(8, s);
  CHECK(bounded.told == 40);  // the engine's own generate ends a text; this one does not
  REQUIRE(bounded.asked.size() == 2);
  CHECK(bounded.asked[0].context == 8);
  CHECK(bounded.asked[1].sample == 1);

  CHECK(written(unbounded, s).asked[0].context == 22);
  s.context = 5;
  CHECK(written(unbounded, s).asked[0].context == 5);
  s.context = 9;
  CHECK_THROWS_WITH_AS(written(8, s), doctest::Contains("--context 9, expected at most the model's 8"), error);
  s.context = 0;
  CHECK_THROWS_WITH_AS(written(1, s), doctest::Contains("a prompt of 2 tokens, expected at most the context of 1"),
                       error);
}

TEST_CASE("a stop text ends what an engine generates") {
  settings::Generate s;
  s.stop = {"aaa"};
  const Parrot parrot = written(unbounded, s);
  CHECK(parrot.told == 2);  // the third is not counted: it is told to end
}

}  // namespace test_texts
