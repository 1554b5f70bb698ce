// Chat templates: one is known when all of it is.
#include <doctest/doctest.h>

#include <tools/src/chat.hpp>

#include "../support/temporary.hpp"

namespace {

using namespace fauna;
using doctest::Contains;

const std::string
    start = "{% for message in messages %}",
    sentence =
        "{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nBe "
        "brief.<|im_end|>\n' }}{% endif %}",
    turn = "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}",
    reply = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

std::string told(std::string const& text) {
  const TemporaryFolder folder;
  write_file(folder / "chat_template.jinja", text);
  return tool::in_template(folder.path(), "the fox");
}
std::string replaced(std::string text, std::string const& from, std::string const& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

}  // namespace

TEST_CASE("ChatML is known, with and without a sentence by default, however its white space lies") {
  const std::string plain = "<|im_start|>user\nthe fox<|im_end|>\n<|im_start|>assistant\n";
  CHECK(told(start + turn + reply) == plain);
  const std::string all = start + sentence + turn + reply, brief = "<|im_start|>system\nBe brief.<|im_end|>\n" + plain;
  CHECK(told(all) == brief);
  CHECK(told(replaced(all, "\n", "\\n")) == brief);
  CHECK(told(replaced(replaced(all, "{{ ", "{{"), " }}", "}}") + '\n') == brief);
  CHECK(told("  " + replaced(all, "%}{%", "%}\n  {%") + "\n\n") == brief);
  CHECK(told(replaced(replaced(all, "%}{", "-%}\n\n {"), "in messages", "in  messages")) == brief);
}

TEST_CASE("what only resembles ChatML is not known") {
  const std::string all = start + sentence + turn + reply;
  const std::string others[] = {
      "{{ bos_token }}" + all,
      all + "\n\n\n",
      start + turn,
      start + '\n' + '\n' + turn + reply,
      start + turn + replaced(reply, "assistant\n", "assistant\n<think>\n"),
      start + turn + replaced(reply, "assistant", "model"),
      start + turn + replaced(reply, "assistant", "moderator"),
      replaced(all, "Be brief.", "' + sys + '"),
      replaced(all, "Be brief.", "It\\'s brief."),
      replaced(all, "Be brief.", ""),
      replaced(all, "['content']", "['content'] | trim"),
      replaced(all, "!= 'system'", "== 'system'"),
      start + sentence + sentence + turn + reply,
      replaced(all, "%}{", "%} {"),
      replaced(all, "\n", "\\\\n"),
      "",
      "{",
      "{{ '<|im_start|>",
  };
  for (std::string const& other : others) {
    CAPTURE(other);
    CHECK_THROWS_WITH_AS(told(other), Contains("chat_template.jinja is a template that is not known, expected ChatML"),
                         error);
  }
}
