// Texts that are held to a form: each is one, and drafts change none.
#include <doctest/doctest.h>

#include <fauna/decode/text_rule.hpp>
#include <fauna/models/gpt.hpp>
#include <fauna/text/grammar/regex.hpp>

#include "../support/speculate_check.hpp"

namespace test_text_rule {

using namespace fauna;

namespace {

using Model = Gpt<GptConfig{.layers = 1, .heads = 2, .width = 16, .context = 64, .vocab = 13}>;
using Other = Gpt<GptConfig{.layers = 1, .heads = 1, .width = 8, .context = 64, .vocab = 13}>;

/// The first ends a text; an é is two tokens, or one with what stands before it.
const std::vector<std::string> tokens = {"", "a", "b", "ab", "0", "1", "01", "10", "-", ".", "\xc3", "\xa9", "b\xc3"};
std::string text_of(std::vector<int> const& ids, std::size_t prompt) {
  std::string text;
  for (std::size_t i = prompt; i < ids.size(); ++i) text += tokens[static_cast<std::size_t>(ids[i])];
  return text;
}

}  // namespace

TEST_CASE("a text obeys its rule, with the same tokens whoever drafts") {
  Loaded<Model, Cpu<>> model(test::lively<Model, Cpu<>>(1).weights(), 1);
  Loaded<Other, Cpu<>> other(test::lively<Other, Cpu<>>(2).weights(), 1);
  const grammar::TokenTrie trie(tokens);
  const std::vector<int> prompt{8, 1, 4, 5, 1, 4, 5};
  int ended = 0, accents = 0;
  for (const char* expression : {"-?(0|1[01]*)(\\.[01]+)?", "(ab|é){3,9}", "[ab]{2,30}0?", "(a|b)*"}) {
    grammar::Grammar form{{grammar::regex(expression)}};
    grammar::TokenGrammar held(form, trie, {0});
    grammar::Automaton plain(form);
    TextRule rule(held, prompt.size());
    for (GenerateOptions o : test::ways(24)) {
      CAPTURE(expression);
      CAPTURE(o.temperature);
      o.rule = &rule;
      o.stop_ids = {0};
      const auto want = test::plain(model, prompt, o);
      const std::string text = text_of(want, prompt.size());
      CAPTURE(text);
      const int state = plain.next(plain.start(), text);
      REQUIRE(state != grammar::Automaton::none);
      CHECK((want.size() == prompt.size() + 24 || plain.accepts(state)));
      ended += want.size() < prompt.size() + 24;
      accents += text.find("é") != std::string::npos;

      const auto same = [&](auto drafter, int most) {
        CHECK(speculate(model, drafter, prompt, {.text = o, .draft = most}).ids == want);
      };
      for (const int most : {1, 3, 7}) {
        same(NgramDrafter(3, 1), most);
        same(DraftModel(model), most);
        same(DraftModel(other), most);
        same(test::Wild{.vocab = 13}, most);
        same(test::Scripted{test::wrong_at_every(want, prompt.size(), 3, 13)}, most);
        same(NgramTree(), most);
      }
      // By a law: what is drawn still obeys.
      NgramDrafter drafter(3, 1);
      const auto lawful = speculate(model, drafter, prompt, {.text = o, .draft = 3}, Rejection{}, [](int) {}).ids;
      CHECK(plain.next(plain.start(), text_of(lawful, prompt.size())) != grammar::Automaton::none);
    }
  }
  CHECK(ended > 4);
  CHECK(accents > 0);
}

TEST_CASE("what no longer obeys a rule is left to itself") {
  const grammar::TokenTrie trie(tokens);
  grammar::TokenGrammar held({{grammar::regex("ab0")}}, trie, {0});
  TextRule rule(held, 1);
  const auto allowed = [&rule](std::vector<int> const& text) {
    std::vector<float> logits(tokens.size(), 0.0F);
    rule.forbid(logits.data(), 13, text.data(), text.size());
    std::vector<int> ids;
    for (int id = 0; id < 13; ++id)
      if (logits[static_cast<std::size_t>(id)] == 0) ids.push_back(id);
    return ids;
  };
  CHECK(allowed({9}) == std::vector<int>{1, 3});
  CHECK(allowed({9, 1}) == std::vector<int>{2});
  CHECK(allowed({9, 3}) == std::vector<int>{4});
  CHECK(allowed({9, 1, 2}) == std::vector<int>{4});  // another way to the same text
  CHECK(allowed({9, 1, 1}).size() == 13);
  CHECK(allowed({9, 1, 1, 2}).size() == 13);
  CHECK(allowed({9, 1, -5}).size() == 13);
  CHECK(allowed({9, 3, 4}).size() == 13);  // at its end
  const std::vector<int> whole{9, 3, 4}, other{9, 3, 4, 0};
  CHECK(rule.ends(whole.data(), 3));
  CHECK_FALSE(rule.ends(whole.data(), 2));
  CHECK_FALSE(rule.ends(other.data(), 4));
}

}  // namespace test_text_rule
