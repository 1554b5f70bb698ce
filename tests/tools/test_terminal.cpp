// A conversation through a pipe, with a model that goes on with the next letter.
#include <doctest/doctest.h>
#include <unistd.h>

#include <tools/src/terminal.hpp>

#include "../support/idle_engine.hpp"
#include "../support/temporary.hpp"

namespace test_terminal {

namespace {

using namespace fauna;

/// A token for each of a to h, and both bytes of an é.
const Bpe letters = Bpe::from_json(
    R"({"added_tokens": [{"id": 10, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true}],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "d": 3, "e": 4, "f": 5, "g": 6, "h": 7, "Ã": 8,
                  "©": 9}, "merges": []}})",
    "letters");

/// After a comes b, after h comes a; after an é another.
struct Letters final : IdleEngine {
  int vocab() const override { return 11; }
  int context() const override { return 100; }
  struct Next final : tool::Reader {
    explicit Next(Letters& of) : engine(of) {}
    int vocab() const override { return 11; }
    int context() const override { return 100; }
    const float* logits(const int* ids, int n, int wanted, int) override {
      engine.read.emplace_back(ids, ids + n);
      if (engine.signal_at == n) ::raise(SIGINT);
      rows.assign(11 * static_cast<std::size_t>(wanted), 0.0F);
      for (int i = 0; i < wanted; ++i) {
        const int last = ids[n - wanted + i], next = last == 8 ? 9 : last == 9 ? 8 : (last + 1) % 8;
        rows[static_cast<std::size_t>(11 * i + next)] = 9;
      }
      return rows.data();
    }
    Letters& engine;
    std::vector<float> rows{};
  };
  std::unique_ptr<tool::Reader> reader(int, int, int) override { return std::make_unique<Next>(*this); }
  int signal_at = -1;  ///< Ctrl-C comes when a text of so many tokens is read
  std::vector<std::vector<int>> read{};
};

/// What is written to some lines. `turns`: what was said in the end.
struct Talk {
  std::string written{};
  std::vector<tool::Turn> turns{};
};
Talk talk(Letters& engine, std::string const& text, std::string const& lines, std::string const& system = {},
          int tokens = 4) {
  const TemporaryFolder folder;
  write_file(folder / "chat_template.jinja", text);
  const tool::Chat chat(folder.path());
  const GenerateOptions o{.tokens = tokens,
                          .temperature = 0,
                          .top_k = 0,
                          .vocab = 10,
                          .stop_ids = {7},
                          .context = 20,
                          .at_end = context_end::stop};
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  REQUIRE(::write(ends[1], lines.data(), lines.size()) == static_cast<ssize_t>(lines.size()));
  ::close(ends[1]);
  std::FILE* out = std::tmpfile();
  tool::Terminal terminal(engine, letters, chat, o, "", system, out);
  terminal.run(ends[0]);
  ::close(ends[0]);
  Talk t{.turns = terminal.turns()};
  std::rewind(out);
  for (int c = 0; (c = std::fgetc(out)) != EOF;) t.written += static_cast<char>(c);
  std::fclose(out);
  return t;
}
Talk talk(std::string const& text, std::string const& lines, std::string const& system = {}, int tokens = 4) {
  Letters engine;
  return talk(engine, text, lines, system, tokens);
}
std::string said(Talk const& t) {
  std::string all;
  for (tool::Turn const& one : t.turns) all += one.role.substr(0, 1) + ':' + one.content + ' ';
  return all;
}

const std::string joined = "{% for m in messages %}{{ m.content }}{% endfor %}";

}  // namespace

TEST_CASE("each line is answered, and what was said is the prompt of the next") {
  const Talk t = talk(joined, "ab\n\n  \r\ne\r\nb");
  CHECK(t.written == "cdef\nfg\ncdef\n");
  CHECK(said(t) == "u:ab a:cdef u:e a:fg u:b a:cdef ");
  Letters engine;
  talk(engine, joined, "ab\nb\n");
  CHECK(std::count(engine.read.begin(), engine.read.end(), std::vector<int>{0, 1, 2, 3, 4, 5, 1}) == 1);
}

TEST_CASE("commands") {
  CHECK(said(talk(joined, "/system ab\nc\n/reset\nd\n")) == "s:ab u:d a:efg ");
  CHECK(said(talk(joined, "/system\nc\n", "ab")) == "u:c a:defg ");
  CHECK(said(talk(joined, "c\n/system ab\n")) == "s:ab u:c a:defg ");
  CHECK(said(talk(joined, "c\n/reset\n/help\n/nonsense\n/save\n/quit\nd")) == "");
  const TemporaryFolder folder;
  const std::string file = folder / "talk";
  talk(joined, "/system a\"b\nc\n/save " + file + "\n/save /nowhere/at/all\n");
  CHECK(read_file(file) ==
        "{\"messages\": [{\"role\": \"system\", \"content\": \"a\\\"b\"}, {\"role\": \"user\", "
        "\"content\": \"c\"}, {\"role\": \"assistant\", \"content\": \"defg\"}]}\n");
  talk(joined, "/save " + file + "\n");
  CHECK(read_file(file) == "{\"messages\": []}\n");
}

TEST_CASE("what cannot be said is no part of the conversation") {
  CHECK(said(talk("{% if messages[-1].content == 'c' %}{{ raise_exception('no') }}{% endif %}" + joined, "c\nd\n")) ==
        "u:d a:efg ");
  CHECK(said(talk(joined, "\xff\nd\n")) == "u:d a:efg ");
  CHECK(said(talk(joined, std::string(21, 'a') + "\nd\n")) == "u:d a:efg ");
  CHECK(said(talk("", "d\n")) == "");
  CHECK(said(talk(joined, "x<s>d\n")) == "u:x<s>d a:efg ");  // no special token, for which there are no letters
}

TEST_CASE("no character is cut") {
  // A token is half of an é: an answer of three tokens ends in one.
  CHECK(talk(joined, "\xc3\xa9\n", "", 4).written == "\xc3\xa9\xc3\xa9\n");
  CHECK(talk(joined, "\xc3\xa9\n", "", 3).written == "\xc3\xa9\xef\xbf\xbd\n");
}

TEST_CASE("Ctrl-C ends an answer, of which what was written stays") {
  Letters engine;
  engine.signal_at = 3;  // of "a" and two more
  const Talk t = talk(engine, joined, "a\nc\n");
  CHECK(said(t) == "u:a a:bc u:c a:defg ");
  CHECK(t.written == "bc\ndefg\n");
}

}  // namespace test_terminal
