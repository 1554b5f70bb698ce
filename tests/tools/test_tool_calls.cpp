// Functions that a chat's model may call: what a request says of them, calls in a text as it comes, and texts that are
// nothing but calls.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <tools/src/serve/conversation.hpp>
#include <tools/src/serve/tool_calls.hpp>

#include "../support/letter_tokens.hpp"
#include "../support/temporary.hpp"

namespace test_tool_calls {

namespace {

using namespace tool::serve;
using doctest::Contains;
using nlohmann::json;

const Calls some{.of = {{.name = "add", .parameters = R"({"type": "object"})"}, {.name = "now"}}};

struct Said {
  std::string words{};
  std::vector<std::pair<std::string, std::string>> calls{};
  bool operator==(Said const&) const = default;
};
std::ostream& operator<<(std::ostream& out, Said const& s) {
  out << '"' << s.words << '"';
  for (auto const& [name, arguments] : s.calls) out << ' ' << name << arguments;
  return out;
}
/// A text that comes in pieces of so many bytes.
Said read(std::string const& text, std::size_t piece, Calls const& calls = some) {
  CallReader reader(calls);
  Said all;
  const auto take = [&all](CallReader::Read const& r) {
    all.words += r.words;
    for (Call const& c : r.calls) all.calls.emplace_back(c.name, c.arguments);
  };
  for (std::size_t at = 0; at < text.size(); at += piece) take(reader.push(text.substr(at, piece)));
  take(reader.finish());
  return all;
}

json function(std::string const& name, json const& parameters = nullptr) {
  return {{"type", "function"}, {"function", {{"name", name}, {"parameters", parameters}}}};
}
Fields fields(json const& body) { return Fields(body.dump()); }

}  // namespace

TEST_CASE("calls in a text, in whatever pieces it comes") {
  const std::string add = R"({"name": "add", "arguments": {"a": [1, "}]\"{"], "b": 2}})",
                    now = R"({"name": "now", "parameters": {}})";
  const std::pair<std::string, std::string> adds{"add", R"({"a": [1, "}]\"{"], "b": 2})"}, tells{"now", "{}"};
  const std::vector<std::pair<std::string, Said>> texts = {
      {"", {}},
      {"Only words; {braces} and <tags>\n", {"Only words; {braces} and <tags>\n"}},
      {"<tool_call>\n" + add + "\n</tool_call>", {"", {adds}}},
      {"So be it.\n\n<tool_call>" + add + "</tool_call>\n<tool_call>\n" + now + "\n</tool_call>\n",
       {"So be it.", {adds, tells}}},
      {"<tool_call>" + now, {"", {tells}}},
      {"<tool_call>" + now + "</tool_call> Done; <b>", {"Done; <b>", {tells}}},
      {now, {"", {tells}}},
      {"\n <|python_tag|>" + now + "; " + add, {"", {tells, adds}}},
      {R"({"name": "now"})", {"", {tells}}},
      {R"({"name": "now", "arguments": "{\"a\": 1}"})", {"", {{"now", R"({"a": 1})"}}}},
      // What only looks like one: another name, no object, no JSON, an object among words, one that is cut off.
      {R"({"name": "nobody", "arguments": {}})", {R"({"name": "nobody", "arguments": {}})"}},
      {R"({"name": "now", "arguments": 3} then)", {R"({"name": "now", "arguments": 3} then)"}},
      {"<tool_call>no</tool_call>", {"<tool_call>no</tool_call>"}},
      {"<tool_call> {now} </tool_call>" + now, {"<tool_call> {now} </tool_call>" + now}},
      {"It is " + now, {"It is " + now}},
      {"a <tool_call>" + add.substr(0, 20), {"a <tool_call>" + add.substr(0, 20)}},
      {now + " " + add.substr(0, 20), {add.substr(0, 20), {tells}}},
      {" a <tool_", {" a <tool_"}},
      {"{\"name\": \"now\"", {"{\"name\": \"now\""}}};
  for (auto const& one : texts) {
    std::string const& text = one.first;
    CAPTURE(text);
    for (const std::size_t piece : {1U, 2U, 3U, 7U, 1000U}) CHECK(read(text, piece) == one.second);
  }
  // One call alone, and none where nothing may be called.
  CHECK(read(now + add, 5, {.of = some.of, .several = false}) == Said{"", {tells}});
  CHECK(read("<tool_call>" + now, 5, {}) == Said{"<tool_call>" + now});
  // Words are held back no longer than they must be.
  CallReader reader(some);
  CHECK(reader.push("one two <").words == "one two");
  CHECK(reader.push("tool").words.empty());
  CHECK(reader.push("s> three").words == " <tools> three");
}

TEST_CASE("texts that are calls") {
  namespace grammar = fauna::grammar;
  Calls calls{.of = {{.name = "add",
                      .parameters = R"({"type": "object", "properties": {"a": {"$ref": "#/$defs/n"}}, "required": ["a"],
                                                      "$defs": {"n": {"type": "integer"}}})"},
                     {.name = "now"}},
              .must = true};
  const auto matches = [&calls](std::string const& text) {
    grammar::Automaton a(grammar_of(calls));
    return a.matches(text);
  };
  const std::string add = "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\":-12}}\n</tool_call>",
                    now = "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>";
  for (std::string const& text : {add, now, add + '\n' + now + '\n' + add}) {
    CHECK(matches(text));
    CHECK(read(text, 4, calls).words.empty());
  }
  for (std::string const& text : {std::string(), "a" + add, add + add, add + '\n', now.substr(0, now.size() - 1)})
    CHECK_FALSE(matches(text));
  calls.several = false;
  CHECK(matches(now));
  CHECK_FALSE(matches(now + '\n' + now));
  calls.several = true;
  calls.style = call_style::bare;
  const std::string bare = R"({"name": "add", "parameters": {"a": 7}})";
  CHECK(matches(bare + "; " + bare));
  CHECK(read(bare + "; " + bare, 3, calls).calls.size() == 2);
  CHECK_FALSE(matches(add));
}

TEST_CASE("what a request says of tools") {
  const json both = json::array(
      {function("add", {{"type", "object"}, {"properties", {{"a", {{"type", "integer"}}}}}}), function("now")});
  const auto of = [&](json const& more) {
    json body = {{"tools", both}};
    body.update(more);
    return tools(fields(body));
  };
  const Tools free = of(json::object());
  CHECK(free.calls.of.size() == 2);
  CHECK_FALSE(free.calls.must);
  CHECK(free.calls.several);
  CHECK(free.calls.of[1].parameters.empty());
  // As they are spelt, in their own order.
  const Tools spelt = tools(Fields(
      R"({"tools": [ {"function": {"parameters": {"type":"object", "properties": {"b": {}, "a": {}}}, "name": "f"}, "type": "function"} ]})"));
  CHECK(spelt.written.find(R"("b": {}, "a")") != std::string::npos);
  CHECK(spelt.calls.of[0].parameters == R"({"type":"object", "properties": {"b": {}, "a": {}}})");
  CHECK(of({{"tool_choice", "required"}, {"parallel_tool_calls", false}}).calls.must);
  CHECK_FALSE(of({{"tool_choice", "auto"}, {"parallel_tool_calls", false}}).calls.several);
  const Tools none = of({{"tool_choice", "none"}});
  CHECK((none.written.empty() && none.calls.of.empty()));
  const Tools one = of({{"tool_choice", function("now")}});
  CHECK((one.calls.must && !one.calls.several && one.calls.of.size() == 1 && one.calls.of[0].name == "now"));
  CHECK(one.written == free.written);
  const Tools allowed = of({{"tool_choice",
                             {{"type", "allowed_tools"},
                              {"allowed_tools", {{"mode", "required"}, {"tools", json::array({function("add")})}}}}}});
  CHECK((allowed.calls.must && allowed.calls.of.size() == 1 && allowed.calls.of[0].name == "add"));
  CHECK(tools(fields({{"tools", json::array()}, {"tool_choice", "auto"}})).calls.of.empty());

  const auto refused = [](json const& body, const char* param) {
    try {
      (void)tools(fields(body));
      FAIL_CHECK(body.dump());
    } catch (Refusal const& r) {
      CHECK(r.status == 400);
      CHECK(r.param == param);
    }
  };
  refused({{"tools", "add"}}, "tools");
  refused({{"tools", json::array({3})}}, "tools[0]");
  refused({{"tools", json::array({{{"type", "web_search"}}})}}, "tools[0].type");
  refused({{"tools", json::array({{{"type", "function"}}})}}, "tools[0].function");
  for (const char* name : {"", "a b", "é"})
    refused({{"tools", json::array({function("now"), function(name)})}}, "tools[1].function.name");
  refused({{"tools", json::array({function(std::string(65, 'a'))})}}, "tools[0].function.name");
  for (json const& parameters : {json("a"), json{{"type", "string"}}})
    refused({{"tools", json::array({function("now", parameters)})}}, "tools[0].function.parameters");
  refused({{"tools", std::vector<json>(129, function("now"))}}, "tools");
  refused({{"tool_choice", "required"}}, "tool_choice");
  refused({{"parallel_tool_calls", true}}, "parallel_tool_calls");
  for (json const& choice : {json("any"), json(3), function("nobody"), json{{"type", "custom"}}})
    refused({{"tools", both}, {"tool_choice", choice}}, "tool_choice");
  refused({{"tools", both}, {"tool_choice", {{"type", "allowed_tools"}, {"allowed_tools", {{"mode", "any"}}}}}},
          "tool_choice.allowed_tools");
}

TEST_CASE("calls and their answers go back through the template") {
  const TemporaryFolder folder;
  const fauna::Bpe tokenizer = letter_tokens();
  // Arguments are an object: its a is added to a text. A tool's answer knows what was called.
  fauna::write_file(folder / "chat_template.jinja",
                    "{% for t in tools or [] %}{{ t.function.name }}{% endfor %}{% for m in messages %}{{ m.content }}"
                    "{% for c in m.tool_calls or [] %}{{ c.function.name ~ c.function.arguments.a ~ c.id }}{% endfor %}"
                    "{% if m.role == 'tool' %}{{ m.name ~ m.tool_call_id }}{% endif %}{% endfor %}");
  const Conversation chat(tokenizer, folder.path());
  const json call = {{"id", "e"}, {"type", "function"}, {"function", {{"name", "a"}, {"arguments", R"({"a": "b"})"}}}};
  const auto text = [&](json const& messages, json const& more = json::object()) {
    json body = {{"messages", messages}};
    body.update(more);
    return tokenizer.decode(chat.ids(chat_request(fields(body), 19)));
  };
  const json asks = {{"role", "assistant"}, {"tool_calls", json::array({call})}},
             answers = {{"role", "tool"}, {"tool_call_id", "e"}, {"content", "c"}};
  CHECK(text(json::array({asks, answers})) == "abecae");
  CHECK(text(json::array({asks, answers}), {{"tools", json::array({function("g")})}}) == "gabecae");
  CHECK(text(json::array({asks}), {{"tools", json::array({function("g")})}, {"tool_choice", "none"}}) == "abe");
  json with_words = asks;
  with_words["content"] = "h";
  CHECK(text(json::array({with_words})) == "habe");
  CHECK(chat.calls() == call_style::bare);

  const auto refused = [&](json const& messages, const char* param) {
    try {
      (void)text(messages);
      FAIL_CHECK(messages.dump());
    } catch (Refusal const& r) {
      CHECK(r.status == 400);
      CHECK(r.param == param);
    }
  };
  const auto changed = [&](const char* pointer, json const& value) {
    json m = asks;
    m[json::json_pointer(pointer)] = value;
    return json::array({m});
  };
  refused(json::array({answers}), "messages[0].tool_call_id");
  refused(json::array({{{"role", "assistant"}}}), "messages[0].content");
  refused(json::array({{{"role", "user"}, {"content", "a"}, {"tool_calls", json::array({call})}}}),
          "messages[0].tool_calls");
  refused(changed("/tool_calls", 3), "messages[0].tool_calls");
  refused(changed("/tool_calls/0/id", 3), "messages[0].tool_calls[0].id");
  refused(changed("/tool_calls/0/type", "other"), "messages[0].tool_calls[0].type");
  for (json const& wrong : {json("[]"), json("{"), json("{} {}"), json(3), json(std::string(200, '['))})
    refused(changed("/tool_calls/0/function/arguments", wrong), "messages[0].tool_calls[0].function.arguments");
  refused(changed("/tool_calls/0/function/arguments", R"({"a": 99999999999999999999})"), "");

  fauna::write_file(folder / "chat_template.jinja", "{{ tools }}<tool_call>");
  CHECK(Conversation(tokenizer, folder.path()).calls() == call_style::tagged);
  fauna::write_file(folder / "chat_template.jinja", "{{ messages[0].content }}");
  CHECK_THROWS_WITH(Conversation(tokenizer, folder.path()).calls(), Contains("knows none"));
}

}  // namespace test_tool_calls
