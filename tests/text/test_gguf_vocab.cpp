// The tokenizer in a GGUF file is that of the tokenizer.json which was converted; what contradicts itself is refused.
#include <doctest/doctest.h>

#include <fauna/text/bpe.hpp>
#include <fauna/text/gguf_vocab.hpp>

#include "../support/gguf.hpp"
#include "../support/source_dir.hpp"
#include "../support/temporary.hpp"

namespace test_gguf_vocab {

using namespace fauna;
using doctest::Contains;

namespace {

const TemporaryFolder folder;
/// The keys of a tokenizer, each without its "tokenizer.ggml.".
Gguf file(std::vector<std::string> const& keys) {
  std::string bytes = gguf::header(0, keys.size());
  for (auto const& k : keys) {
    const std::string prefix = "tokenizer.ggml.";
    std::uint64_t length = 0;
    std::memcpy(&length, k.data(), 8);
    bytes += gguf::raw(length + prefix.size()) + prefix + k.substr(8);
  }
  write_file(folder / "t.gguf", bytes);
  return Gguf(folder / "t.gguf");
}
std::string text(std::string const& key, std::string const& value) {
  return gguf::key(key, gguf::string, gguf::text(value));
}
std::string types(std::vector<std::int32_t> const& all) {
  std::string values;
  for (const std::int32_t t : all) values += gguf::raw(t);
  return gguf::list("token_type", gguf::i32, all.size(), values);
}
std::string id(std::string const& key, std::uint32_t n) { return gguf::key(key, gguf::u32, gguf::raw(n)); }

/// A tokenizer.json as the converter writes it.
std::vector<std::string> converted(BpeSettings const& s, std::string const& pre) {
  std::vector<std::string> tokens, merges;
  std::vector<std::int32_t> kinds;
  const auto put = [&](int id, std::string_view token, int kind) {
    const auto i = static_cast<std::size_t>(id);
    for (std::size_t n = tokens.size(); n <= i; ++n) {
      tokens.push_back("[PAD" + std::to_string(n) + ']');
      kinds.push_back(5);
    }
    tokens[i] = token;
    kinds[i] = kind;
  };
  for (auto const& p : s.vocab) put(p.id, s.text(p.at, p.end), 1);
  for (auto const& a : s.added) put(a.id, a.content, a.special ? 3 : 4);
  for (auto const& m : s.merges)
    merges.push_back(std::string(s.text(m.left, m.right)) + ' ' + std::string(s.text(m.right, m.end)));
  return {text("model", "gpt2"), text("pre", pre), gguf::texts("tokens", tokens), types(kinds),
          gguf::texts("merges", merges)};
}

const std::vector<std::string> small = {text("model", "gpt2"), text("pre", "gpt-2"),
                                        gguf::texts("tokens", {"a", "b", "ab", "<end>"}), types({1, 1, 1, 3}),
                                        gguf::texts("merges", {"a b"})};
std::vector<std::string> with(std::size_t which, std::string const& key) {
  std::vector<std::string> keys = small;
  keys[which] = key;
  return keys;
}

}  // namespace

TEST_CASE("a tokenizer is that of the tokenizer.json") {
  for (std::pair<const char*, const char*> const& which : {std::pair("bpe_smollm2", "smollm"),
                                                           {"bpe_qwen2", "qwen2"},
                                                           {"bpe_llama3", "llama-bpe"},
                                                           {"bpe_gpt2", "gpt-2"}}) {
    CAPTURE(std::string(which.first));
    BpeSettings s = read_tokenizer_json(
        read_file(test::source_path("tests/golden/" + std::string(which.first) + ".json")), which.first);
    for (AddedToken& t : s.added) t.lstrip = t.rstrip = t.normalized = false;  // the format cannot say these
    s.steps.back().prefix_space = false;                                       // nor this
    const bool begins = !s.prefix.empty();
    std::vector<std::string> keys = converted(s, which.second);
    if (begins) keys.push_back(id("bos_token_id", static_cast<std::uint32_t>(s.prefix[0])));
    const Bpe want(s), got(read_gguf_vocab(file(keys)));
    for (const std::string t : {"", "Hello, world! I've  got 12345 caf\xc3\xa9s\n\n and\tthem all", "<|end|>x<|start|>",
                                "e\xcc\x81\xe4\xb8\xad\xf0\x9f\xa6\x8a <both> <left>", "    indented   "})
      CHECK(got.encode(t) == want.encode(t));
    CHECK(got.encode("<|end|>", {.match_special = false}) == want.encode("<|end|>", {.match_special = false}));
    CHECK(got.encode("").size() == (begins ? 1 : 0));
  }
}

TEST_CASE("words are cut and merged as the name says") {
  const auto ids = [](const char* pre, std::string const& text_) {
    auto keys = with(1, text("pre", pre));
    keys[2] = gguf::texts("tokens", {"1", "2", "12", "a", "b", "ab"});
    keys[3] = types({1, 1, 1, 1, 1, 1});
    keys[4] = gguf::texts("merges", {"1 2"});
    return Bpe(read_gguf_vocab(file(keys))).encode(text_);
  };
  const std::vector<int> digits = {0, 1}, number = {2}, letters = {3, 4}, whole = {5};
  for (const char* pre : {"smollm", "starcoder", "refact", "command-r", "qwen2", "stablelm2"})
    CHECK(ids(pre, "12") == digits);
  for (const char* pre : {"gpt-2", "phi-2", "mpt", "olmo", "llama-bpe", "dbrx", "smaug-bpe", "glm4", "chatglm-bpe"})
    CHECK(ids(pre, "12") == number);
  for (const char* pre : {"smollm", "gpt-2", "qwen2", "stablelm2", "dbrx", "glm4"}) CHECK(ids(pre, "ab") == letters);
  for (const char* pre : {"llama-bpe", "llama3"}) CHECK(ids(pre, "ab") == whole);  // no merge makes it
}

TEST_CASE("each name that is written is read as what it was written for") {
  for (GgufPre const& p : gguf_pres) {
    CAPTURE(std::string(p.name));
    auto keys = with(1, text("pre", std::string(p.name)));
    keys.push_back(id("bos_token_id", 3));
    const BpeSettings s = read_gguf_vocab(file(keys));
    CHECK(s.edits.size() == (p.nfc ? 1 : 0));
    CHECK(s.prefix.size() == (p.begins ? 1 : 0));
    GgufPre const* const named = gguf_pre(s);
    REQUIRE(named != nullptr);
    CHECK((named->rule == p.rule && named->digits_first == p.digits_first && named->nfc == p.nfc));
    CHECK(named->ignore_merges == p.ignore_merges);
  }
  const auto first = [](split_rule rule, bool digits, bool nfc, bool whole) {
    BpeSettings s;
    s.byte_level = true;
    if (digits) s.steps.push_back({split_rule::digit});
    s.steps.push_back({rule});
    if (nfc) s.edits.push_back({"", "", true});
    s.ignore_merges = whole;
    GgufPre const* const p = gguf_pre(s);
    return p == nullptr ? std::string("none") : std::string(p->name);
  };
  CHECK(first(split_rule::gpt2, false, true, false) == "olmo");
  CHECK(first(split_rule::gpt2, true, true, false) == "command-r");
  CHECK(first(split_rule::qwen2, false, false, false) == "stablelm2");
  CHECK(first(split_rule::llama3, false, false, false) == "dbrx");
  CHECK(first(split_rule::gpt2, false, false, true) == "none");
  CHECK(first(split_rule::llama3, true, false, false) == "none");
}

TEST_CASE("tokens around a text, and those that end it") {
  CHECK(Bpe(read_gguf_vocab(file(small))).encode("ab<end>") == std::vector<int>{2, 3});
  CHECK(gguf_stop_ids(file(small)).empty());
  auto keys = small;
  keys.push_back(id("eos_token_id", 3));
  CHECK(gguf_stop_ids(file(keys)) == std::vector<long long>{3});
  CHECK(Bpe(read_gguf_vocab(file(keys))).encode("ab") == std::vector<int>{2});
  keys.push_back(gguf::key("add_eos_token", gguf::boolean, "\1"));
  CHECK(Bpe(read_gguf_vocab(file(keys))).encode("ab") == std::vector<int>{2, 3});
}

TEST_CASE("what is refused") {
  const auto refused = [](std::vector<std::string> const& keys, const char* what) {
    CHECK_THROWS_WITH_AS(Bpe(read_gguf_vocab(file(keys))), Contains(what), error);
  };
  refused(with(0, text("model", "bert")), "tokenizer.ggml.model is 'bert', expected gpt2");
  refused(with(0, text("model", "llama")), "has no key tokenizer.ggml.scores");
  refused(with(1, text("pre", "poem")), "tokenizer.ggml.pre is 'poem', expected one of gpt-2, phi-2");
  refused(with(3, types({1, 1, 1})), "token_type has 3 numbers, expected 4");
  refused(with(2, gguf::texts("tokens", {"a", "b", "ab", ""})), "tokens has an empty text for the id 3");
  refused(with(2, gguf::texts("tokens", {"a", "b", "a", "<end>"})), "each token and each id once");
  refused(with(4, gguf::texts("merges", {"a b", "ab"})), "merges has 'ab' at 1");
  refused(with(4, gguf::texts("merges", {"a c"})), "the merge of 'a' and 'c'");
  refused({small.begin(), small.end() - 1}, "has no key tokenizer.ggml.merges");
  auto keys = small;
  keys.push_back(gguf::key("add_bos_token", gguf::boolean, "\1"));
  refused(keys, "has no key tokenizer.ggml.bos_token_id");
  keys.push_back(id("bos_token_id", 4));
  refused(keys, "tokenizer.ggml.bos_token_id is 4, expected a token's");
}

}  // namespace test_gguf_vocab
