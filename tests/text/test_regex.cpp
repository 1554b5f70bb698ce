// Regular expressions match what they match in Python (tools/oracles/regexes.py), and say where they are wrong.
#include <doctest/doctest.h>

#include <fauna/io/file.hpp>
#include <fauna/io/json.hpp>
#include <fauna/text/grammar/automaton.hpp>
#include <fauna/text/grammar/regex.hpp>

#include "../support/source_dir.hpp"
#include "draw.hpp"

namespace test_regex {

using namespace fauna;
using namespace fauna::grammar;
using doctest::Contains;

namespace {

bool matches(std::string_view expression, std::string_view text, RegexOptions options = {}) {
  return Automaton({{regex(expression, options)}}).matches(text);
}
struct Case {
  const char *expression, *text;
  bool found;
};
Expression any() { return repeat(characters({{0, last_character}}), 0); }

}  // namespace

TEST_CASE("regular expressions match what Python's re matches") {
  const std::string path = test::source_path("tests/golden/regex.json"), text = read_file(path);
  JsonReader in(text, path);
  int matched = 0, unmatched = 0, refused = 0;
  in.enter_array();
  while (in.next_item()) {
    in.enter_array();
    in.next_item();
    const std::string expression = in.string();
    CAPTURE(expression);
    in.next_item();
    if (in.peek() == json::null) {
      in.null();
      CHECK_THROWS_WITH_AS(regex(expression), Contains("[regex] at "), error);
      ++refused;
    } else {
      Automaton a({{regex(expression)}});
      for (const bool wanted : {true, false}) {
        if (!wanted) in.next_item();
        in.enter_array();
        while (in.next_item()) {
          const std::string t = in.string();
          CAPTURE(t);
          CHECK(a.matches(t) == wanted);
          ++(wanted ? matched : unmatched);
        }
      }
    }
    CHECK_FALSE(in.next_item());
  }
  CHECK(matched > 1000);
  CHECK(unmatched > 1000);
  CHECK(refused > 20);
}

TEST_CASE("every prefix of a match lives, and what lives can be ended") {
  // A dead end, which no text can leave, is never entered.
  Automaton a({{regex("ab|a[^\\s\\S]|c")}});
  CHECK(a.next(a.start(), "a") != Automaton::none);
  CHECK(a.next(a.start(), "b") == Automaton::none);
  CHECK_FALSE(a.accepts(a.next(a.start(), "a")));
  CHECK(a.ends(a.next(a.start(), "ab")));
  Automaton b({{regex("x[^\\s\\S]|y")}});
  CHECK(b.next(b.start(), "x") == Automaton::none);
  Automaton stars({{regex("(a*)*b?")}});
  CHECK(stars.matches("aaab"));
  CHECK(stars.accepts(stars.start()));
  CHECK_FALSE(stars.ends(stars.start()));
  CHECK_FALSE(stars.ends(stars.next(stars.start(), "a")));
  CHECK(stars.ends(stars.next(stars.start(), "ab")));
  // Of bytes that there are: what needs another one is a dead end, too.
  Bytes some;
  for (const char c : std::string("abc")) some.set(static_cast<unsigned char>(c));
  Automaton c({{regex("ax|[b-z]c")}}, some);
  CHECK(c.next(c.start(), "a") == Automaton::none);
  CHECK(c.matches("bc"));
  CHECK_THROWS_WITH_AS(Automaton({{regex("ax")}}, some), Contains("no text is allowed"), error);
  CHECK_THROWS_WITH_AS(Automaton({{regex("[^\\s\\S]")}}), Contains("no text is allowed"), error);
}

TEST_CASE("characters are whole, and surrogates none") {
  Automaton dot({{regex(".")}}), not_a({{regex("[^a]")}});
  for (char32_t c = 0; c <= last_character; ++c) {
    if (c == 0xd800) c = 0xe000;
    if (c > 0x900 && c < 0xd700) c += 97;
    if (c > 0xe100 && c < 0xff00) c += 97;
    if (c > 0x10100) c += 997;
    if (c > last_character) break;
    std::string text;
    append_code_point(text, c);
    REQUIRE(dot.matches(text) == (c != '\n'));
    REQUIRE(not_a.matches(text) == (c != 'a'));
    if (text.size() > 1) REQUIRE_FALSE(dot.matches(std::string_view(text).substr(1)));
  }
  for (const char* text : {"\xed\xa0\x80", "\xc0\xaf", "\xe0\x80\xaf", "\xf4\x90\x80\x80", "\xff", "\x80"})
    CHECK_FALSE(dot.matches(text));
}

TEST_CASE("what is wrong with an expression, and where") {
  const std::pair<const char*, const char*> cases[] = {
      {"a(b", "at the end of 'a(b', expected ')'"},
      {"ab)", "at byte 2 of 'ab)', expected no ')'"},
      {"a{2", "expected {m}, {m,}"},
      {"a{,}", "expected {m}, {m,}"},
      {"a{x}", "at byte 2 of"},
      {"a*+", "at byte 2 of 'a*+', expected no repetition of a repetition"},
      {"(?=a)", "expected (?:"},
      {"(?i)a", "expected (?:"},
      {"(?<!a)b", "expected (?:"},
      {"(a)\\1", "at byte 4 of"},
      {"\\bword", "at byte 1 of"},
      {"a^b", "at byte 1 of 'a^b', expected ^ and $ around"},
      {"(^a)", "expected ^ and $ around"},
      {"a$b", "expected ^ and $ around"},
      {"[z-a]", "expected a range"},
      {"\\ud800", "expected a character, no half"},
      {"a{1000000}", "expected at most 100000 times"},
      {"é[", "at the end of"},
      {"\xff", "invalid UTF-8"}};
  for (auto const& c : cases) {
    CAPTURE(c.first);
    CHECK_THROWS_WITH_AS(regex(c.first), Contains(c.second), error);
  }
  CHECK_THROWS_WITH_AS(regex(std::string(200, '(')), Contains("100 groups"), error);
  CHECK_THROWS_WITH_AS(matches("(a{1000}){1000}", ""), Contains("more than 262144 states"), error);
  CHECK_THROWS_WITH_AS(matches("((((){60000}){60000}){60000}){60000}", ""), Contains("more than 262144 states"), error);
  std::string text;
  for (Draw draw{1}; text.size() < 200000;) text += draw(2) == 0 ? 'a' : 'b';
  CHECK_THROWS_WITH_AS(matches("(a|b)*a(a|b){30}", text), Contains("come to more than 131072 states"), error);
}

TEST_CASE("a search, and characters in a string of JSON") {
  for (auto const& c : std::vector<Case>{{"b", "abc", true},
                                         {"^b", "abc", false},
                                         {"c$", "abc", true},
                                         {"b$", "abc", false},
                                         {"^a|b$", "ac", true},
                                         {"^a|b$", "cb", true},
                                         {"^a|b$", "cac", false},
                                         {"^$", "", true},
                                         {"^$", "a", false}}) {
    CAPTURE(c.expression);
    CAPTURE(c.text);
    CHECK(matches(c.expression, c.text, {.search = true}) == c.found);
  }
  for (auto const& c : std::vector<Case>{{"a.b", "a\\\"b", true},
                                         {"a.b", "a\"b", false},
                                         {"a.b", "a\\\\b", true},
                                         {"a.b", "a\\b", false},
                                         {"a\\sb", "a\\tb", true},
                                         {"a\\sb", "a\tb", false},
                                         {"\\x01", "\\u0001", true},
                                         {"\\x1f", "\\u001f", true},
                                         {"[^a]", "é", true},
                                         {"[^a]", "\\n", true},
                                         {"[^a]", "a", false},
                                         {"\\x08\\f", "\\b\\f", true}}) {
    CAPTURE(c.expression);
    CAPTURE(c.text);
    CHECK(matches(c.expression, c.text, {.in_string = true}) == c.found);
  }
}

TEST_CASE("rules may use themselves, exactly and to a depth") {
  // Balanced brackets around one x.
  const Expression inside = choice({literal("x"), sequence({literal("["), rule(0), literal("]")})});
  Automaton nested({{inside}});
  const auto text = [](int depth) {
    return std::string(static_cast<std::size_t>(depth), '[') + "x" + std::string(static_cast<std::size_t>(depth), ']');
  };
  for (const int depth : {0, 1, 5, 64}) CHECK(nested.matches(text(depth)));
  CHECK_FALSE(nested.matches("[[x]"));
  CHECK_FALSE(nested.matches("[x]]"));
  // So deep that nothing else could end it: only x is left.
  const int deep = nested.next(nested.start(), std::string(64, '['));
  CHECK(nested.next(deep, '[') == Automaton::none);
  CHECK(nested.next(deep, 'x') != Automaton::none);
  // What never ends is no text, and where it is one of several it is left out.
  CHECK_THROWS_WITH_AS(Automaton({{sequence({literal("a"), rule(0)})}}), Contains("no text is allowed"), error);
  Automaton a({{choice({rule(1), literal("ab")}), sequence({literal("a"), rule(1)})}});
  CHECK(a.matches("ab"));
  CHECK(a.next(a.start(), "aa") == Automaton::none);
  // Rules share what follows them: both ways into rule 1 go on where they came from.
  Automaton shared({{sequence({rule(1), literal("."), rule(1)}), sequence({literal("<"), any(), literal(">")})}});
  CHECK(shared.matches("<a>.<b>"));
  CHECK_FALSE(shared.matches("<a>"));
}

}  // namespace test_regex
