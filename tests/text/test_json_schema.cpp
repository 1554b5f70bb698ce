// JSON schemas: which texts fit, which do not, and what is refused by its name.
#include <doctest/doctest.h>

#include <fauna/text/grammar/automaton.hpp>
#include <fauna/text/grammar/json_schema.hpp>

#include "draw.hpp"

namespace test_json_schema {

using namespace fauna;
using namespace fauna::grammar;
using doctest::Contains;

namespace {

struct Case {
  const char* schema;
  std::vector<const char*> fit, do_not;
};
const std::vector<Case> cases = {
    {R"({"type": "integer"})",
     {"0", "-12", "999999999999999"},
     {"", "01", "1.5", "+1", "1000000000000000", " 1", "\"1\""}},
    {R"({"type": "number"})", {"0", "-0.5", "12e+10", "1.25E-3"}, {".5", "1.", "1e", "NaN", "1e100"}},
    {R"({"type": "boolean"})", {"true", "false"}, {"True", "null"}},
    {R"({"type": ["null", "string"], "maxLength": 2})",
     {"null", "\"\"", "\"ab\"", "\"é😀\"", "\"\\n\\\"\""},
     {"\"abc\"", "0"}},
    {R"({"type": "string"})",
     {"\"\"", "\"any \\\\ \\u0001 €\""},
     {"\"a", "\"\n\"", "\"\\x\"", "\"a\"b\"", "\"\\u00e9\"", "\"\\/\""}},
    {R"({"minLength": 2, "maxLength": 3})", {"\"ab\"", "\"abc\""}, {"\"a\"", "\"abcd\""}},
    {R"({"type": "string", "pattern": "^[A-Z]{2}\\d+$"})", {"\"AB1\"", "\"XY123\""}, {"\"AB\"", "\"ABC1\"", "AB1"}},
    {R"({"type": "string", "pattern": "b\"c"})", {"\"ab\\\"cd\"", "\"b\\\"c\""}, {"\"b\"c\"", "\"bc\""}},
    {R"({"enum": ["a", "b\"\n", 1, 1.50, null, [1, {"x": true}], {}]})",
     {"\"a\"", "\"b\\\"\\u000a\"", "1", "1.50", "null", "[1,{\"x\":true}]", "{}"},
     {"\"b\"", "a", "1.5", "[1, {\"x\":true}]"}},
    {R"({"type": "string", "enum": ["a", 1]})", {"\"a\""}, {"1"}},
    {R"({"const": "é"})", {"\"é\""}, {"\"e\""}},
    {R"({"type": "array", "items": {"type": "integer"}})",
     {"[]", "[1]", "[1,2, 3]"},
     {"[1,]", "[,1]", "[ 1]", "[1 ,2]", "[1,  2]", "[\"a\"]"}},
    {R"({"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 3})",
     {"[1,2]", "[1,2,3]"},
     {"[]", "[1]", "[1,2,3,4]"}},
    {R"({"items": {"type": "null"}, "maxItems": 0})", {"[]"}, {"[null]"}},
    {R"({"items": {"type": "null"}, "maxItems": 1})", {"[]", "[null]"}, {"[null,null]"}},
    {R"({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["a", "b"], "additionalProperties": false})",
     {"{\"a\":1,\"b\":\"\"}", "{\"a\": 1, \"b\": \"x\"}"},
     {"{}", "{\"a\":1}", "{\"b\":\"\",\"a\":1}", "{\"a\":1,\"b\":\"\",}", "{\"a\":1,\"b\":\"\",\"c\":1}",
      "{ \"a\":1,\"b\":\"\"}"}},
    {R"({"properties": {"a": {"const": 1}, "b": {"const": 2}, "c": {"const": 3}, "d": {"const": 4}}, "required": ["c"]})",
     {R"({"c":3})", R"({"a":1,"c":3})", R"({"b":2,"c":3})", R"({"a":1,"b":2,"c":3})", R"({"c":3,"d":4})",
      R"({"a":1,"c":3,"d":4})"},
     {"{}", R"({"a":1})", R"({"a":1,"d":4})", R"({,"c":3})", R"({"a":1"c":3})", R"({"c":3,"b":2})"}},
    {R"({"properties": {"a": {"const": 1}, "b": {"const": 2}}})",
     {"{}", R"({"a":1})", R"({"b":2})", R"({"a":1,"b":2})"},
     {R"({,"b":2})", R"({"b":2,"a":1})"}},
    {R"({"type": "object", "additionalProperties": false})", {"{}"}, {"{\"a\":1}"}},
    {R"({"type": "object", "additionalProperties": {"type": "integer"}})",
     {"{}", "{\"a\":1}", "{\"a\":1, \"b\\n\":2}"},
     {"{\"a\":\"b\"}", "{a:1}"}},
    {R"({"anyOf": [{"type": "integer"}, {"type": "object", "properties": {"a": {"type": "null"}}, "required": ["a"]}]})",
     {"5", "{\"a\":null}"},
     {"{}", "\"5\""}},
    {R"({"$defs": {"node/~": {"type": "object", "properties": {"v": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/node~1~0"}, {"type": "null"}]}},
        "required": ["v", "next"]}}, "$ref": "#/$defs/node~1~0"})",
     {R"({"v":1,"next":null})", R"({"v":1,"next":{"v":2,"next":{"v":3,"next":null}}})"},
     {R"({"v":1,"next":{"v":2,"next":null})", R"({"v":1,"next":{"v":2}})"}},
    {R"({"type": "array", "items": {"$ref": "#"}})", {"[]", "[[],[[]]]"}, {"[[]", "[1]"}},
    {R"({"title": "T", "description": "d", "default": 1, "$schema": "s", "type": "null"})", {"null"}, {"1"}},
    {"{}", {"1", "[{\"a\":[null,true]}]", "\"x\""}, {"", "[", "nul"}},
    {"true", {"1", "{}"}, {""}},
};

}  // namespace

TEST_CASE("texts that fit a schema, and texts that do not") {
  for (auto const& c : cases) {
    CAPTURE(c.schema);
    Automaton a(json_schema(c.schema));
    for (const char* text : c.fit) {
      CAPTURE(text);
      CHECK(a.matches(text));
      JsonReader in(text, "text");
      in.skip();
      CHECK_NOTHROW(in.end());
    }
    for (const char* text : c.do_not) {
      CAPTURE(text);
      CHECK_FALSE(a.matches(text));
    }
  }
}

TEST_CASE("any JSON object, and whatever is drawn is JSON") {
  Automaton free(json_object());
  for (const char* text : {"{}", R"({"a":[1, {"b":null}],"c":{}, "d":-1.5e3})", R"({"\"":"\\"})"})
    CHECK(free.matches(text));
  for (const char* text : {"[]", "1", "", "{\"a\"}", "{\"a\":1,}", "{\"a\":1}}", "{\"a\":[1,2}"})
    CHECK_FALSE(free.matches(text));
  const auto nested = [](int n) {
    std::string s = "{\"a\":", e = "}";
    for (int i = 1; i < n; ++i) s += '[', e.insert(0, "]");
    return s + "1" + e;
  };
  CHECK(free.matches(nested(64)));
  CHECK_FALSE(free.matches(nested(70)));

  // Random bytes that keep the text alive, most of them signs; in the end the first of those that close what is open.
  const std::string signs = "{}[]\":, 0123456789-.eE+truefalsn\\ub\xc3\xa9", closing = "\"}]:0ruelsafnt\xa9";
  Draw draw{11};
  for (int i = 0; i < 200; ++i) {
    std::string text;
    int state = free.start();
    for (std::size_t n = 0, k = 0; !free.ends(state); ++n) {
      REQUIRE(k < closing.size());
      const char c = n < 300 ? signs[draw(signs.size())] : closing[k];
      const int to = free.next(state, static_cast<unsigned char>(c));
      k = to != Automaton::none || n < 300 ? 0 : k + 1;
      if (to == Automaton::none) continue;
      text += c;
      state = to;
    }
    CAPTURE(text);
    JsonReader in(text, "drawn");
    CHECK_NOTHROW((in.skip(), in.end()));
  }
}

TEST_CASE("what is not available is refused by its name") {
  const std::pair<const char*, const char*> refused[] = {
      {R"({"type": "integer", "minimum": 1})", "schema: 'minimum' is not available here"},
      {R"({"type": "object", "properties": {"a": {"type": "array", "items": {"format": "date"}}}})",
       "schema.properties.a.items: 'format' is not available here"},
      {R"({"oneOf": [{}]})", "'oneOf' is not available"},
      {R"({"type": "string", "minItems": 1})", "'minItems' is not available here"},
      {R"({"$ref": "#/$defs/a", "type": "string", "$defs": {"a": {}}})", "'type' is not available beside '$ref'"},
      {R"({"anyOf": [{}], "type": "string"})", "'type' is not available beside 'anyOf'"},
      {R"({"enum": ["a"], "minLength": 1})", "'minLength' is not available beside 'const' or 'enum'"},
      {R"({"type": "string", "pattern": "a", "minLength": 1})", "not available beside 'pattern'"},
      {R"({"type": "text"})", "the type 'text', expected object"},
      {R"({"type": "object", "required": ["a"], "properties": {"b": {}}})",
       "schema requires 'a', expected one of its 'properties'"},
      {R"({"$ref": "#/$defs/a"})", "'$ref' to '#/$defs/a', expected a place that is there"},
      {R"({"$ref": "http://example.org"})", "expected one to a place in this schema"},
      {R"({"type": "string", "minLength": 3, "maxLength": 2})", "at least 3 and at most 2"},
      {R"({"type": "array", "maxItems": -1})", "expected 0 to 1000000"},
      {R"({"type": "integer", "enum": ["a"]})", "no value of its type"},
      {R"({"enum": []})", "schema.enum is empty"},
      {R"({"type": "string", "pattern": "(a"})", "[regex] at the end of '(a'"},
      {R"({"properties": {"a": false}})", "schema.properties.a is false"},
      {R"({"type": )", "schema: the text ends"},
      {R"([])", "'[' at byte 0, expected an object"},
  };
  for (auto const& r : refused) {
    CAPTURE(r.first);
    CHECK_THROWS_WITH_AS(json_schema(r.first), Contains(r.second), error);
  }
  // A text that never ends, and one that means only itself.
  for (const char* schema : {R"({"properties": {"a": {"$ref": "#"}}, "required": ["a"]})", R"({"$ref": "#"})",
                             R"({"anyOf": [{"$ref": "#"}]})"})
    CHECK_THROWS_WITH_AS(Automaton(json_schema(schema)), Contains("no text is allowed"), error);
  CHECK(Automaton(json_schema(R"({"anyOf": [{"$ref": "#"}, {"type": "null"}]})")).matches("null"));
}

}  // namespace test_json_schema
