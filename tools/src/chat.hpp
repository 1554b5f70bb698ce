// A model directory's chat template. Templates are programs of their own; the one that is known is told by its text.
#pragma once
#include <string>

#include <fauna/core/error.hpp>
#include <fauna/io/file.hpp>
#include <fauna/io/json.hpp>

namespace tool {

/// The template of a directory, from chat_template.jinja or else tokenizer_config.json; `where` becomes its place.
inline std::string chat_template(std::string const& directory, std::string& where) {
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

/// A prompt in ChatML, the one template that is known. Throws on a model directory with another, or with none.
inline std::string in_template(std::string const& directory, std::string const& prompt) {
  std::string where, text = chat_template(directory, where);
  for (std::size_t at = text.find("\\n"); at != std::string::npos; at = text.find("\\n", at)) text.replace(at, 2, "\n");
  if (text.find("'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>'") == std::string::npos)
    fauna::fail("chat", where + " is a template that is not known", "ChatML, as SmolLM2 has it",
                "give the whole prompt without --chat");
  std::string all;
  const std::string system = "<|im_start|>system\n";
  if (const std::size_t at = text.find(system); at != std::string::npos)  // what the model is told when nobody says it
    all = text.substr(at, text.find("<|im_end|>", at) - at) + "<|im_end|>\n";
  return all + "<|im_start|>user\n" + prompt + "<|im_end|>\n<|im_start|>assistant\n";
}

}  // namespace tool
