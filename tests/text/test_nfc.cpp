// Normalization form C beside Python's unicodedata (tools/oracles/unicode.py), and cases by hand.
#include <doctest/doctest.h>

#include <fauna/io/file.hpp>
#include <fauna/io/json.hpp>
#include <fauna/text/nfc.hpp>

#include "../support/source_dir.hpp"
#include "draw.hpp"

namespace test_nfc {

using namespace fauna;

namespace {

/// tests/golden/nfc.json.
struct Golden {
  struct Character {
    std::string c, nfd, nfc;
  };
  std::vector<Character> characters;  // those, Hangul syllables aside, that decompose
  std::vector<std::string> joins;     // what composes with a character before it, and what it may do so with
  std::vector<std::string> marks;     // all of a combining class other than 0
  std::vector<std::string> strings;   // the normalization forms C of string(i)

  Golden() {
    const std::string path = test::source_path("tests/golden/nfc.json"), text = read_file(path);
    JsonReader in(text, path);
    in.enter_object();
    for (std::string key; in.next_key(key);) {
      if (key == "characters") {
        in.enter_array();
        while (in.next_item()) {
          std::vector<std::string> row;
          read(in, row);
          characters.push_back({row.at(0), row.at(1), row.at(2)});
        }
      } else if (key == "joins") read(in, joins);
      else if (key == "marks") read(in, marks);
      else if (key == "strings") read(in, strings);
      else in.skip();
    }
    in.end();
  }

  /// The oracle's string i.
  std::string string(std::size_t i) const {
    Draw draw{i};
    std::string s;
    for (std::uint32_t parts = 1 + draw(6); parts > 0; --parts) {
      const std::uint32_t kind = draw(8);
      if (kind < 2) s += characters[draw(characters.size())].nfd;
      else if (kind == 2) s += characters[draw(characters.size())].c;
      else if (kind < 5) append_code_point(s, 0x300 + draw(0x70));
      else if (kind == 5) s += joins[draw(joins.size())];
      else if (kind == 6) s += marks[draw(marks.size())];
      else draw.scalar(0x110000, s);
    }
    return s;
  }

 private:
  static void read(JsonReader& in, std::vector<std::string>& all) {
    in.enter_array();
    while (in.next_item()) all.push_back(in.string());
  }
};

}  // namespace

TEST_CASE("what is decomposed becomes whole") {
  CHECK(nfc("") == "");
  CHECK(nfc("plain text") == "plain text");
  CHECK(nfc("caf\u00e9") == "caf\u00e9");
  CHECK(nfc("cafe\u0301s") == "caf\u00e9s");
  CHECK(nfc("e\u0301e\u0301") == "\u00e9\u00e9");
  // In two steps: circumflex, then acute.
  CHECK(nfc("e\u0302\u0301") == "\u1ebf");
  CHECK(nfc("\u00ea\u0301") == "\u1ebf");
  // Not what has no character of its own: x with acute; nor what is compatible only: the ligature fi, superscript 2.
  CHECK(nfc("x\u0301") == "x\u0301");
  CHECK(nfc("\ufb01\u00b2") == "\ufb01\u00b2");
}

TEST_CASE("the examples of the annex") {
  // Singletons: a character that is always written as another one (figure 3).
  CHECK(nfc("\u212b") == "\u00c5");  // the sign of the angstrom
  CHECK(nfc("\u2126") == "\u03a9");  // of the ohm
  // Canonical composites (figure 4): A with ring above, o with circumflex.
  CHECK(nfc("A\u030a") == "\u00c5");
  CHECK(nfc("o\u0302") == "\u00f4");
  // Several marks (figure 5): s with dots above and below, in either order and half composed.
  CHECK(nfc("\u1e69") == "\u1e69");
  for (const char* s : {"s\u0323\u0307", "s\u0307\u0323", "\u1e61\u0323", "\u1e63\u0307"}) CHECK(nfc(s) == "\u1e69");
  // d with dot above and, behind it, dot below: the dot below is closer, and composes.
  CHECK(nfc("\u1e0b\u0323") == "\u1e0d\u0307");
  CHECK(nfc("q\u0307\u0323") == "q\u0323\u0307");
}

TEST_CASE("marks are put in order, and what is blocked does not compose") {
  // Below (class 220) before above (230); two of one class stay as they stand, and the second is blocked.
  CHECK(nfc("a\u0301\u0323") == "\u1ea1\u0301");
  CHECK(nfc("a\u0308\u0301") == "\u00e4\u0301");
  CHECK(nfc("a\u0301\u0308") == "\u00e1\u0308");
  CHECK(nfc("e\u035b\u0301") == "e\u035b\u0301");  // though the first does not compose
  CHECK(nfc("a\u0315\u0300\u05ae\u0300b") ==
        "\u00e0\u05ae\u0300\u0315"
        "b");  // classes 232, 230, 228, 230
  // Across a mark of a lower class: o, horn (216), then dot below (220) and tilde (230).
  CHECK(nfc("o\u0303\u0323\u031b") == "\u1ee3\u0303");
  // A character of class 0 between them blocks: the combining grapheme joiner.
  CHECK(nfc("e\u034f\u0301") == "e\u034f\u0301");
  // Nothing to compose with: at the start, or behind a line break.
  CHECK(nfc("\u0301e") == "\u0301e");
  CHECK(nfc("\u0301\u0323\n\u0301") == "\u0323\u0301\n\u0301");
  // Two of class 0 compose where they are neighbours (Bengali), and not where a mark lies between them.
  CHECK(nfc("\u09c7\u09be") == "\u09cb");
  CHECK(nfc("\u09c7\u09bc\u09be") == "\u09c7\u09bc\u09be");
  // A lone mark may be two (U+0344), three characters one.
  CHECK(nfc("\u0344") == "\u0308\u0301");
  CHECK(nfc("\u03b1\u0314\u0301\u0345") == "\u1f85");
}

TEST_CASE("some stay apart though there is a character for them") {
  // Of a script that writes them so: Devanagari qa, Hebrew shin with dot.
  CHECK(nfc("\u0958") == "\u0915\u093c");
  CHECK(nfc("\u0915\u093c") == "\u0915\u093c");
  CHECK(nfc("\ufb2a") == "\u05e9\u05c1");
  // Younger than the rule: a musical note of two signs, the forking symbol.
  CHECK(nfc("\U0001d15e") == "\U0001d157\U0001d165");
  CHECK(nfc("\u2adc") == "\u2add\u0338");
  // The one before it was there in time: not less than.
  CHECK(nfc("<\u0338") == "\u226e");
}

TEST_CASE("Hangul composes by arithmetic") {
  CHECK(nfc("\u1112\u1161\u11ab\u1100\u1173\u11af") == "\ud55c\uae00");  // the word itself
  CHECK(nfc("\ud558\u11ab") == "\ud55c");                                // a syllable without its last consonant
  CHECK(nfc("\ud55c\u11ab") == "\ud55c\u11ab");                          // it has one already
  CHECK(nfc("\u1112\u11ab") == "\u1112\u11ab");                          // no vowel
  CHECK(nfc("\u1161\u11ab") == "\u1161\u11ab");                          // no first consonant
  CHECK(nfc("\uac00\u11a7") == "\uac00\u11a7");  // what would stand for no last consonant is no consonant
  CHECK(nfc("\uac00\u0301\u11a8") == "\uac00\u0301\u11a8");
  // Every syllable of modern letters, by their places: 19 by 21 by 28.
  int at = 0;
  for (char32_t lead = 0x1100; lead <= 0x1112; ++lead)
    for (char32_t vowel = 0x1161; vowel <= 0x1175; ++vowel)
      for (char32_t trail = 0x11a7; trail <= 0x11c2; ++trail, ++at) {
        std::string letters, syllable;
        append_code_point(letters, lead);
        append_code_point(letters, vowel);
        if (trail > 0x11a7) append_code_point(letters, trail);
        append_code_point(syllable, static_cast<char32_t>(0xac00 + at));
        REQUIRE(nfc(letters) == syllable);
        REQUIRE(nfc(syllable) == syllable);
      }
  CHECK(at == 11172);
}

TEST_CASE("every character becomes what it becomes in the reference, whole or decomposed") {
  const Golden golden;
  REQUIRE(golden.characters.size() > 2000);
  std::size_t next = 0;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xd800 && c < 0xe000) continue;
    std::string text;
    append_code_point(text, c);
    const bool decomposes = next < golden.characters.size() && golden.characters[next].c == text;
    if (nfc(text) != (decomposes ? golden.characters[next].nfc : text)) FAIL_CHECK(static_cast<std::uint32_t>(c));
    if (!decomposes) continue;
    INFO(static_cast<std::uint32_t>(c));
    CHECK(nfc(golden.characters[next].nfd) == golden.characters[next].nfc);
    ++next;
  }
  CHECK(next == golden.characters.size());
}

TEST_CASE("ten thousand strings become what they become in the reference") {
  const Golden golden;
  REQUIRE(golden.strings.size() == 10'000);
  std::string all, all_expected;
  for (std::size_t i = 0; i < golden.strings.size(); ++i) {
    const std::string text = golden.string(i);
    INFO(i, ": ", text);
    CHECK(nfc(text) == golden.strings[i]);
    CHECK(nfc(golden.strings[i]) == golden.strings[i]);
    // Surely in form C: not before it is, and then, alone, it stays as it is.
    const std::size_t sure = nfc_prefix(text);
    REQUIRE(sure <= text.size());
    CHECK(text.substr(0, sure) == golden.strings[i].substr(0, sure));
    CHECK(nfc(text.substr(sure)) == golden.strings[i].substr(sure));
    // Behind a line break nothing joins what stands before.
    all += text + '\n';
    all_expected += golden.strings[i] + '\n';
  }
  CHECK(nfc(all) == all_expected);
}

TEST_CASE("a million marks are no trouble") {
  std::string text = "a", below, above;
  for (int i = 0; i < 500'000; ++i) {
    text += "\u0301\u0323";
    above += "\u0301";
    if (i > 0) below += "\u0323";
  }
  CHECK(nfc(text) == "\u1ea1" + below + above);
}

}  // namespace test_nfc
