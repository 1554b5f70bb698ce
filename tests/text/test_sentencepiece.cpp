// SentencePiece's models beside the reference (tools/oracles/pieces.py), in each of the files that hold them, and what
// is refused.
#include <doctest/doctest.h>

#include <fauna/text/gguf_vocab.hpp>

#include "../support/gguf.hpp"
#include "../support/source_dir.hpp"
#include "../support/temporary.hpp"
#include "expected.hpp"

namespace test_sentencepiece {

using namespace fauna;
using doctest::Contains;
using test::Expected, test::Ids;

namespace {

const std::string folder = test::source_path("tests/golden/pieces/");
constexpr EncodeOptions as_text{.match_special = false, .add_special = false};

BpeSettings settings(std::string const& name) {
  return read_sentencepiece(read_file(folder + name + ".model"), name + ".model");
}
void equals_reference(Bpe const& bpe, std::string const& name) {
  test::equals_reference(bpe, Expected(folder + "expected.json", name), {as_text, false});
}

/// A GGUF file with these pieces.
Gguf gguf_of(BpeSettings const& s, TemporaryFolder const& in) {
  std::vector<std::string> tokens;
  std::string scores, types;
  for (auto const& p : s.vocab) {
    tokens.emplace_back(s.text(p));
    scores += gguf::raw(static_cast<float>(p.score));
    types += gguf::raw(static_cast<std::int32_t>(p.type));
  }
  const std::string keys[] = {
      gguf::key("tokenizer.ggml.model", gguf::string, gguf::text(s.rule == word_rule::unigram ? "t5" : "llama")),
      gguf::texts("tokenizer.ggml.tokens", tokens),
      gguf::list("tokenizer.ggml.scores", gguf::f32, tokens.size(), scores),
      gguf::list("tokenizer.ggml.token_type", gguf::i32, tokens.size(), types),
      gguf::key("tokenizer.ggml.add_space_prefix", gguf::boolean,
                std::string(1, s.edits.at(0).rules->dummy_prefix ? '\1' : '\0')),
      gguf::key("tokenizer.ggml.bos_token_id", gguf::u32, gguf::raw(std::uint32_t{1})),
      gguf::key("tokenizer.ggml.eos_token_id", gguf::u32, gguf::raw(std::uint32_t{2})),
  };
  std::string bytes = gguf::header(0, std::size(keys));
  for (std::string const& k : keys) bytes += k;
  write_file(in / "t.gguf", bytes);
  return Gguf(in / "t.gguf");
}

// Messages of protocol buffers.
std::string varint(std::uint64_t n) {
  std::string s;
  for (; n > 127; n >>= 7) s += static_cast<char>(n | 128U);
  return s + static_cast<char>(n);
}
std::string number(unsigned field, std::uint64_t n) { return varint(field << 3) + varint(n); }
std::string bytes(unsigned field, std::string const& b) { return varint(field << 3 | 2U) + varint(b.size()) + b; }
std::string piece(std::string const& text, float score, unsigned type = 1) {
  return bytes(1, bytes(1, text) + varint(2 << 3 | 5U) + gguf::raw(score) + number(3, type));
}
const std::string unk = piece("<unk>", 0, 2);

}  // namespace

TEST_CASE("ten thousand strings become the reference's pieces, and its text again") {
  for (const char* name : {"llama2", "gemma", "t5", "rules", "bpe_unused"}) {
    CAPTURE(std::string(name));
    equals_reference(Bpe(settings(name)), name);
  }
}

TEST_CASE("so they do out of a tokenizer.json, beside the package that writes those") {
  for (const char* name : {"json_llama2", "json_gemma", "json_t5"}) {
    CAPTURE(std::string(name));
    test::equals_reference(Bpe::from_file(folder + name + ".json"), Expected(folder + "expected.json", name));
  }
}

TEST_CASE("so they do out of a GGUF file") {
  const TemporaryFolder temporary;
  for (const char* name : {"llama2", "gemma"}) {
    const Bpe got(read_gguf_vocab(gguf_of(settings(name), temporary)));
    equals_reference(got, name);
    CHECK(got.encode("") == Ids{1});  // a key that is absent says so for this kind
  }
  const BpeSettings t5 = settings("t5");
  const Bpe got(read_gguf_vocab(gguf_of(t5, temporary))), want(t5);
  for (const std::string text : {"the lord", "  speak and  ", "\u6f22 word"}) {
    Ids ids = want.encode(text, as_text);
    CHECK(got.encode(text).back() == 2);
    if (text == "the lord") CHECK(got.encode(text, as_text) == ids);  // the file says nothing of white space elsewhere
  }
}

TEST_CASE("control pieces in a text count where they may, and text goes on behind them") {
  const Bpe bpe(settings("gemma"));
  const int start = bpe.id("<start>");
  REQUIRE(start >= 0);
  CHECK(bpe.special(start));
  Ids want = bpe.encode("the", as_text);
  CHECK(bpe.encode("<start>the", as_text).front() != start);
  want.insert(want.begin(), start);
  CHECK(bpe.encode("<start>the") == want);
  CHECK(bpe.decode(want) == "the");
  CHECK(bpe.decode(want, false) == "<start>the");
}

TEST_CASE("a stream gives whole characters, and in all what decode gives") {
  for (const char* name : {"gemma", "t5", "rules"}) {
    const Bpe bpe(settings(name));
    const Expected e(folder + "expected.json", "none");
    for (std::size_t i = 0; i < 300; ++i) {
      const Ids ids = bpe.encode(e.string(i), as_text);
      Bpe::Stream stream(bpe);
      std::string streamed;
      for (const int id : ids) {
        const std::string some = stream.push(id);
        for (std::size_t at = 0; at < some.size();) CHECK_NOTHROW(next_code_point(some, at));
        streamed += some;
      }
      CHECK(streamed + stream.finish() == bpe.decode(ids));
    }
  }
}

TEST_CASE("the better score, the leftmost of equals, the greatest sum") {
  const auto ids = [](const char* text, std::string const& pieces, unsigned type) {
    return Bpe(read_sentencepiece(unk + pieces + bytes(2, number(3, type)) + bytes(3, number(3, 0)), "m"))
        .encode(text, as_text);
  };
  const std::string letters = piece("a", -9) + piece("b", -9) + piece("c", -9);
  CHECK(ids("abc", letters + piece("ab", -2) + piece("bc", -1), 2) == Ids{1, 5});
  CHECK(ids("abc", letters + piece("ab", -1) + piece("bc", -1), 2) == Ids{4, 3});
  CHECK(ids("abc", letters + piece("ab", -2) + piece("bc", -1), 1) == Ids{1, 5});
  CHECK(ids("abc", letters + piece("ab", -1) + piece("bc", -1), 1) == Ids{1, 5});  // of equal sums the longest last
  CHECK(ids("axxb", letters, 1) == Ids{1, 0, 2});                   // a row of unknown characters is one token
  CHECK(ids("xy", piece("xy", -1) + piece("x", -1), 2) == Ids{1});  // y is no piece, but part of one
  CHECK(ids("xyxy", piece("xy", -1, 5) + piece("x", -1), 2) == Ids{2, 0, 2, 0});  // an unused piece comes apart
}

TEST_CASE("a broken model is refused at its field") {
  const auto refused = [](std::string const& message, const char* says) {
    INFO(says);
    CHECK_THROWS_WITH_AS(Bpe(read_sentencepiece(message, "m")), Contains(says), error);
  };
  refused("", "m has 0 unknown pieces, expected one");
  refused(unk + piece("<unk2>", 0, 2), "2 unknown pieces");
  refused(unk.substr(0, unk.size() - 1),
          "[protobuf] m, field 1: it ends after 13 of 14 bytes, expected a whole message");
  refused(std::string(11, '\xff'), "a varint of more than 64 bits");
  refused(std::string(9, '\xff') + '\2', "a varint of more than 64 bits");
  refused(std::string(1, '\0'), "a field of number 0");
  refused("\x0b", "wire type 3, expected 0, 1, 2 or 5");
  refused(number(1, 5), "m, field 1: wire type 0, expected bytes behind their length");
  refused(unk + piece("a", 0, 7), "m, piece 1, field 3: type 7, expected 1 to 6");
  refused(unk + piece("", 0), "piece 1 has no text");
  refused(unk + piece("a", std::nanf("")), "piece 1 has a score that is no number");
  refused(unk + piece("a", 0) + piece("a", 0), "each token and each id once");
  refused(unk + bytes(2, number(3, 3)), "model_type 3, expected 1 (unigram) or 2 (bpe)");
  refused(unk + bytes(2, number(24, 1)), "treat_whitespace_as_suffix");
  refused(unk + bytes(2, number(35, 1)), "no token for the byte 0x00");
  refused(unk + bytes(5, bytes(2, "xxxx")), "m, denormalizer_spec, field 2: a precompiled_charsmap, expected none");
  const auto map = [](std::string const& blob) { return unk + bytes(3, bytes(2, blob)); };
  refused(map("abc"), "precompiled_charsmap has 3 bytes, expected 4 at least");
  refused(map(gguf::raw(8U) + gguf::raw(0U)), "has a trie of 8 bytes, expected whole units, within the blob");
  refused(map(gguf::raw(6U) + "12345678"), "has a trie of 6 bytes");
  refused(map(gguf::raw(4U) + gguf::raw(0U) + "x"), "a replacement without an end");
  refused(map(gguf::raw(4U) + gguf::raw(0x80000002U) + std::string("x\0", 2)), "a rule for the replacement at 2");
  // A trie that leads out of itself has no rule there.
  CHECK(Bpe(read_sentencepiece(map(gguf::raw(4U) + gguf::raw(0x7ffffc00U)), "m")).encode("a", as_text) == Ids{0});
}

TEST_CASE("what a GGUF file's pieces contradict is refused") {
  const TemporaryFolder temporary;
  BpeSettings s = settings("llama2");
  s.vocab[5].type = static_cast<piece_type>(9);
  CHECK_THROWS_WITH_AS(read_gguf_vocab(gguf_of(s, temporary)), Contains("token_type has 9 at 5, expected 1 to 6"),
                       error);
}

}  // namespace test_sentencepiece
