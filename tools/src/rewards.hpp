// Prompts from a file, and what a model's answers to them are worth: by a regular expression, or by a program of the
// user's.
#pragma once
#include <algorithm>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <fauna/core/number_text.hpp>
#include <fauna/io/json.hpp>
#include <fauna/text/bpe.hpp>
#include <fauna/text/grammar/automaton.hpp>
#include <fauna/text/grammar/regex.hpp>
#include <tools/src/answers.hpp>
#include <tools/src/command.hpp>
#include <tools/src/records.hpp>

namespace tool {

/// A file of JSON values, one a line or all in one array, each {"prompt": ...}, or {"messages": [...]} in the chat
/// template, and whatever else a program needs. An assistant's turn at the end is no part of what is asked.
struct Prompts {
  std::vector<std::vector<int>> ids{};
  std::vector<std::string> texts{}, examples{};  ///< examples: the values as they stand, each on one line

  /// `most`: tokens that a model reads; `model`: the directory or GGUF file whose template messages are in.
  static Prompts read(std::string const& path, fauna::Bpe const& tokenizer, bool special, int most,
                      std::string const& model) {
    Prompts all;
    std::optional<Chat> chat;
    for_each_record(path, [&](std::string_view record, std::string const& where) {
      std::string text;
      std::vector<int> ids;
      if (key_of(record, where) == "prompt") {
        text = prompt(record, where);
        ids = tokenizer.encode(text, {.match_special = special});
      } else {
        if (!chat) chat.emplace(model);
        fauna::jinja::Heap heap;
        const fauna::jinja::Text asked = question(*chat, heap, record, where);
        text = asked.bytes;
        ids = Chat::ids(tokenizer, asked);
      }
      if (ids.empty() || ids.size() > static_cast<std::size_t>(most))
        fauna::fail("finetune", where + " has a prompt of " + std::to_string(ids.size()) + " tokens",
                    "1 to " + std::to_string(most));
      all.ids.push_back(std::move(ids));
      all.texts.push_back(std::move(text));
      all.examples.emplace_back(record);
      // Between values a line feed is as good as a space, and inside of strings there is none.
      std::replace_if(
          all.examples.back().begin(), all.examples.back().end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
    });
    if (all.ids.empty()) fauna::fail("finetune", path + " has no prompts", "a line {\"prompt\": ...}");
    return all;
  }
  /// How many train: all but the last share, of at least one; all where the share is 0.
  std::size_t trains(double validation) const { return training_part(ids.size(), validation, "prompts"); }

 private:
  /// Which of the two is there.
  static std::string key_of(std::string_view record, std::string const& where) {
    std::string found;
    fauna::JsonReader in(record, where);
    in.enter_object();
    for (std::string key; in.next_key(key); in.skip()) {
      if (key != "prompt" && key != "messages") continue;
      if (key == found) fauna::fail("finetune", where + " has " + key + " twice", "it once");
      if (!found.empty()) fauna::fail("finetune", where + " has prompt and messages", "one of them");
      found = key;
    }
    in.end();
    if (found.empty()) fauna::fail("finetune", where + " has no prompt", "{\"prompt\": ...} or {\"messages\": [...]}");
    return found;
  }
  static std::string prompt(std::string_view record, std::string const& where) {
    std::string text;
    fauna::JsonReader in(record, where);
    in.enter_object();
    for (std::string key; in.next_key(key);)
      if (key == "prompt") text = in.string();
      else in.skip();
    return text;
  }
  static fauna::jinja::Text question(Chat const& chat, fauna::jinja::Heap& heap, std::string_view record,
                                     std::string const& where) {
    using fauna::jinja::Value;
    const Chat::Values values = Chat::read_values(heap, record, where);
    fauna::jinja::List const* list = nullptr;
    for (auto const& [name, value] : values)
      if (name == "messages" && value.is == fauna::jinja::kind::list) list = value.list;
    if (list == nullptr) fauna::fail("finetune", where + " has messages that are no list", "a list of messages");
    std::size_t n = list->items.size();
    if (n > 0 && role_of(list->items[n - 1]) == "assistant") --n;
    if (n == 0) fauna::fail("finetune", where + " has no message that asks", "one that is not the assistant's");
    const Value asked(heap.list({list->items.begin(), list->items.begin() + static_cast<std::ptrdiff_t>(n)}));
    return chat.text(heap, asked, true, values);
  }
};

/// An answer: to which of the prompts, and what it says.
struct Completion {
  std::size_t of;
  std::string text;
};

class Reward {
 public:
  /// One of the two; the other is empty. Throws on what is no regular expression.
  Reward(std::string const& expression, std::string program) : program_(std::move(program)) {
    if (program_.empty())
      found_ = std::make_unique<fauna::grammar::Automaton>(
          fauna::grammar::Grammar{{fauna::grammar::regex(expression, {.search = true})}});
  }
  std::vector<double> operator()(Prompts const& prompts, std::vector<Completion> const& completions) const {
    if (!found_) return asked(prompts, completions);
    std::vector<double> all;
    for (Completion const& c : completions) all.push_back(found_->matches(c.text) ? 1 : 0);
    return all;
  }

 private:
  std::vector<double> asked(Prompts const& prompts, std::vector<Completion> const& completions) const {
    std::string input;
    for (Completion const& c : completions)
      input += "{\"prompt\": " + fauna::json_quoted(prompts.texts[c.of]) +
               ", \"completion\": " + fauna::json_quoted(c.text) + ", \"example\": " + prompts.examples[c.of] + "}\n";
    const Said said = ask({"/bin/sh", "-c", program_}, input);
    if (said.status != 0)
      fauna::fail("finetune", "--reward-program " + program_ + " ended with status " + std::to_string(said.status),
                  "0");
    std::vector<double> all;
    std::istringstream lines(said.text);
    for (std::string line; std::getline(lines, line);) {
      double value = 0;
      if (!fauna::number_text::parse(line, value) || !(value - value == 0))
        fauna::fail("finetune", "--reward-program " + program_ + " wrote '" + line + '\'', "a number a line");
      all.push_back(value);
    }
    if (all.size() != completions.size())
      fauna::fail("finetune",
                  "--reward-program " + program_ + " wrote " + std::to_string(all.size()) + " lines for " +
                      std::to_string(completions.size()) + " answers",
                  "a number for each");
    return all;
  }

  std::string program_;
  std::unique_ptr<fauna::grammar::Automaton> found_{};
};

}  // namespace tool
