// Texts piece by piece: joined, the pieces are the text, and none begins within a character.
#include <doctest/doctest.h>

#include <string>
#include <tools/src/documents.hpp>

#include "../support/temporary.hpp"

namespace test_documents {

using namespace fauna;

TEST_CASE("pieces of a text are the text, in one document or two") {
  const TemporaryFolder folder;
  const std::string path = folder / "text.txt", long_one = std::string(5'000'000, 'x') + "\xe6\x97\xa5";
  for (std::string const& text : {std::string(), std::string("a"), std::string("\xc3\xa9\xc3\xa9"),
                                  std::string("hello\nworld\n"), long_one, "ab.\nCd\n" + long_one})
    for (const double last : {0.0, 0.1, 0.5, 0.99})
      for (const bool whole : {false, true}) {
        CAPTURE(text.size());
        CAPTURE(last);
        write_file(path, text);
        tool::Documents documents(path, "text", whole, last);
        std::string all;
        int ends = 0;
        for (tool::DocumentPiece piece; documents.next(piece);) {
          REQUIRE_FALSE(piece.text.empty());
          CHECK((static_cast<unsigned char>(piece.text[0]) & 0xc0U) != 0x80U);
          CHECK((last > 0 || !piece.last_part));
          all += piece.text;
          ends += piece.ends;
        }
        CHECK(all == text);
        CHECK(ends >= !text.empty());
        CHECK(ends <= 2);
        CHECK(documents.taken() == text.size());
      }
}

TEST_CASE("a text is cut where no rule for words looks beyond") {
  CHECK(tool::safe_cut("one.\ntwo") == 5);
  CHECK(tool::safe_cut("one \ntwo") == 0);               // white space at the line's end
  CHECK(tool::safe_cut("one.\n two") == 0);              // and at the next one's begin
  CHECK(tool::safe_cut("one.\r\ntwo three.\r\n") == 9);  // a word goes with the space before it
  CHECK(tool::safe_cut("one\n\ntwo") == 0);
  CHECK(tool::safe_cut("\xc3\xa9\nx") == 0);
}

TEST_CASE("lines of JSON are documents, and say where they are none") {
  const TemporaryFolder folder;
  write_file(folder / "a.jsonl", "{\"text\": \"one\"}\n\n{\"text\": \"two\", \"n\": 1}");
  tool::Documents documents(folder / "a.jsonl", "text", false, 0.5);
  tool::DocumentPiece piece;
  CHECK(documents.next(piece));
  CHECK(piece.text == "one");
  CHECK(piece.ends);
  CHECK(documents.next(piece));
  CHECK(piece.text == "two");
  CHECK_FALSE(documents.next(piece));
  write_file(folder / "b.jsonl", "{\"text\": 5}\n");
  tool::Documents wrong(folder / "b.jsonl", "text", false, 0);
  CHECK_THROWS_WITH_AS(wrong.next(piece), doctest::Contains("b.jsonl:1 has no text under \"text\""), error);
  CHECK_THROWS_WITH_AS(tool::Documents(folder / "none.txt", "text", false, 0), doctest::Contains("none.txt"), error);
}

}  // namespace test_documents
