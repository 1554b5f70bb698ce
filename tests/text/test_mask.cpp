// Masks over a vocabulary: whatever is drawn from them is a text of the grammar, and every such text can be drawn,
// however it is cut into tokens, characters that are cut included.
#include <doctest/doctest.h>

#include <cmath>
#include <fauna/text/grammar/mask.hpp>
#include <fauna/text/grammar/regex.hpp>
#include <fauna/text/grammar/token_texts.hpp>

#include "../support/source_dir.hpp"
#include "draw.hpp"

namespace test_mask {

using namespace fauna;
using namespace fauna::grammar;
using doctest::Contains;

namespace {

/// Every byte, random strings of some of them, one of them twice; the first ends a text.
std::vector<std::string> vocabulary(std::uint64_t seed) {
  std::vector<std::string> texts(1);
  for (int b = 0; b < 256; ++b) texts.emplace_back(1, static_cast<char>(b));
  Draw draw{seed};
  const std::string some = "aabb01 .-é€😀\xe2\x82";
  for (int i = 0; i < 400; ++i) {
    std::string t;
    for (auto n = 2 + draw(4); n > 0; --n) t += some[draw(some.size())];
    texts.push_back(t);
  }
  texts.push_back(texts.back());
  texts.emplace_back();
  return texts;
}
const std::vector<std::string> expressions = {
    "a{2,5}b*", "(a|b)*0", "[^a]{3}", "-?(0|1[01]*)(\\.[01]+)?", "(é|€|😀)+", ".{0,4}a", "(ab|a)(b|0)?", "[€😀]|a+", ""};

}  // namespace

TEST_CASE("a mask has the tokens after which a text can still be ended") {
  const auto texts = vocabulary(1);
  const TokenTrie trie(texts);
  CHECK(trie.vocab() == static_cast<int>(texts.size()));
  CHECK(trie.bytes().all());
  for (auto const& e : expressions) {
    CAPTURE(e);
    TokenGrammar g({{regex(e)}}, trie, {0});
    Automaton plain({{regex(e)}});
    Draw draw{7};
    int ended = 0;
    for (int i = 0; i < 40; ++i) {
      std::string text;
      int state = g.start();
      for (int tokens = 0; tokens < 30; ++tokens) {
        const Mask mask = g.mask(state);
        std::vector<int> allowed;
        for (int id = 0; id < trie.vocab(); ++id) {
          const std::string after = text + texts[static_cast<std::size_t>(id)];
          const bool lives = id == 0                                       ? plain.matches(text)
                             : texts[static_cast<std::size_t>(id)].empty() ? false
                                                                           : plain.next(plain.start(), after) >= 0;
          REQUIRE(allows(mask, id) == lives);
          if (lives) allowed.push_back(id);
        }
        REQUIRE_FALSE(allowed.empty());
        CHECK(g.ends(state) == (allowed == std::vector<int>{0}));
        const int id = allowed[draw(allowed.size())];
        if (id == 0) {
          CHECK(plain.matches(text));
          ++ended;
          break;
        }
        text += texts[static_cast<std::size_t>(id)];
        state = g.next(state, id);
      }
    }
    CHECK(ended > 4);
    CHECK_THROWS_WITH_AS(g.next(g.start(), trie.vocab() - 1), Contains("one that the mask allows"), error);
  }
}

TEST_CASE("what needs a byte that no token has is not begun") {
  // A 0 would have to be followed by a 1, which is in no token alone; 21 is one that cannot be counted on.
  const TokenTrie trie({"", "0", "2", "a", "21"});
  TokenGrammar g({{regex("01|2[12]?a")}}, trie, {0});
  CHECK(g.mask(g.start()) == Mask{1U << 2 | 1U << 4});
  CHECK(g.mask(g.next(g.start(), 4)) == Mask{1U << 3});
  CHECK_THROWS_WITH_AS(TokenGrammar({{regex("01")}}, trie, {0}), Contains("no text is allowed"), error);
}

TEST_CASE("logits of forbidden tokens") {
  std::vector<float> logits(200, 1.5F);
  Mask mask(4);
  mask[0] = ~std::uint64_t{0};
  mask[1] = 1;
  mask[3] = 1U << 7;
  forbid(mask, logits.data(), 200);
  for (int i = 0; i < 200; ++i) CHECK(logits[static_cast<std::size_t>(i)] == (i <= 64 || i == 199 ? 1.5F : -INFINITY));
}

TEST_CASE("the text of a token is what decoding makes of it within a text") {
  for (const std::string name : {"gpt2", "llama2", "llama3", "neox", "qwen2", "smollm2"}) {
    CAPTURE(name);
    const Bpe bpe = Bpe::from_file(test::source_path("tests/golden/bpe_" + name + ".json"));
    const auto texts = token_texts(bpe, bpe.vocab());
    Draw draw{3};
    int special = 0, seen = 0;
    for (int i = 0; i < 200; ++i) {
      std::string text;
      for (int k = 0; k < 30; ++k) draw.scalar(k % 3 == 0 ? 0x10000 : 0x180, text);
      text = "x" + text + " x  y";  // no space at its ends
      const auto ids = bpe.encode(text, {.add_special = false});
      std::string all;
      for (const int id : ids) all += texts[static_cast<std::size_t>(id)];
      // Llama 2's begins with the space that decoding strips.
      CHECK((name == "llama2" ? all.substr(1) : all) == bpe.decode(ids));
      ++seen;
    }
    for (int id = 0; id < bpe.vocab(); ++id) {
      if (!bpe.has(id)) continue;
      special += bpe.special(id) ? 1 : 0;
      CHECK(texts[static_cast<std::size_t>(id)].empty() == bpe.special(id));
    }
    CHECK(seen == 200);
    CHECK(special > 0);
    CHECK(token_texts(bpe, bpe.vocab() + 5).back().empty());
  }
}

}  // namespace test_mask
