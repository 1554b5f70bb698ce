// A model directory's chat template, and conversations in it.
#pragma once
#include <ctime>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fauna/core/error.hpp>
#include <fauna/io/file.hpp>
#include <fauna/io/gguf.hpp>
#include <fauna/io/json.hpp>
#include <fauna/text/bpe.hpp>
#include <fauna/text/template/template.hpp>
#include <tools/src/turn.hpp>

namespace tool {

namespace chat_detail {

/// chat_template in a JSON file: a text, or a list of {"name", "template"}, of which `default` is taken, or tool_use
/// where there are tools. False where there is none.
inline bool template_in(std::string const& path, bool tools, std::string& where, std::string& found) {
  if (!fauna::exists(path)) return false;
  const std::string text = fauna::read_file(path);
  fauna::JsonReader in(text, path);
  bool any = false;
  in.enter_object();
  for (std::string key; in.next_key(key);) {
    if (key != "chat_template" || in.peek() == fauna::json::null) {
      in.skip();
      continue;
    }
    where = "chat_template in " + path;
    any = true;
    if (in.peek() == fauna::json::string) {
      found = in.string();
      continue;
    }
    bool usual = false, of_tools = false;
    in.enter_array();
    while (in.next_item()) {
      std::string name, body;
      in.enter_object();
      for (std::string k; in.next_key(k);) (k == "name" ? name : body) = in.string();
      of_tools = of_tools || (tools && name == "tool_use");
      usual = usual || name == "default";
      if (name == (of_tools ? "tool_use" : "default")) found = body;
    }
    if (!usual && !of_tools)
      fauna::fail("chat", where + " is a list without a template named default", "one with that name",
                  "write the one to use into chat_template.jinja");
  }
  in.end();
  return any;
}

/// bos_token and the like of a tokenizer_config.json: texts, or objects with a content.
inline void read_tokens(std::string const& path, std::vector<std::pair<std::string, std::string>>& tokens) {
  if (!fauna::exists(path)) return;
  const std::string text = fauna::read_file(path);
  fauna::JsonReader in(text, path);
  in.enter_object();
  for (std::string key; in.next_key(key);) {
    const bool wanted = key.ends_with("_token") && key.size() == 9;  // bos, eos, unk, sep, pad, cls
    if (wanted && in.peek() == fauna::json::string) {
      tokens.emplace_back(key, in.string());
    } else if (wanted && in.peek() == fauna::json::object) {
      in.enter_object();
      for (std::string k; in.next_key(k);)
        if (k == "content") tokens.emplace_back(key, in.string());
        else in.skip();
    } else {
      in.skip();
    }
  }
  in.end();
}

}  // namespace chat_detail

/// The template of a directory, from chat_template.jinja, tokenizer_config.json or chat_template.json, or of a GGUF
/// file; `where` becomes its place.
inline std::string chat_template(std::string const& from, bool tools, std::string& where) {
  if (!fauna::is_directory(from)) {
    where = "tokenizer.chat_template in " + from;
    return std::string(fauna::Gguf(from).text("tokenizer.chat_template"));
  }
  where = from + "/chat_template.jinja";
  if (fauna::exists(where)) return fauna::read_file(where);
  std::string found;
  for (const char* file : {"/tokenizer_config.json", "/chat_template.json"})
    if (chat_detail::template_in(from + file, tools, where, found)) return found;
  fauna::fail("chat", from + " has no chat template", "a model for chat",
              "it stands in chat_template.jinja, or under chat_template in tokenizer_config.json");
}

/// The template, with the special tokens that it may name.
class Chat {
 public:
  using Values = std::vector<std::pair<std::string_view, fauna::jinja::Value>>;

  /// Of a model directory or a GGUF file. `tools`: the template for tools, where there are two. Throws on what is none.
  explicit Chat(std::string const& from, bool tools = false) : template_(read(from, tools)) {
    if (!fauna::is_directory(from)) {
      const fauna::Gguf file(from);
      const auto texts = file.texts("tokenizer.ggml.tokens");
      for (const char* name : {"bos", "eos"}) {
        const std::string key = std::string("tokenizer.ggml.") + name + "_token_id";
        if (!file.has(key)) continue;
        const auto id = static_cast<std::size_t>(file.integer(key));
        if (id < texts.size()) tokens_.emplace_back(std::string(name) + "_token", std::string(texts[id]));
      }
      return;
    }
    chat_detail::read_tokens(from + "/special_tokens_map.json", tokens_);
    chat_detail::read_tokens(from + "/tokenizer_config.json", tokens_);
  }

  /// The template itself.
  std::string const& source() const { return template_.text(); }

  /// A conversation as text. `messages`: a list of dicts; `more`: what else the template may read, such as tools,
  /// documents or enable_thinking. Throws fauna::jinja::template_error where the template refuses it.
  fauna::jinja::Text text(fauna::jinja::Heap& heap, fauna::jinja::Value messages, bool answer_begins,
                          Values const& more = {}) const {
    using fauna::jinja::Value;
    Values all;
    for (auto const& [name, token] : tokens_) all.emplace_back(name, Value(heap.text(token)));
    all.emplace_back("tools", Value::none());
    all.emplace_back("documents", Value::none());
    all.insert(all.end(), more.begin(), more.end());
    all.emplace_back("messages", messages);
    all.emplace_back("add_generation_prompt", Value(answer_begins));
    const std::time_t seconds = std::time(nullptr);
    std::tm now{};
    ::localtime_r(&seconds, &now);
    return template_.render(heap, all, now);
  }
  fauna::jinja::Text text(std::vector<Turn> const& turns, bool answer_begins, std::string const& values = {}) const {
    fauna::jinja::Heap heap;
    return text(heap, messages(heap, turns), answer_begins, read_values(heap, values));
  }
  /// As ids. What spells a special token in what somebody said is text: nobody ends his turn and speaks for another.
  static std::vector<int> ids(fauna::Bpe const& tokenizer, fauna::jinja::Text const& text) {
    return tokenizer.encode(text.bytes, {.add_special = false, .foreign = text.marks});
  }

  static fauna::jinja::Value messages(fauna::jinja::Heap& heap, std::vector<Turn> const& turns) {
    using fauna::jinja::Value;
    std::vector<Value> all;
    for (Turn const& t : turns) {
      fauna::jinja::Dict* d = heap.dict();
      d->set(heap.text("role"), Value(heap.text(t.role)));
      d->set(heap.text("content"), Value(heap.text(t.content, fauna::jinja::foreign)));
      for (auto const& [name, value] : read_values(heap, t.more)) d->set(heap.text(name), value);
      all.emplace_back(d);
    }
    return Value(heap.list(std::move(all)));
  }
  /// The members of a JSON object, as values of a template; none for an empty text.
  static Values read_values(fauna::jinja::Heap& heap, std::string_view json, std::string const& source = "values") {
    Values all;
    if (json.empty()) return all;
    fauna::JsonReader in(json, source);
    in.enter_object();
    for (std::string key; in.next_key(key);) all.emplace_back(heap.text(key)->bytes, fauna::jinja::read_json(in, heap));
    in.end();
    return all;
  }

 private:
  static fauna::Template read(std::string const& from, bool tools) {
    std::string where;
    const std::string text = chat_template(from, tools, where);
    return fauna::Template(text, where);
  }

  fauna::Template template_;
  std::vector<std::pair<std::string, std::string>> tokens_{};
};

/// What --values says: a JSON object, from a file where it says so.
inline std::string values_of(std::string const& flag) {
  return flag.starts_with("FILE:") ? fauna::read_file(flag.substr(5)) : flag;
}

/// The prompt of an answer to what a user says, in the template of a directory or file. `values`: a JSON object.
inline fauna::jinja::Text in_template(std::string const& from, std::string const& prompt,
                                      std::string const& values = {}) {
  return Chat(from, values.find("\"tools\"") != std::string::npos).text({{"user", prompt}}, true, values);
}

}  // namespace tool
