// Examples for fine-tuning: what of them is read, what counts, what is cut.
#include <doctest/doctest.h>

#include <algorithm>
#include <fauna/io/file.hpp>
#include <tools/src/examples.hpp>

#include "../support/temporary.hpp"

using doctest::Contains;
using namespace fauna;

namespace {

/// A token for each of a to h, and <s> (8) before each text.
const Bpe letters = Bpe::from_json(
    R"({"added_tokens": [{"id": 8, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true}],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": {"type": "TemplateProcessing",
          "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
          "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [8], "tokens": ["<s>"]}}},
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "d": 3, "e": 4, "f": 5, "g": 6, "h": 7}, "merges": []}})",
    "letters");

std::vector<int> ids_of(Tokens t) {
  std::vector<int> ids;
  for (std::size_t i = 0; i < t.size(); ++i) ids.push_back(t[i]);
  return ids;
}

}  // namespace

TEST_CASE("a completion and its end count, a prompt and what fills up do not") {
  const TemporaryFolder folder;
  const std::string path = folder / "e.jsonl";
  write_file(path,
             "{\"prompt\": \"ab\", \"completion\": \"cd\"}\n\n  \r\n{\"text\": \"e\"}\n{\"completion\": \"h\", "
             "\"other\": [1], "
             "\"prompt\": \"\"}");
  const auto all = tool::Examples::read(path, letters, 7, true, 100, folder.path());
  CHECK(all.count() == 3);
  CHECK(all.length() == 6);
  CHECK(ids_of(all.split(0).train) == std::vector<int>{~8, ~0, ~1, 2, 3, 7, 8, 4, 7, ~0, ~0, ~0, ~8, 7, 7, ~0, ~0, ~0});
  const Split half = all.split(0.4);
  CHECK(half.train.size() == 12);
  CHECK(ids_of(half.val) == std::vector<int>{~8, 7, 7, ~0, ~0, ~0});
  CHECK(all.split(0.01).val.size() == 6);
  // No end token; and cut to four tokens that are read, and one more to predict: counted.
  CHECK(ids_of(tool::Examples::read(path, letters, -1, true, 100, folder.path()).split(0).train).size() == 15);
  const auto cut = tool::Examples::read(path, letters, 7, true, 2, folder.path());
  CHECK(cut.length() == 3);
  CHECK(cut.cut() == 1);
  CHECK(cut.without_target() == 1);  // nothing of its completion is left
  CHECK(cut.count() == 2);
}

TEST_CASE("a prompt may spell a special token, or not") {
  const TemporaryFolder folder;
  const std::string path = folder / "e.jsonl";
  write_file(path, "{\"prompt\": \"a<s>\", \"completion\": \"b\"}");
  CHECK(ids_of(tool::Examples::read(path, letters, -1, true, 9, folder.path()).split(0).train) ==
        std::vector<int>{~8, ~0, ~8, 1});
  CHECK(ids_of(tool::Examples::read(path, letters, -1, false, 9, folder.path()).split(0).train) ==
        std::vector<int>{~8, ~0, 1});
}

TEST_CASE("a line that is none: file, line, and what was found") {
  const TemporaryFolder folder;
  const std::string path = folder / "e.jsonl";
  const auto says = [&](std::string const& line) {
    write_file(path, "{\"text\": \"ab\"}\n" + line);
    try {
      (void)tool::Examples::read(path, letters, 7, true, 100, folder.path());
    } catch (error const& e) {
      return std::string(e.what());
    }
    return std::string("read");
  };
  const char* const cases[][2] = {
      {"{\"text\": \"a\"", "e.jsonl:2: the text ends at byte 12"},
      {"{\"text\": 5}", "e.jsonl:2: '5' at byte 9, expected a string"},
      {"{\"text\": \"a\", \"text\": \"b\"}", "e.jsonl:2 has text twice"},
      {"{\"prompt\": \"a\"}", "e.jsonl:2 has prompt, expected prompt and completion, or text"},
      {"{\"prompt\": \"a\", \"completion\": \"b\", \"text\": \"c\"}", "e.jsonl:2 has prompt completion text"},
      {"{}", "e.jsonl:2 has none of these"},
      {"{\"text\": \"a\"} {}", "e.jsonl:2: '{' at byte 14"},
      {"{\"prompt\": \"a\", \"completion\": \"b\"}", "read"}};
  for (auto const& c : cases) {
    CAPTURE(c[0]);
    const std::string said = says(c[0]);
    CAPTURE(said);
    CHECK(said.find(c[1]) != std::string::npos);
  }
  write_file(path, "\n");
  CHECK_THROWS_WITH_AS(tool::Examples::read(path, letters, 7, true, 100, folder.path()), Contains("has 0 examples"),
                       error);
}

TEST_CASE("of messages the answers count, with the token that ends each, in the model's template") {
  const TemporaryFolder folder;
  const std::string path = folder / "e.jsonl";
  const std::string turns = "{% for m in messages %}{% if m.role == 'user' %}c{{ m.content }}{% else %}d",
                    after =
                        "{% endif %}"
                        "{% endfor %}{% if add_generation_prompt %}d{% endif %}";
  const auto ids = [&](std::string const& text, std::string const& lines) {
    write_file(folder / "chat_template.jinja", text);
    write_file(path, lines);
    return ids_of(tool::Examples::read(path, letters, 7, true, 100, folder.path()).split(0).train);
  };
  const std::string talk = R"({"messages": [{"role": "user", "content": "a<s>"}, {"role": "assistant", "content": "b"},
      {"role": "user", "content": "e"}, {"role": "assistant", "content": "f"}]})";
  std::string line = talk;
  line.erase(std::remove(line.begin(), line.end(), '\n'), line.end());
  // <s>, which the vocabulary has no letters for, is none when a user spells it. g stands between turns.
  const std::vector<int> want = {~2, ~0, ~3, 1, 8, ~6, ~2, ~4, ~3, 5, 8, ~6};
  CHECK(ids(turns + "{{ m.content }}<s>g" + after, line) == want);
  CHECK(ids(turns + "{% generation %}{{ m.content }}<s>{% endgeneration %}g" + after, line) == want);
  // A template that ends a text as it does not end a turn; and one without special tokens.
  CHECK(ids(turns + "{{ m.content }}{% if loop.last %}<s>{% else %}g{% endif %}" + after, line) ==
        std::vector<int>{~2, ~0, ~3, 1, ~6, ~2, ~4, ~3, 5, 8});
  const auto said = [&](std::string const& text, std::string const& lines) {
    try {
      (void)ids(text, lines);
    } catch (error const& e) {
      return std::string(e.what());
    }
    return std::string("nothing");
  };
  CHECK(said(turns + "{% if loop.last %}{{ m.content }}{% endif %}" + after, line)
            .find("e.jsonl:1: the chat template changes") != std::string::npos);
  CHECK(said("x", "{\"messages\": 5}").find("messages that are no list") != std::string::npos);
  CHECK(said("x", "{\"messages\": [], \"text\": \"a\"}").find("has text beside messages") != std::string::npos);
  CHECK(said("{{ raise_exception('no') }}", line).find("chat_template.jinja:1:19: no") != std::string::npos);
}
