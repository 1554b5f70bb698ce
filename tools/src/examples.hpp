// A file of examples: JSON lines, each {"prompt": ..., "completion": ...}, {"text": ...} or {"messages": [...]}.
#pragma once
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <fauna/io/json.hpp>
#include <fauna/text/bpe.hpp>
#include <fauna/text/tokens.hpp>
#include <tools/src/answers.hpp>

namespace tool {

/// Examples as tokens, of one length: an example's own, then what fills it up. Targets are the completions or texts,
/// and the token that ends each; of messages, the assistant's (answers.hpp).
class Examples {
 public:
  /// `end`: that token, or -1. `most`: tokens of an example that a model reads; what is longer is cut, and counted.
  /// Prompts get what the tokenizer puts before a text, as in `generate`; `special`: they may spell special tokens.
  /// Messages are in the chat template of `model`, a directory, and say nothing but text.
  static Examples read(std::string const& path, fauna::Bpe const& tokenizer, int end, bool special, int most,
                       std::string const& model) {
    std::optional<Chat> chat;  // read where a line needs it
    Examples all;
    all.vocab_ = tokenizer.vocab();
    std::vector<std::vector<int>> examples;
    const std::string file = fauna::read_file(path);
    std::size_t line = 0, longest = 0;
    for (std::size_t at = 0; at < file.size();) {
      const std::size_t stop = std::min(file.find('\n', at), file.size());
      const std::string_view text(file.data() + at, stop - at);
      at = stop + 1;
      ++line;
      if (text.find_first_not_of(" \t\r") == text.npos) continue;
      const std::string where = path + ':' + std::to_string(line);
      if (is_conversation(text, where)) {
        if (!chat) chat.emplace(model, text.find("\"tools\"") != text.npos);
        examples.push_back(conversation(text, where, tokenizer, *chat));
      } else {
        examples.push_back(tokens(text, where, tokenizer, end, special));
      }
      longest = std::max(longest, examples.back().size());
    }
    all.length_ = static_cast<int>(std::min(longest, static_cast<std::size_t>(most) + 1));
    for (std::vector<int>& e : examples) {
      if (e.size() > static_cast<std::size_t>(all.length_)) ++all.cut_;
      e.resize(static_cast<std::size_t>(all.length_), ~0);
      if (std::none_of(e.begin() + 1, e.end(), [](int id) { return id >= 0; })) {
        ++all.without_target_;
        continue;
      }
      all.ids_.insert(all.ids_.end(), e.begin(), e.end());
    }
    if (all.ids_.empty())
      fauna::fail("finetune", path + " has " + std::to_string(examples.size()) + " examples, none with a target",
                  "a line {\"prompt\": ..., \"completion\": ...}, {\"text\": ...} or {\"messages\": [...]}");
    return all;
  }

  std::size_t count() const { return ids_.size() / static_cast<std::size_t>(length_); }
  int length() const { return length_; }  ///< one more than what a model reads of an example
  std::size_t cut() const { return cut_; }
  std::size_t without_target() const { return without_target_; }
  /// The last examples validate: this share of all, at least one. Without a share, both parts are all of them.
  fauna::Split split(double validation) const {
    const fauna::Tokens all = fauna::Tokens(ids_.data(), ids_.size(), vocab_).in_examples(length_);
    if (validation == 0) return {all, all};
    const auto n = std::max<std::size_t>(1, static_cast<std::size_t>(static_cast<double>(count()) * validation));
    if (n >= count())
      fauna::fail("finetune", std::to_string(count()) + " examples, of which " + std::to_string(n) + " validate",
                  "some to train on", "--val 0 trains on all");
    const std::size_t from = (count() - n) * static_cast<std::size_t>(length_);
    return {all.part(0, from, "train"), all.part(from, ids_.size() - from, "val")};
  }

 private:
  /// Has a line messages?
  static bool is_conversation(std::string_view line, std::string const& where) {
    fauna::JsonReader in(line, where);
    bool found = false;
    in.enter_object();
    for (std::string key; in.next_key(key); in.skip()) found = found || key == "messages";
    in.end();
    return found;
  }
  /// {"messages": [...]}, with whatever else the template reads, such as tools.
  static std::vector<int> conversation(std::string_view line, std::string const& where, fauna::Bpe const& tokenizer,
                                       Chat const& chat) {
    fauna::jinja::Heap heap;
    Chat::Values values = Chat::read_values(heap, line, where);
    fauna::jinja::List const* messages = nullptr;
    for (auto const& [name, value] : values) {
      if (name == "messages" && value.is == fauna::jinja::kind::list && messages == nullptr) messages = value.list;
      else if (name == "messages" || name == "prompt" || name == "completion" || name == "text")
        fauna::fail("finetune", where + " has " + std::string(name) + " beside messages, or messages that are no list",
                    "one list of messages");
    }
    std::vector<int> ids = tool::conversation(tokenizer, chat, heap, *messages, values, where);
    if (ids.size() < 2) fauna::fail("finetune", where + " has " + std::to_string(ids.size()) + " tokens", "at least 2");
    return ids;
  }
  static std::vector<int> tokens(std::string_view line, std::string const& where, fauna::Bpe const& tokenizer, int end,
                                 bool special) {
    std::string prompt, completion, text;
    bool has_prompt = false, has_completion = false, has_text = false;
    fauna::JsonReader in(line, where);
    in.enter_object();
    for (std::string key; in.next_key(key);) {
      bool* const had = key == "prompt"       ? &has_prompt
                        : key == "completion" ? &has_completion
                        : key == "text"       ? &has_text
                                              : nullptr;
      if (had == nullptr) {
        in.skip();
        continue;
      }
      if (*had) fauna::fail("finetune", where + " has " + key + " twice", "it once");
      *had = true;
      (key == "prompt" ? prompt : key == "completion" ? completion : text) = in.string();
    }
    in.end();
    const bool pair = has_prompt && has_completion && !has_text;
    if (!pair && !(has_text && !has_prompt && !has_completion))
      fauna::fail("finetune",
                  where + " has" + (has_prompt ? " prompt" : "") + (has_completion ? " completion" : "") +
                      (has_text ? " text" : "") + (has_prompt || has_completion || has_text ? "" : " none of these"),
                  "prompt and completion, or text, or messages");
    std::vector<int> ids;
    if (pair)
      for (const int id : tokenizer.encode(prompt, {.match_special = special})) ids.push_back(~id);
    for (const int id : tokenizer.encode(pair ? completion : text, {.match_special = special, .add_special = !pair}))
      ids.push_back(id);
    if (end >= 0) ids.push_back(end);
    if (ids.size() < 2) fauna::fail("finetune", where + " has " + std::to_string(ids.size()) + " tokens", "at least 2");
    return ids;
  }

  std::vector<int> ids_{};
  int vocab_ = 0, length_ = 0;
  std::size_t cut_ = 0, without_target_ = 0;
};

}  // namespace tool
