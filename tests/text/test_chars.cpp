// Characters and bytes as tokens.
#include <doctest/doctest.h>

#include <fauna/text/bytes.hpp>
#include <fauna/text/chars.hpp>

#include "../support/temporary.hpp"

namespace test_chars {

using namespace fauna;
using doctest::Contains;

namespace {

using Ids = std::vector<int>;

}  // namespace

TEST_CASE("the vocabulary is the distinct characters in the order of their code points") {
  const CharTokenizer t("banana \n\u00e9\U0001F600z\u20ac");
  CHECK(t.vocab() == 9);
  CHECK(t.alphabet() == "\n abnz\u00e9\u20ac\U0001F600");
  CHECK(t.encode("ban \u20ac\U0001F600") == Ids{3, 2, 4, 1, 7, 8});
  const Ids ids = t.encode("z\u00e9\U0001F600");
  CHECK(t.decode(ids.data(), ids.size()) == "z\u00e9\U0001F600");
  CHECK(CharTokenizer(t.alphabet()).alphabet() == t.alphabet());
}

TEST_CASE("every code point survives encode and decode") {
  std::string all;
  for (std::uint32_t c = 0; c < 0x110000U; c += c < 0x3000U ? 1 : 97)
    if (c < 0xd800U || c >= 0xe000U) append_code_point(all, static_cast<char32_t>(c));
  for (const std::uint32_t edge : {0x7fU, 0x80U, 0x7ffU, 0x800U, 0xd7ffU, 0xe000U, 0xffffU, 0x10000U, 0x10ffffU})
    append_code_point(all, static_cast<char32_t>(edge));
  const CharTokenizer t(all);
  const Ids ids = t.encode(all);
  CHECK(t.decode(ids.data(), ids.size()) == all);
}

TEST_CASE("invalid UTF-8 is refused at its byte") {
  const char* const bad[] = {"ab\x80",              // a continuation byte alone
                             "ab\xc3",              // cut short
                             "ab\xc3(",             // no continuation
                             "ab\xe2\x82",          // cut short
                             "ab\xc0\xaf",          // two bytes for '/'
                             "ab\xe0\x80\xaf",      // three bytes for '/'
                             "ab\xf0\x80\x80\xaf",  // four bytes for '/'
                             "ab\xed\xa0\x80",      // a surrogate
                             "ab\xf4\x90\x80\x80",  // above U+10FFFF
                             "ab\xf5\x80\x80\x80",
                             "ab\xff"};
  for (const char* text : bad)
    CHECK_THROWS_WITH_AS(CharTokenizer{text}, Contains("[text] invalid UTF-8 at byte 2"), error);
}

TEST_CASE("an unseen character is named with its place, or replaced") {
  const CharTokenizer t("abc \u00e9");
  CHECK_THROWS_WITH_AS(t.encode("a\u00e9\u20acb"),
                       "[text] unseen character '\u20ac' (U+20AC) at character 2, byte 3, expected one of the 5 "
                       "characters of the vocabulary: remove it, or choose a replacement",
                       error);
  CHECK(t.encode("a\u20acb", U' ') == Ids{1, 0, 2});
  CHECK_THROWS_WITH_AS(t.encode("a", U'x'), Contains("'x' (U+0078) is itself unseen"), error);
  CHECK_THROWS_WITH_AS(t.encode(std::string(1, '\0')), Contains("(U+0000) at character 0"), error);
  CHECK_THROWS_WITH_AS(t.decode(Ids{0, 5}.data(), 2), Contains("token 1 is 5"), error);
  CHECK_THROWS_WITH_AS(t.decode(Ids{-1}.data(), 1), Contains("token 0 is -1"), error);
}

TEST_CASE("a text from a file trains on its first nine tenths") {
  const TemporaryFolder folder;
  const std::string path = folder / "input.txt";
  write_file(path, "hello world\nhello moon");
  const CharText text = CharText::from_file(path);
  CHECK(text.vocab() == 11);
  CHECK(text.tokens().size() == 22);
  CHECK(text.train().size() == 19);
  CHECK(text.val().size() == 3);
  CHECK(text.tokens()[0] == text.id(U'h'));
  CHECK(text.val()[2] == text.id(U'n'));
  CHECK(std::string(text.val().name()) == "val");
}

TEST_CASE("texts with nothing to predict are refused") {
  CHECK_THROWS_WITH_AS(CharText::from_string(""), Contains("a text of length 0"), error);
  CHECK_THROWS_WITH_AS(CharText::from_string("\u20ac"), Contains("a text of length 1"), error);
  CHECK(CharText::from_string("ab").tokens().size() == 2);
  const TemporaryFolder folder;
  const std::string path = folder / "input.txt";
  write_file(path, "");
  CHECK_THROWS_WITH_AS(CharText::from_file(path), Contains(("(in " + path + ")").c_str()), error);
  CHECK_THROWS_WITH_AS(ByteText::from_file(path), Contains((path + " has length 0").c_str()), error);
  write_file(path, "abcx");
  CHECK_THROWS_WITH_AS(CharText::from_file(path, CharTokenizer("abc")), Contains("'x' (U+0078) at character 3"), error);
  CHECK(CharText::from_file(path, CharTokenizer("uvwxabc")).tokens()[3] == 6);
}

TEST_CASE("bytes are tokens, whatever they are") {
  std::string every;
  for (int i = 0; i < 256; ++i) every += static_cast<char>(i);
  const Ids ids = ByteTokenizer::encode(every);
  CHECK(ids[0] == 0);
  CHECK(ids[255] == 255);
  CHECK(ByteTokenizer::decode(ids.data(), ids.size()) == every);
  CHECK_THROWS_WITH_AS(ByteTokenizer::decode(Ids{256}.data(), 1), Contains("token 0 is 256"), error);
  const TemporaryFolder folder;
  write_file(folder / "bytes", every);
  const ByteText text = ByteText::from_file(folder / "bytes");
  CHECK(text.tokens().size() == 256);
  CHECK(text.tokens()[200] == 200);
  CHECK(text.train().size() == 230);
}

}  // namespace test_chars
