// Examples for fine-tuning: what of them is read, what counts, what is cut.
#include <doctest/doctest.h>

#include <algorithm>
#include <fauna/io/file.hpp>
#include <tools/src/examples.hpp>

#include "../support/temporary.hpp"

namespace test_examples {

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
      {"{\"prompt\": \"a\"}", "e.jsonl:2 has prompt, expected the keys of one shape: text; prompt and completion;"},
      {"{\"prompt\": \"a\", \"completion\": \"b\", \"text\": \"c\"}",
       "e.jsonl:2 has prompt, completion, text, expected"},
      {"{\"instruction\": \"a\", \"answer\": \"b\"}", "e.jsonl:2 has instruction, answer, expected"},
      {"{\"instruction\": \"a\", \"output\": 5}", "e.jsonl:2: '5' at byte 31, expected a string"},
      {"{\"conversations\": {}}", "e.jsonl:2: '{' at byte 18, expected an array"},
      {"{\"conversations\": [{\"from\": \"human\"}]}", "e.jsonl:2: turn 0 has from, expected from and value"},
      {"{\"conversations\": [{\"from\": \"gpt\", \"value\": \"a\"}, {\"from\": \"cat\", \"value\": \"a\"}]}",
       "e.jsonl:2: turn 1 is from cat, expected human, gpt or system"},
      {"{}", "e.jsonl:2 has nothing"},
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
  // The same from ShareGPT's shape, whose turns may say more, in an array.
  CHECK(
      ids(turns + "{{ m.content }}<s>g" + after,
          R"([{"id": 3, "conversations": [{"from": "human", "value": "a<s>"}, {"from": "gpt", "value": "b", "weight": 1},
      {"from": "user", "value": "e"}, {"from": "assistant", "value": "f"}]}])") == want);
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
  CHECK(said("x", "{\"messages\": [], \"text\": \"a\"}").find("has messages, text, expected") != std::string::npos);
  CHECK(said("{{ raise_exception('no') }}", line).find("chat_template.jinja:1:19: no") != std::string::npos);
}

TEST_CASE("Alpaca's shape is its prompt and what was answered") {
  const TemporaryFolder folder;
  const auto ids = [&](std::string const& record) {
    write_file(folder / "e.json", '[' + record + ']');
    return ids_of(tool::Examples::read(folder / "e.json", letters, 7, true, 1000, folder.path()).split(0).train);
  };
  const std::string task = "Below is an instruction that describes a task",
                    rest = ". Write a response that appropriately completes the request.\\n\\n### Instruction:\\nab",
                    end = "\\n\\n### Response:\\n";
  const auto as_pair = [&](std::string const& prompt) {
    return ids("{\"prompt\": \"" + prompt + "\", \"completion\": \"cd\"}");
  };
  const auto plain = ids(R"({"instruction": "ab", "output": "cd"})");
  CHECK(plain == as_pair(task + rest + end));
  CHECK(ids(R"({"output": "cd", "input": "", "instruction": "ab", "source": 3})") == plain);
  CHECK(ids(R"({"instruction": "ab", "input": "ef", "output": "cd"})") ==
        as_pair(task + ", paired with an input that provides further context" + rest + "\\n\\n### Input:\\nef" + end));
}

TEST_CASE("an array of examples is what its lines are, and says where it is broken") {
  const TemporaryFolder folder;
  const auto read = [&](std::string const& text) {
    write_file(folder / "e.json", text);
    return ids_of(tool::Examples::read(folder / "e.json", letters, 7, true, 100, folder.path()).split(0).train);
  };
  const std::vector<int> want{8, 0, 7, 8, 1, 7};
  CHECK(read("{\"text\": \"a\"}\n{\"text\": \"b\"}") == want);
  CHECK(read(" [{\"text\": \"a\"},{\"text\": \"b\"}]\n\n") == want);
  CHECK(read("[\n  {\n    \"text\": \"a\"\n  },\n  {\"text\": \"b\"}\n]") == want);
  const char* const cases[][2] = {
      {"[\n{\"text\": \"a\"},\n{\"text\": 5}]", "e.json:3: '5' at byte 9, expected a string"},
      {"[\n{\"text\": \"a\"},\n\n{\"prompt\": \"a\"}]", "e.json:4 has prompt, expected"},
      {"[{\"text\": \"a\"}\n {\"text\": \"b\"}]", "e.json:2: {, expected ',' or ']'"},
      {"[{\"text\": \"a\"},\n]", "e.json:2: ']' at byte 0, expected a value"},
      {"[{\"text\": \"a\"}", "e.json:1: the file ends, expected ',' or ']'"},
      {"[", "e.json:1: the text ends at byte 0"},
      {"[\n{\"text\": \"a\"}] []", "e.json:2: more behind the array"},
      {"[\"a\"]", "e.json:1: '\"' at byte 0, expected an object"},
      {"[]", "e.json has 0 examples"}};
  for (auto const& c : cases) {
    CAPTURE(c[0]);
    CHECK_THROWS_WITH_AS(read(c[0]), Contains(c[1]), error);
  }
}

}  // namespace test_examples
