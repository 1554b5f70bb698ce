// A model directory's chat template. Templates are programs, in Jinja, and nothing here runs them: one is known when
// all of it is, but for white space that changes nothing and for the sentence that it tells a model by default.
#pragma once
#include <cctype>
#include <string>
#include <string_view>

#include <fauna/core/error.hpp>
#include <fauna/io/file.hpp>
#include <fauna/io/gguf.hpp>
#include <fauna/io/json.hpp>

namespace tool {

/// The template of a directory, from chat_template.jinja or else tokenizer_config.json, or of a GGUF file; `where`
/// becomes its place.
inline std::string chat_template(std::string const& directory, std::string& where) {
  if (!fauna::is_directory(directory)) {
    where = "tokenizer.chat_template in " + directory;
    return std::string(fauna::Gguf(directory).text("tokenizer.chat_template"));
  }
  where = directory + "/chat_template.jinja";
  if (fauna::exists(where)) return fauna::read_file(where);
  if (const std::string path = directory + "/tokenizer_config.json"; fauna::exists(path)) {
    const std::string text = fauna::read_file(path);
    fauna::JsonReader in(text, path);
    in.enter_object();
    where = "chat_template in " + path;
    for (std::string key; in.next_key(key); in.skip()) {
      if (key != "chat_template" || in.peek() == fauna::json::null) continue;
      if (in.peek() != fauna::json::string)
        fauna::fail("chat", where + " is no text", "one template", "write the one to use into chat_template.jinja");
      return in.string();
    }
  }
  fauna::fail("chat", directory + " has no chat template", "a model for chat",
              "it stands in chat_template.jinja, or under chat_template in tokenizer_config.json");
}

/// A template without what changes nothing: white space between the words of a tag; what trim_blocks and lstrip_blocks
/// take away around {% %}, as the reference library has them on, and what {%- -%} does; a line break at the end. "\n"
/// in a string becomes the line break that it stands for.
inline std::string canonical(std::string_view in) {
  const auto space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  const auto from = [&in](std::size_t i) { return i < in.size() ? in[i] : '\0'; };
  if (!in.empty() && in.back() == '\n') in.remove_suffix(1);
  std::string out;
  for (std::size_t at = 0; at < in.size();) {
    const bool block = from(at) == '{' && from(at + 1) == '%';
    if (!block && !(from(at) == '{' && from(at + 1) == '{')) {
      out += in[at++];
      continue;
    }
    std::size_t line = at;  // where the white space before the tag begins, if it is all of the line so far
    while (line > 0 && (in[line - 1] == ' ' || in[line - 1] == '\t')) --line;
    if (block && (line == 0 || in[line - 1] == '\n'))
      while (line++ < at && !out.empty() && space(out.back())) out.pop_back();
    const bool strip = from(at + 2) == '-';
    while (strip && !out.empty() && space(out.back())) out.pop_back();
    out += in.substr(at, 2);
    at += strip ? 3 : 2;
    const char close = block ? '%' : '}';
    char quote = '\0';
    for (; at < in.size(); ++at) {
      const char c = in[at];
      if (quote == '\0' && c == close && from(at + 1) == '}') break;
      if (quote == '\0' && space(c)) continue;
      if (quote != '\0' && c == '\\' && from(at + 1) == 'n') {
        out += '\n';
        ++at;
        continue;
      }
      if (c == quote) quote = '\0';
      else if (quote == '\0' && (c == '\'' || c == '"')) quote = c;
      out += c;
    }
    const bool strip_after = !out.empty() && out.back() == '-';
    if (strip_after) out.pop_back();
    out += in.substr(at < in.size() ? at : in.size(), 2);
    at += 2;
    if (strip_after)
      while (space(from(at))) ++at;
    else if (block && from(at) == '\n') ++at;
  }
  return out;
}

/// ChatML, with or without a sentence for when nobody says how the model should behave: SmolLM2's template, and
/// others'. True where `text` is it; `system` becomes the sentence.
inline bool is_chatml(std::string_view text, std::string& system) {
  const std::string whole = canonical(text);
  const std::string start = canonical("{% for message in messages %}"),
                    before = canonical("{% if loop.first and messages[0]['role'] != 'system' %}") +
                             "{{'<|im_start|>system\n",
                    after = "<|im_end|>\n'}}" + canonical("{% endif %}"),
                    end = canonical(
                        "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
                        "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}");
  if (!whole.starts_with(start) || !whole.ends_with(end)) return false;
  if (whole.size() == start.size() + end.size()) return true;
  if (whole.size() < start.size() + before.size() + after.size() + end.size()) return false;
  const std::string middle = whole.substr(start.size(), whole.size() - start.size() - end.size());
  if (!middle.starts_with(before) || !middle.ends_with(after)) return false;
  system = middle.substr(before.size(), middle.size() - before.size() - after.size());
  return !system.empty() && system.find_first_of("'\\{}") == std::string::npos;  // one string, and nothing else
}

/// The sentence by default of a directory's template; empty where it has none. Throws on a model directory with a
/// template that is not ChatML, the one that is known, or with none.
inline std::string chatml_system(std::string const& directory) {
  std::string where, system;
  if (!is_chatml(chat_template(directory, where), system))
    fauna::fail("chat", where + " is a template that is not known", "ChatML, word for word, as SmolLM2 has it",
                "give the whole prompt without --chat");
  return system;
}

/// A prompt in ChatML.
inline std::string in_template(std::string const& directory, std::string const& prompt) {
  const std::string system = chatml_system(directory);
  const std::string told = system.empty() ? "" : "<|im_start|>system\n" + system + "<|im_end|>\n";
  return told + "<|im_start|>user\n" + prompt + "<|im_end|>\n<|im_start|>assistant\n";
}

}  // namespace tool
