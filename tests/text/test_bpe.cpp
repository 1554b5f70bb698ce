// Byte-pair encoding beside the reference tokenizer (tools/oracles/bpe.py), and what it refuses.
#include <doctest/doctest.h>

#include <cstdlib>
#include <fauna/core/concepts.hpp>
#include <fauna/text/bpe.hpp>

#include "../support/sizes.hpp"
#include "../support/source_dir.hpp"
#include "../support/temporary.hpp"
#include "expected.hpp"

namespace test_bpe {

using namespace fauna;
using doctest::Contains;

namespace {

static_assert(Tokenizer<Bpe>);

using test::Expected, test::Ids;

std::string golden(std::string const& name) { return test::source_path("tests/golden/" + name); }
const std::string expected = golden("bpe_expected.json");
void equals_reference(Bpe const& bpe, std::string const& name) {
  test::equals_reference(bpe, Expected(expected, name));
}

Bpe llama3() { return Bpe::from_file(golden("bpe_llama3.json")); }

/// A tokenizer.json of the bytes a and b, the token ab, and these other members.
std::string small_json(std::string const& members, std::string const& model = {}) {
  return R"({"version":"1.0","decoder":{"type":"ByteLevel"},)" + members + R"("model":{"type":"BPE",)" + model +
         R"("vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}})";
}
const std::string byte_level = R"("pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},)";

Bpe small(std::string const& members, std::string const& model = {}) {
  return Bpe::from_json(small_json(members, model), "t.json");
}

}  // namespace

TEST_CASE("ten thousand strings become the reference's tokens, and its text again") {
  for (const char* name : {"gpt2", "neox", "smollm2", "llama3", "qwen2", "llama2"})
    equals_reference(Bpe::from_file(golden(std::string("bpe_") + name + ".json")), name);
}

TEST_CASE("so they do with GPT-2's own vocabulary") {
  const char* shared = std::getenv("FAUNA_SHARED_DIR");
  const std::string folder = std::string(shared == nullptr ? "" : shared) + "/data/tokenizers/";
  if (shared == nullptr || ::access((folder + "gpt2-merges.txt").c_str(), R_OK) != 0) {
    MESSAGE("left out: FAUNA_SHARED_DIR has no data/tokenizers/gpt2-merges.txt");
    return;
  }
  // Its last merge makes a token that is not in the vocabulary, which is refused here as it is by the reference.
  const std::string vocab = folder + "gpt2-vocab.json", merges = folder + "gpt2-merges.txt";
  CHECK_THROWS_WITH_AS(Bpe::from_gpt2_files(vocab, merges), Contains("the merge of '\u0120g' and 'azed'"), error);
  std::string lines = read_file(merges);
  lines.resize(lines.rfind('\n', lines.size() - 2) + 1);
  const TemporaryFolder temporary;
  write_file(temporary / "merges.txt", lines);
  equals_reference(Bpe::from_gpt2_files(vocab, temporary / "merges.txt"), "shared_gpt2");
  // A vocabulary that is not spelt in the alphabet of bytes has no token for a space.
  const Bpe tiny = Bpe::from_file(folder + "tiny-bpe-tokenizer.json");
  CHECK(tiny.encode("a b") == Ids{97, 98});
  CHECK_THROWS_WITH_AS(tiny.encode("a b", {.drop_unknown = false}), Contains("has no token for 0x20"), error);
}

TEST_CASE("short words and long ones merge alike") {
  // Tables in which every symbol may merge with every other into one of the same few, so that merges go on and on.
  for (std::uint64_t round = 0; round < 400; ++round) {
    Draw draw{round};
    const std::size_t symbols = 2 + draw(5), merges = draw(40);
    MergeTable table(merges);
    for (std::size_t i = 0; i < merges; ++i)
      table.add(static_cast<int>(draw(symbols)), static_cast<int>(draw(symbols)), static_cast<int>(draw(symbols)));
    Ids word(1 + draw(48));
    for (int& id : word) id = static_cast<int>(draw(symbols));
    Ids other = word;
    std::vector<MergeTable::Merge> pairs(word.size());
    word.resize(merge_short(table, word.data(), word.size(), pairs.data()));
    other.resize(merge_long(table, other.data(), other.size()));
    CHECK(word == other);
  }
  const MergeTable none;
  CHECK(merge_long(none, nullptr, 0) == 0);
  CHECK(merge_short(none, nullptr, 0, nullptr) == 0);
}

TEST_CASE("a word of a million letters is no trouble") {
  const Bpe bpe = small(byte_level);
  std::string text(1'000'000, 'a');
  text += 'b';
  const Ids ids = bpe.encode(text);
  CHECK(ids.size() == 1'000'000);
  CHECK(ids.back() == 2);
  CHECK(bpe.decode(ids) == text);
}

TEST_CASE("every split gives the text back") {
  const Expected e(expected, "none");
  const split_rule rules[] = {split_rule::whole, split_rule::gpt2,  split_rule::llama3,
                              split_rule::qwen2, split_rule::digit, split_rule::digits};
  for (std::size_t i = 0; i < 2000; ++i)
    for (const split_rule first : rules)
      for (const split_rule second : rules) {
        const SplitStep steps[] = {{first}, {second}};
        const std::string text = e.string(i);
        std::string joined;
        bool empty = false;
        split_words(text, steps, steps + 2, [&](std::string_view w) {
          joined += w;
          empty = empty || w.empty();
        });
        REQUIRE(joined == text);
        REQUIRE(!empty);
      }
}

TEST_CASE("special tokens in a text count only where they may") {
  const Bpe bpe = llama3();
  const int start = bpe.id("<|start|>"), end = bpe.id("<|end|>");
  REQUIRE(start >= 0);
  REQUIRE(end >= 0);
  CHECK(bpe.special(end));
  CHECK(!bpe.special(bpe.id("a")));
  CHECK(bpe.id("no such token") == -1);
  CHECK(bpe.encode("") == Ids{start});
  CHECK(bpe.encode("", {.add_special = false}).empty());
  CHECK(bpe.encode("<|end|>") == Ids{start, end});
  const Ids text = bpe.encode("<|end|>", {.match_special = false, .add_special = false});
  CHECK(text.size() > 1);
  for (const int id : text) CHECK(!bpe.special(id));
  CHECK(bpe.decode(text) == "<|end|>");
  CHECK(bpe.decode(Ids{start, bpe.id("a"), end}) == "a");
  CHECK(bpe.decode(Ids{start, bpe.id("a"), end}, false) == "<|start|>a<|end|>");
  // Of one byte, of two that begin alike, and at the end of a text.
  const Bpe one = small(byte_level + R"("added_tokens":[{"id":7,"content":"x"},{"id":8,"content":"xyx"}],)");
  CHECK(one.encode("axbxyaxyxx") == Ids{0, 7, 1, 7, 0, 8, 7});
}

TEST_CASE("a text is normalized between the added tokens, step by step") {
  // Characters as they stand: a word is the whole text.
  const auto with = [](std::string const& steps) {
    return Bpe::from_json(R"({"decoder":{"type":"Fuse"},"normalizer":{"type":"Sequence","normalizers":[)" + steps +
                              R"(]},"added_tokens":[{"id":6,"content":"<\u0338>"},)"
                              R"({"id":7,"content":"<o\u0302>","normalized":false}],)"
                              R"("model":{"vocab":{"x":0,"e":1,"\u0301":2,"\u00e9":3,"\u0338":4,"\u226f":5,"<":8,)"
                              R"("\u00f4":9,">":10},"merges":[]}})",
                          "t.json");
  };
  const std::string nfc_step = R"({"type":"NFC"})", prepend = R"({"type":"Prepend","prepend":"e"})",
                    replace = R"({"type":"Replace","pattern":{"String":"x"},"content":"e"})";
  CHECK(with(nfc_step).encode("xe\u0301x\u0301") == Ids{0, 3, 0, 2});
  CHECK(with(replace + ',' + nfc_step).encode("x\u0301") == Ids{3});
  CHECK(with(nfc_step + ',' + replace).encode("x\u0301") == Ids{1, 2});
  CHECK(with(prepend + ',' + nfc_step).encode("\u0301") == Ids{3});
  CHECK(with(nfc_step + ',' + prepend).encode("\u0301") == Ids{1, 2});
  // A token that is not normalized is cut out before the mark behind it could join its last character.
  CHECK(with(nfc_step).encode("<o\u0302>\u0338") == Ids{7, 4});
  CHECK(with(nfc_step).encode("<\u00f4>\u0338") == Ids{8, 9, 5});
  // One that is normalized is looked for as what it becomes, in what the text became.
  CHECK(with(nfc_step).encode("<\u0338>") == Ids{6});
  CHECK(with(nfc_step).encode("\u226e>") == Ids{6});
  CHECK(with(nfc_step).encode("\u226e>\u0338").size() == 1);  // the vocabulary lacks U+226E, which is left out
}

TEST_CASE("invalid UTF-8 is refused at its byte") {
  for (const char* name : {"bpe_neox.json", "bpe_llama2.json"})  // before anything is normalized
    CHECK_THROWS_WITH_AS(Bpe::from_file(golden(name)).encode("cafe\u0301 \xcc\xcc\x81"),
                         Contains("invalid UTF-8 at byte 7"), error);
  const Bpe bpe = llama3();
  CHECK_THROWS_WITH_AS(bpe.encode("plain text \xc3("), Contains("invalid UTF-8 at byte 11"), error);
  CHECK_THROWS_WITH_AS(bpe.encode("12345678\xed\xa0\x80"), Contains("invalid UTF-8 at byte 8"), error);
  CHECK_THROWS_WITH_AS(bpe.encode("cut short \xf0\x9f\x98"), Contains("invalid UTF-8 at byte 10"), error);
}

TEST_CASE("a stream gives whole characters, and in all what decode gives") {
  for (const char* name : {"bpe_llama3.json", "bpe_llama2.json"}) {
    const Bpe bpe = Bpe::from_file(golden(name));
    const Expected e(expected, "none");
    for (std::size_t i = 0; i < 500; ++i) {
      const Ids ids = bpe.encode(e.string(i));
      Bpe::Stream stream(bpe);
      std::string streamed;
      for (const int id : ids) {
        const std::string some = stream.push(id);
        for (std::size_t at = 0; at < some.size();) CHECK_NOTHROW(next_code_point(some, at));
        streamed += some;
      }
      streamed += stream.finish();
      CHECK(streamed == bpe.decode(ids));
    }
  }
  const Bpe bpe = llama3();
  const auto byte = [&](const char* b) { return bpe.id(b); };
  Bpe::Stream stream(bpe);
  CHECK(stream.push(byte("\xf0")).empty());
  CHECK(stream.push(byte("\x9f")).empty());
  CHECK(stream.push(byte("\x98")).empty());
  CHECK(stream.push(byte("\x80")) == "\U0001f600");
  CHECK(stream.push(byte("\xe2")).empty());
  CHECK(stream.push(byte("\x82")).empty());
  CHECK(stream.push(byte("a")) == "\ufffda");  // one for the start of a character
  CHECK(stream.push(byte("\xe0")).empty());
  CHECK(stream.push(byte("\x80")) == "\ufffd\ufffd");  // no character starts so
  CHECK(stream.push(byte("\xc3")).empty());
  CHECK(stream.finish() == "\ufffd");
  CHECK(stream.finish().empty());
}

TEST_CASE("tokens that do not exist are refused") {
  const Bpe bpe = small(byte_level);
  CHECK(bpe.vocab() == 3);
  CHECK(bpe.encode("abba") == Ids{2, 1, 0});
  CHECK_THROWS_WITH_AS(bpe.decode(Ids{0, 3}), "[text] token 3, expected one of the vocabulary of t.json", error);
  CHECK_THROWS_WITH_AS(bpe.decode(Ids{-1}), Contains("token -1"), error);
  CHECK(bpe.encode("axb") == Ids{2});  // as in the reference: x is left out, and its neighbours meet
  CHECK_THROWS_WITH_AS(bpe.encode("axb", {.drop_unknown = false}),
                       "[text] t.json has no token for 0x78, expected one for every byte: or let encode leave it out",
                       error);
}

TEST_CASE("what the vocabulary lacks is one unknown token, or one for each, or nothing") {
  const auto with = [](const char* type, const char* model) {
    return Bpe::from_json(std::string(R"({"pre_tokenizer":)") +
                              (*type ? R"({"type":"ByteLevel","add_prefix_space":false})" : "null") +
                              R"(,"decoder":{"type":")" + (*type ? type : "Fuse") + R"("},"model":{)" + model +
                              R"("vocab":{"a":0,"b":1,"ab":2,"u":3,"axb":4},"merges":["a b"]}})",
                          "t.json");
  };
  const std::string text = "axxba\u00e9b";
  CHECK(with("", R"("unk_token":"u","fuse_unk":true,)").encode(text) == Ids{0, 3, 1, 0, 3, 1});
  CHECK(with("", R"("unk_token":"u",)").encode(text) == Ids{0, 3, 3, 1, 0, 3, 1});
  CHECK(with("ByteLevel", R"("unk_token":"u","fuse_unk":true,)").encode(text) == Ids{0, 3, 1, 0, 3, 1});
  CHECK(with("ByteLevel", R"("unk_token":"u",)").encode(text) == Ids{0, 3, 3, 1, 0, 3, 3, 1});  // two bytes
  const Bpe drops = with("ByteLevel", "");
  for (int again = 0; again < 2; ++again) CHECK(drops.encode("axb") == Ids{2});
}

TEST_CASE("what a tokenizer.json says and nobody here does is refused by name") {
  struct Case {
    std::string members, model, says;
  };
  const std::string split = R"("pre_tokenizer":{"type":"Split","behavior":"Isolated","invert":false,"pattern":)";
  const Case cases[] = {
      {R"("pre_tokenizer":{"type":"Whitespace"},)", "",
       "t.json: pre_tokenizer/type is 'Whitespace', expected one of ByteLevel, Digits, Metaspace, Split"},
      {R"("pre_tokenizer":{"type":"Metaspace","replacement":"_"},)", "",
       "t.json: pre_tokenizer/replacement is '_', expected \u2581"},
      {R"("pre_tokenizer":{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"often"},)", "",
       "prepend_scheme is 'often', expected first, always or never"},
      {R"("pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Digits"},{"type":"BertPreTokenizer"}]},)", "",
       "pre_tokenizer/pretokenizers/1/type is 'BertPreTokenizer'"},
      {R"("pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},{"type":"Digits"}]},)", "",
       "pre_tokenizer/pretokenizers/1/type is 'Digits', expected ByteLevel to be the last step"},
      {split + R"({"Regex":"\\w+"}},)", "", "'\\w+', expected the regular expression of one of GPT-2, Llama 3, Qwen2"},
      {split + R"({"String":" "}},)", "", "pre_tokenizer/behavior is 'Isolated', expected MergedWithPrevious"},
      {split + R"({"String":"x"}},)", "", "pre_tokenizer/pattern/String is 'x', expected a space"},
      {byte_level + R"("normalizer":{"type":"NFKC"},)", "",
       "normalizer/type is 'NFKC', expected one of NFC, Precompiled, Prepend, Replace, Sequence"},
      {byte_level + R"("normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Lowercase"}]},)", "",
       "normalizer/normalizers/1/type is 'Lowercase'"},
      {byte_level + R"("normalizer":{"type":"NFC","form":"C"},)", "", "normalizer/form is 'C', expected none"},
      {byte_level + R"("normalizer":{"type":"Replace","pattern":{"String":"c"},"content":""},)" +
           R"("added_tokens":[{"id":7,"content":"cc"}],)",
       "", "the normalizer makes '' of the added token 'cc', expected some text"},
      {byte_level + R"("normalizer":{"type":"Prepend","prepend":"c"},"added_tokens":[{"id":0,"content":"a"}],)", "",
       "the normalizer makes 'ca' of the added token 'a', expected what the vocabulary has"},
      {byte_level + R"("post_processor":{"type":"BertProcessing"},)", "", "post_processor/type is 'BertProcessing'"},
      {byte_level + R"("post_processor":{"type":"TemplateProcessing","single":[]},)", "", "post_processor/single"},
      {byte_level + R"("added_tokens":[{"id":7,"content":"x","single_word":true}],)", "", "single_word is 'true'"},
      {byte_level + R"("added_tokens":[{"id":7,"content":"a"}],)", "", "the added token 'a' has the id 7"},
      {byte_level + R"("added_tokens":[{"id":1,"content":"c"}],)", "", "the added token 'c' has the id 1"},
      {byte_level + R"("added_tokens":[{"id":99999999,"content":"c"}],)", "",
       "the id 99999999, expected less than 2^24"},
      {byte_level, R"("dropout":0.1,)", "model/dropout is '0.1"},
      {byte_level, R"("end_of_word_suffix":"</w>",)", "model/end_of_word_suffix is '</w>'"},
      {byte_level, R"("unk_token":"<unk>",)", "unk_token '<unk>' is not in the vocabulary"},
      {byte_level, R"("byte_fallback":true,)", "t.json has byte_fallback and no token for the byte 0x00"},
      {byte_level, R"("cache":"x",)", "model/cache is 'x', expected none: fauna does not know this setting"},
      {byte_level + R"("version2":2,)", "", "version2 is '2'"},
      {"", "", "decoder/type is 'ByteLevel', expected what the pre_tokenizer is"},
  };
  for (Case const& c : cases) {
    INFO(c.says);
    CHECK_THROWS_WITH_AS(small(c.members, c.model), Contains(c.says.c_str()), error);
  }
  const auto with = [](const char* model, const char* type = "BPE") {
    return std::string(R"({"decoder":{"type":"ByteLevel"},"pre_tokenizer":{"type":"ByteLevel"},"model":{"type":")") +
           type + "\"," + model + "}}";
  };
  const auto from = [](std::string const& text) { return Bpe::from_json(text, "t.json"); };
  CHECK_THROWS_WITH_AS(from(with(R"("vocab":{"a":0})", "Unigram")), Contains("model/type is 'Unigram', expected BPE"),
                       error);
  CHECK_THROWS_WITH_AS(from(with(R"("vocab":{"a":0,"b":0})")), Contains("'b' with the id 0"), error);
  CHECK_THROWS_WITH_AS(from(with(R"("vocab":{"a":0,"a":1})")), Contains("'a' with the id 1"), error);
  CHECK_THROWS_WITH_AS(from(with(R"("vocab":{"a":-1})")), Contains("an id"), error);
  CHECK_THROWS_WITH_AS(from(with(R"("vocab":{"a":0},"merges":["ab"])")), Contains("a merge"), error);
  CHECK_THROWS_WITH_AS(from(with(R"("vocab":{"a":0},"merges":[["a"]])")), Contains("two strings in a merge"), error);
  CHECK_THROWS_WITH_AS(from(with(R"("vocab":{"a":0},"merges":[["a","a"]])")), Contains("the merge of 'a' and 'a'"),
                       error);
  CHECK_THROWS_WITH_AS(from(with(R"("vocab":{"a":0},"merges":[)")), Contains("expected a value"), error);
  CHECK_THROWS_WITH_AS(Bpe::from_file("/no/such/tokenizer.json"), Contains("/no/such/tokenizer.json"), error);
}

}  // namespace test_bpe
