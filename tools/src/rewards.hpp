// Prompts from a file, and what a model's answers to them are worth: by a regular expression, or by a program of the
// user's.
#pragma once
#include <algorithm>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <fauna/core/number_text.hpp>
#include <fauna/io/json.hpp>
#include <fauna/text/bpe.hpp>
#include <fauna/text/grammar/automaton.hpp>
#include <fauna/text/grammar/regex.hpp>
#include <tools/src/command.hpp>
#include <tools/src/records.hpp>

namespace tool {

/// A file of JSON values, one a line or all in one array, each {"prompt": ...} and whatever else a program needs.
struct Prompts {
  std::vector<std::vector<int>> ids{};
  std::vector<std::string> texts{}, examples{};  ///< examples: the values as they stand, each on one line

  /// `most`: tokens that a model reads.
  static Prompts read(std::string const& path, fauna::Bpe const& tokenizer, bool special, int most) {
    Prompts all;
    for_each_record(path, [&](std::string_view record, std::string const& where) {
      std::string text;
      bool found = false;
      fauna::JsonReader in(record, where);
      in.enter_object();
      for (std::string key; in.next_key(key);) {
        if (key != "prompt") {
          in.skip();
          continue;
        }
        if (found) fauna::fail("finetune", where + " has prompt twice", "it once");
        found = true;
        text = in.string();
      }
      in.end();
      if (!found) fauna::fail("finetune", where + " has no prompt", "{\"prompt\": ...}");
      auto ids = tokenizer.encode(text, {.match_special = special});
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
