// The World tokenizer of RWKV: the longest token first, over bytes; literals as Python writes them.
#include <doctest/doctest.h>

#include <cstdlib>
#include <fauna/core/concepts.hpp>
#include <fauna/text/rwkv_world.hpp>

#include "../support/temporary.hpp"

namespace test_rwkv_world {

using namespace fauna;
using doctest::Contains;

static_assert(Tokenizer<RwkvWorld>);

namespace {

const TemporaryFolder folder;
RwkvWorld read(std::string const& text) {
  write_file(folder / "vocab.txt", text);
  return RwkvWorld::from_file(folder / "vocab.txt");
}
/// A line for each byte, as in the published vocabulary: ids 1 to 256.
std::string bytes() {
  std::string all;
  constexpr char hex[] = "0123456789abcdef";
  for (int b = 0; b < 256; ++b)
    all += std::to_string(b + 1) + (b < 128 ? " '\\x" : " b'\\x") + hex[b / 16] + hex[b % 16] + "' 1\n";
  return all;
}
std::string decoded(RwkvWorld const& t, std::vector<int> const& ids) { return t.decode(ids.data(), ids.size()); }

}  // namespace

TEST_CASE("world: the longest token that fits, and bytes where none does") {
  const RwkvWorld t = read(bytes() + "300 'ab' 2\n301 'abcd' 4\n302 'b\\'' 2\n303 \"it's\" 4\n304 '\\u00e9' 2\n" +
                           "305 b'\\xe4\\xb8' 2\n306 '\\n\\n' 2\n307 '\xc3\xbc' 2\n308 '\\xe8' 2\n309 '\\\\\\t' 2\n"
                           "310 '\\U0001f98a' 4\n");
  const auto is = [&](std::string const& text, std::vector<int> const& ids) {
    CAPTURE(text);
    CHECK(t.encode(text) == ids);
    CHECK(decoded(t, ids) == text);
  };
  CHECK(t.vocab() == 311);
  is("", {});
  is("abcd", {301});
  is("abcabab", {300, 100, 300, 300});
  is("b'", {302});
  is("it's", {303});
  is("\xc3\xa9", {304});
  is("\xe4\xb8\xad\xe4", {305, 0xad + 1, 0xe4 + 1});
  is("\n\n\n", {306, 11});
  is("\xc3\xbc\xc3\xa8", {307, 308});
  is("\\\t\\", {309, '\\' + 1});
  is("\xf0\x9f\xa6\x8a", {310});
  is(std::string("\0a", 2), {1, 'a' + 1});
  CHECK(decoded(t, {0, 301, 0, 299}) == "abcd");  // ids without a token, and the end of a text, are no text
  const int outside[] = {311}, below[] = {-1};
  CHECK_THROWS_WITH_AS(t.decode(outside, 1), Contains("0 to 310"), error);
  CHECK_THROWS_WITH_AS(t.decode(below, 1), Contains("0 to 310"), error);
}

TEST_CASE("world: what is no vocabulary is refused, with the line") {
  const auto refused = [](std::string const& line, const char* what) {
    CAPTURE(line);
    CHECK_THROWS_WITH_AS(read(bytes() + line), Contains(what), error);
  };
  refused("300", "line 257 has no three parts");
  refused("300 'a'", "three parts");
  refused("x 'aa' 2", "id");
  refused("0 'aa' 2", "id");
  refused("-1 'aa' 2", "id");
  refused("99999999999 'aa' 2", "id");
  refused("300 'aa' x", "length");
  refused("300 'aa' 3", "length that it says");
  refused("300 '' 0", "length that it says");
  refused("7 'aa' 2", "id of its own");
  refused("300 'a' 1", "text of its own");
  for (const char* literal :
       {"aa", "'aa", "'aa\"", "'a'a'", "'a\\'", "'\\q'", "'\\x4'", "'\\xg0'", "b'\\u0041'", "'\\U00110000'", "u'aa'"})
    refused("300 " + std::string(literal) + " 2", "literal as Python writes it");
  CHECK_THROWS_WITH_AS(read("1 'a' 1\n"), Contains("no token for the byte 0"), error);
  CHECK_THROWS_WITH_AS(RwkvWorld::from_file(folder / "nowhere"), Contains("nowhere"), error);
}

TEST_CASE("world: the published vocabulary") {
  const char* shared = std::getenv("FAUNA_SHARED_DIR");
  if (shared == nullptr) {
    MESSAGE("skipped: FAUNA_SHARED_DIR is not set");
    return;
  }
  const RwkvWorld t = RwkvWorld::from_file(std::string(shared) + "/data/tokenizers/rwkv_vocab_v20230424.txt");
  CHECK(t.vocab() == 65530);
  // The ids of the author's Python tokenizer.
  const std::string text = "The quick brown fox, caf\xc3\xa9 \xe4\xb8\x96\xe7\x95\x8c!\n\n\xf0\x9f\xa6\x8a 1234 \xff";
  const std::vector<int> ids = t.encode(text);
  CHECK(decoded(t, ids) == text);
  CHECK(ids == std::vector<int>{6699, 39418, 37917, 21704, 45, 37946, 33, 10267, 14610, 34, 261, 3319, 167, 139, 3485,
                                654, 33, 256});
  CHECK(t.encode("").empty());
  CHECK(decoded(t, {0, 66, 0}) == "A");
}

}  // namespace test_rwkv_world
