// JSON: what RFC 8259 allows is read as it says, anything else is refused at the byte where it stands.
#include <doctest/doctest.h>

#include <cmath>
#include <fauna/io/json.hpp>

namespace test_json {

using namespace fauna;
using doctest::Contains;

namespace {

void skip_all(std::string_view text) {
  JsonReader in(text, "text");
  in.skip();
  in.end();
}
bool accepts(std::string_view text) {
  try {
    skip_all(text);
  } catch (error const&) {
    return false;
  }
  return true;
}
std::string string_of(std::string_view text) {
  JsonReader in(text, "text");
  std::string s = in.string();
  in.end();
  return s;
}
double number_of(std::string_view text) {
  JsonReader in(text, "text");
  const double x = in.number();
  in.end();
  return x;
}
long long integer_of(std::string_view text) {
  JsonReader in(text, "text");
  const long long n = in.integer();
  in.end();
  return n;
}

}  // namespace

TEST_CASE("values come one after another, in the order of the text") {
  JsonReader in(R"( {"a": [1, -2.5e1, "x", true, false, null], "skipped": {"b": [[], {}]}, "c": {} } )", "text");
  std::string key;
  in.enter_object();
  REQUIRE(in.next_key(key));
  CHECK(key == "a");
  CHECK(in.peek() == json::array);
  in.enter_array();
  REQUIRE(in.next_item());
  CHECK(in.peek() == json::number);
  CHECK(in.integer() == 1);
  REQUIRE(in.next_item());
  CHECK(in.number() == -25.0);
  REQUIRE(in.next_item());
  CHECK(in.peek() == json::string);
  CHECK(in.string() == "x");
  REQUIRE(in.next_item());
  CHECK(in.peek() == json::boolean);
  CHECK(in.boolean());
  REQUIRE(in.next_item());
  CHECK_FALSE(in.boolean());
  REQUIRE(in.next_item());
  CHECK(in.peek() == json::null);
  in.null();
  CHECK_FALSE(in.next_item());
  REQUIRE(in.next_key(key));
  CHECK(key == "skipped");
  in.skip();
  REQUIRE(in.next_key(key));
  CHECK(key == "c");
  CHECK(in.peek() == json::object);
  in.enter_object();
  CHECK_FALSE(in.next_key(key));
  CHECK_FALSE(in.next_key(key));
  in.end();
}

TEST_CASE("strings: escapes, surrogate pairs, UTF-8 of every length") {
  CHECK(string_of(R"("\"\\\/\b\f\n\r\t")") == "\"\\/\b\f\n\r\t");
  CHECK(string_of(R"("\u0041\u00e9\u4e2D\ud83e\udd8a")") == "A\u00e9\u4e2d\U0001f98a");
  CHECK(string_of(R"("\u0000")") == std::string(1, '\0'));
  CHECK(string_of("\"A\u00e9\u4e2d\U0001f98a\x7f\"") == "A\u00e9\u4e2d\U0001f98a\x7f");
  CHECK(string_of("\"\uFFFF\U0010FFFF\u0800\u07ff\U00010000\ud7ff\ue000\"") ==
        "\uFFFF\U0010FFFF\u0800\u07ff\U00010000\ud7ff\ue000");
}

TEST_CASE("numbers: doubles as strtod reads them, integers exactly or not at all") {
  CHECK(number_of("0") == 0.0);
  CHECK(std::signbit(number_of("-0")));
  CHECK(number_of("1e-5") == 1e-5);
  CHECK(number_of("1E+2") == 100.0);
  CHECK(number_of("0.1") == 0.1);
  CHECK(integer_of("9223372036854775807") == 9223372036854775807LL);
  CHECK(integer_of("-9223372036854775808") == -9223372036854775807LL - 1);
  for (const char* text : {"9223372036854775808", "-9223372036854775809", "99999999999999999999999", "1.0", "1e2"})
    CHECK_THROWS_WITH_AS(integer_of(text), Contains("at byte 0, expected a whole number"), error);
  for (const char* text : {"01", "-", "1.", ".5", "+1", "1e", "1e+", "0x1", "NaN", "Infinity", "-Infinity", "1 2"}) {
    CAPTURE(text);
    CHECK_FALSE(accepts(text));
  }
}

TEST_CASE("what is no JSON is refused, with the byte at which it stops being JSON") {
  struct Case {
    std::string text;
    const char* error;
  };
  const Case cases[] = {
      {"", "the text ends at byte 0, expected a value"},
      {"  ", "the text ends at byte 2, expected a value"},
      {"{", "the text ends at byte 1, expected a key"},
      {"[", "the text ends at byte 1, expected a value"},
      {"[1", "the text ends at byte 2, expected ',' or ']'"},
      {"[1,]", "']' at byte 3, expected a value after ','"},
      {"[,1]", "',' at byte 1, expected a value"},
      {"[1 2]", "'2' at byte 3, expected ',' or ']'"},
      {"[1}", "'}' at byte 2, expected ',' or ']'"},
      {R"({"a" 1})", "'1' at byte 5, expected ':'"},
      {R"({"a":})", "'}' at byte 5, expected a value"},
      {R"({"a":1,})", "'}' at byte 7, expected a value after ','"},
      {R"({a:1})", "'a' at byte 1, expected a key"},
      {R"({"a":1}})", "'}' at byte 7, expected the end of the text"},
      {"1 // no", "'/' at byte 2, expected the end of the text"},
      {"tru", "the text ends at byte 3, expected true"},
      {"nul1", "'1' at byte 3, expected null"},
      {"falsy", "'y' at byte 4, expected false"},
      {"'a'", "''' at byte 0, expected a value"},
      {"\"a", "the text ends at byte 2, expected '\"'"},
      {"\"a\nb\"", "0x0a at byte 2, expected no control character"},
      {R"("\x")", "'x' at byte 2, expected an escape of JSON"},
      {"\"\\", "the text ends at byte 2, expected an escape of JSON"},
      {R"("\u12g4")", "'g' at byte 5, expected a hexadecimal digit"},
      {R"("\ud800")", "'\"' at byte 7, expected the second half of a surrogate pair"},
      {R"("\ud800\u0041")", "expected the second half of a surrogate pair"},
      {R"("\udc00")", "expected the first half of a surrogate pair"},
      {"\"\xff\"", "0xff at byte 1, expected well-formed UTF-8"},
      {"\"\x80\"", "expected well-formed UTF-8"},
      {"\"\xc3\"", "expected well-formed UTF-8"},
      {"\"\xc0\x80\"", "expected well-formed UTF-8"},
      {"\"\xe0\x80\x80\"", "expected well-formed UTF-8"},
      {"\"\xed\xa0\x80\"", "expected well-formed UTF-8"},
      {"\"\xf0\x80\x80\x80\"", "expected well-formed UTF-8"},
      {"\"\xf4\x90\x80\x80\"", "expected well-formed UTF-8"},
      {"\"\xf5\x80\x80\x80\"", "expected well-formed UTF-8"},
      {"\xef\xbb\xbf{}", "0xef at byte 0, expected a value"},
  };
  for (auto const& c : cases) {
    CAPTURE(c.text);
    CHECK_THROWS_WITH_AS(skip_all(c.text), Contains(c.error), error);
  }
}

TEST_CASE("another kind than the one asked for is an error that names it") {
  const auto ask = [](const char* text, auto question) {
    JsonReader in(text, "config.json");
    question(in);
  };
  CHECK_THROWS_WITH_AS(ask("1", [](JsonReader& in) { in.enter_object(); }),
                       "[json] config.json: '1' at byte 0, expected an object", error);
  CHECK_THROWS_WITH_AS(ask("1", [](JsonReader& in) { in.enter_array(); }), Contains("expected an array"), error);
  CHECK_THROWS_WITH_AS(ask("1", [](JsonReader& in) { in.string(); }), Contains("expected a string"), error);
  CHECK_THROWS_WITH_AS(ask("{}", [](JsonReader& in) { in.number(); }), Contains("expected a number"), error);
  CHECK_THROWS_WITH_AS(ask("{}", [](JsonReader& in) { in.integer(); }), Contains("expected a number"), error);
  CHECK_THROWS_WITH_AS(ask("null", [](JsonReader& in) { in.boolean(); }), Contains("expected true or false"), error);
  CHECK_THROWS_WITH_AS(ask("true", [](JsonReader& in) { in.null(); }), Contains("expected null"), error);
}

TEST_CASE("128 values may lie inside each other, 129 may not") {
  CHECK(accepts(std::string(128, '[') + std::string(128, ']')));
  CHECK_THROWS_WITH_AS(skip_all(std::string(129, '[') + std::string(129, ']')),
                       Contains("at byte 128, expected no more than 128 values inside each other"), error);
}

}  // namespace test_json
