// Chat templates: what jinja2 makes of expressions and statements (tools/oracles/templates.py), errors with their
// place, whose text is whose, and that every template ends.
#include <doctest/doctest.h>

#include <fauna/io/file.hpp>
#include <fauna/text/template/template.hpp>

#include "../support/source_dir.hpp"

namespace test_template {

namespace {

using namespace fauna;
using doctest::Contains;

/// 2026-03-01 14:05:09, a Sunday: what the oracle's strftime_now says.
std::tm sunday() {
  std::tm t{};
  t.tm_year = 126;
  t.tm_mon = 2;
  t.tm_mday = 1;
  t.tm_hour = 14;
  t.tm_min = 5;
  t.tm_sec = 9;
  t.tm_yday = 59;
  return t;
}

using Values = std::vector<std::pair<std::string_view, jinja::Value>>;

/// The members of a JSON object.
Values members(JsonReader& in, jinja::Heap& heap, char with = jinja::foreign) {
  Values all;
  in.enter_object();
  for (std::string key; in.next_key(key);) all.emplace_back(heap.text(key)->bytes, jinja::read_json(in, heap, with));
  return all;
}
jinja::Text rendered(std::string_view text, std::string_view json = "{}", jinja::Limits limits = {}) {
  jinja::Heap heap;
  JsonReader in(json, "values");
  const Values values = members(in, heap);
  return Template(text, "t").render(heap, values, sunday(), limits);
}
std::string plain(std::string_view text, std::string_view json = "{}") { return rendered(text, json).bytes; }

}  // namespace

TEST_CASE("expressions and statements are what they are in jinja2, and refused where they are there") {
  const std::string path = test::source_path("tests/golden/templates/expressions.json"), text = read_file(path);
  JsonReader in(text, path);
  jinja::Heap heap;
  Values values;
  int count = 0, refused = 0;
  in.enter_object();
  for (std::string key; in.next_key(key);) {
    if (key == "values") {
      values = members(in, heap);
      continue;
    }
    in.enter_array();
    while (in.next_item()) {
      in.enter_array();
      in.next_item();
      const std::string source = in.string();
      in.next_item();
      const bool refuses = in.peek() == json::null;
      std::string want = "(refused)", got = "(refused)";
      if (refuses) in.null();
      else want = in.string();
      CHECK_FALSE(in.next_item());
      CAPTURE(source);
      std::string why;
      try {
        const Template t(source, "t");
        jinja::Heap made;
        got = t.render(made, values, sunday()).bytes;
      } catch (jinja::template_error const& e) {
        why = e.what();
      }
      CAPTURE(why);
      CHECK(got == want);
      ++count;
      refused += refuses;
    }
  }
  CHECK(count > 600);
  CHECK(refused > 100);
}

TEST_CASE("the templates of thirty families of models say in each conversation what jinja2 makes of them") {
  const std::string folder = test::source_path("tests/golden/templates/"), path = folder + "expected.json",
                    text = read_file(path);
  JsonReader in(text, path);
  jinja::Heap heap;
  std::vector<Values> conversations;
  int templates = 0, refused = 0;
  in.enter_object();
  for (std::string key; in.next_key(key);) {
    if (key == "conversations") {
      in.enter_array();
      while (in.next_item()) {
        conversations.push_back(members(in, heap));
        CHECK(conversations.back().back().first == "eos_token");
      }
      continue;
    }
    in.enter_object();
    for (std::string name; in.next_key(name); ++templates) {
      CAPTURE(name);
      const Template t(read_file(folder + name + ".jinja"), name + ".jinja");
      std::size_t n = 0;
      in.enter_array();
      for (; in.next_item(); ++n) {
        CAPTURE(n);
        const bool refuses = in.peek() == json::null;
        std::string want, got, why;
        if (refuses) in.null();
        else want = in.string();
        refused += refuses;
        bool thrown = false;
        try {
          jinja::Heap made;
          got = t.render(made, conversations.at(n), sunday()).bytes;
        } catch (jinja::template_error const& e) {
          thrown = true;
          why = e.what();
        }
        CAPTURE(why);
        CHECK(thrown == refuses);
        CHECK(got == want);
      }
      CHECK(n == 10);
    }
  }
  CHECK(templates == 30);
  CHECK(refused == 45);
}

TEST_CASE("an error says where it is, what was found and what was expected") {
  const auto said = [](std::string const& text, std::string const& want) {
    CAPTURE(text);
    CHECK_THROWS_WITH_AS(plain(text), want.c_str(), jinja::template_error);
  };
  said("a\n  {% if x %}", "[template] t:2:13: the end of the template, expected {% endif %}");
  said("{{ x | upcase }}",
       ("[template] t:1:8: an unknown filter, upcase, expected one of " + jinja::filter_names()).c_str());
  said("{{ 1 is prime }}", "[template] t:1:9: an unknown test, prime, expected one of " + jinja::test_names());
  said("\n\n{{ a b }}", "[template] t:3:6: 'b', expected an operator or }}");
  said("{{ (1 }}", "[template] t:1:7: '}', expected ')'");
  said("{% include 'x' %}",
       "[template] t:1:4: the statement include, expected if, for, set, macro, call, filter, with, "
       "raw, break, continue or generation");
  said("{{ 'é' ~\n m.content }}", "[template] t:2:3: 'm' is undefined, expected a value");
  said("{{ 'a' + 1 }}",
       "[template] t:1:8: a string + an integer, expected two numbers, or what these can be done with: "
       "~ joins anything as text");
  said("{{ raise_exception('no ' ~ 5) }}", "[template] t:1:19: no 5");
  said("{{ '\xff' }}", "[template] t:1:5: bytes that are no UTF-8");
  said("{% set d = {} %}{{ d.update({}) }}",
       "[template] t:1:28: update changes a dict, which templates may not: it is undefined, expected a value");
  try {
    plain("{{ raise_exception('Roles must alternate') }}");
    CHECK(false);
  } catch (jinja::template_error const& e) {
    CHECK(e.said == "Roles must alternate");
    CHECK(e.line == 1);
    CHECK(e.column == 19);
  }
}

TEST_CASE("every byte knows whether it came out of the conversation") {
  const std::string user = R"({"m": {"role": "user", "content": "<A>\n b,c", "type": "evil"}, "l": ["x", "y"]})";
  /// The text with [ ] around what is foreign.
  const auto shown = [&](std::string const& text) {
    const jinja::Text t = rendered(text, user);
    std::string out;
    for (std::size_t i = 0; i <= t.size(); ++i) {
      const bool was = i > 0 && (t.mark_at(i - 1) & jinja::foreign) != 0,
                 is = i < t.size() && (t.mark_at(i) & jinja::foreign) != 0;
      if (is != was) out += is ? '[' : ']';
      if (i < t.size()) out += t.bytes[i];
    }
    return out;
  };
  CHECK(shown("a{{ m.content }}b") == "a[<A>\n b,c]b");
  CHECK(shown("{{ '<' + m.role + '>' + m.type }}") == "<user>[evil]");
  CHECK(shown("{{ m.content | trim | upper }}{{ m.content[1:3] }}") == "[<A>\n B,CA>]");
  CHECK(shown("{{ m.content.split(',') | join(';') }}") == "[<A>\n b];[c]");
  CHECK(shown("{{ m.content | replace('A', 'own') }}") == "[<]own[>\n b,c]");
  CHECK(shown("{{ m | tojson }}") == R"({"[role]": "user", "[content]": "[<A>\n b,c]", "[type]": "[evil]"})");
  CHECK(shown("{{ l }}{{ '%s-%s' % ('a', l[0]) }}{{ 'z{}'.format(l[1]) }}") == "['[x]', '[y]']a-[x]z[y]");
  CHECK(shown("{% set x %}<{{ l[0] }}>{% endset %}{{ x * 2 }}{% macro f(a) %}{{ a }}!{% endmacro %}{{ f(l[1]) }}") ==
        "<[x]><[x]>[y]!");
  CHECK(shown("{{ m.content | indent(2) }}{{ l | map('upper') | join }}{{ l[0].center(5) }}") ==
        "[<A>\n]  [ b,cXY]  [x]  ");
  CHECK(shown("{% for c in l[0] ~ 'y' %}{{ c }}{% endfor %}{{ m.content | reverse | first }}") == "[x]y[c]");
}

TEST_CASE("what stands in a generation block is marked") {
  const jinja::Text t = rendered("a{% generation %}b{{ x }}{% endgeneration %}c", R"({"x": "X"})");
  CHECK(t.bytes == "abXc");
  CHECK(t.mark_at(0) == jinja::own);
  CHECK(t.mark_at(1) == jinja::generated);
  CHECK(t.mark_at(2) == (jinja::generated | jinja::foreign));
  CHECK(t.mark_at(3) == jinja::own);
}

TEST_CASE("every template ends") {
  const auto ends = [](std::string const& text, const char* found, jinja::Limits limits = {.steps = 100000}) {
    CAPTURE(text);
    CHECK_THROWS_WITH_AS(rendered(text, "{}", limits), Contains(found), jinja::template_error);
  };
  ends("{% for a in range(1000) %}{% for b in range(1000) %}x{% endfor %}{% endfor %}", "more than 100000 steps");
  ends("{% set n = namespace(s='abcdefgh') %}{% for i in range(60) %}{% set n.s = n.s ~ n.s %}{% endfor %}", "steps");
  ends("{% set n = namespace(l=[1]) %}{% for i in range(60) %}{% set n.l = n.l + n.l %}{% endfor %}", "steps");
  ends("{{ 'a' * 1000000000 }}", "steps");
  ends("{{ [0] * 1000000000 }}", "steps");
  ends("{{ ('a' * 100000).replace('', 'b' * 100000) }}", "steps");
  ends("{{ (('a' * 1000) | list) | join('b' * 100000) }}", "steps");
  ends("{{ range(99999) | list | sort }}", "steps");
  ends("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "calls inside each other");
  ends("{{ " + std::string(5000, '(') + "1" + std::string(5000, ')') + " }}", "150 things inside each other");
  ends("{{ " + std::string(100000, '-') + "1 }}", "150 things inside each other");
  std::string chain = "{{ 1";
  for (int i = 0; i < 100000; ++i) chain += "+1";
  ends(chain + " }}", "calls inside each other");
  std::string nested;
  for (int i = 0; i < 1000; ++i) nested += "{% if 1 %}";
  ends(nested, "150 things inside each other");
  ends("{% set n = namespace(l=[]) %}{% for i in range(2000) %}{% set n.l = [n.l] %}{% endfor %}{{ n.l }}",
       "calls inside each other");
  ends("{% for i in range(1000) %}0123456789{% endfor %}", "more than 1000 bytes", {.bytes = 1000});
  CHECK(plain("{% set n = namespace() %}{% set n.self = n %}{{ n.self.self is defined }}") == "True");
}

}  // namespace test_template
