// What a model makes of a task (tasks.hpp), in the numbers of EleutherAI's evaluation harness (Gao et al. 2021):
//   choice   acc: the choice of the highest log p(choice | context) is the right one; acc_norm and acc_bytes: the same
//            divided by the choice's length in characters, and in bytes
//   text     exp of the mean loss of a token, a word, a byte; bits a byte: that of bytes over ln 2
//   answer   exact_match: what is written is one of the targets, white space around both aside
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <fauna/io/json.hpp>
#include <fauna/text/bpe.hpp>
#include <fauna/text/unicode.hpp>
#include <fauna/text/utf8.hpp>
#include <tools/src/engine.hpp>
#include <tools/src/tasks.hpp>

namespace tool {

inline bool is_space(char32_t c) { return fauna::class_of(c) == fauna::char_class::space; }
inline std::size_t characters(std::string_view text) {
  std::size_t n = 0;
  for (std::size_t at = 0; at < text.size(); ++n) fauna::next_code_point(text, at);
  return n;
}
/// One more than the runs of white space: what splitting at these gives.
inline std::size_t words(std::string_view text) {
  std::size_t n = 1;
  bool before = false;
  for (std::size_t at = 0; at < text.size();) {
    const bool space = is_space(fauna::next_code_point(text, at));
    n += space && !before;
    before = space;
  }
  return n;
}
/// Where the white space at the end of a text begins.
inline std::size_t end_of_words(std::string_view text) {
  std::size_t end = 0;
  for (std::size_t at = 0; at < text.size();)
    if (!is_space(fauna::next_code_point(text, at))) end = at;
  return end;
}
/// A text that a model may have written, and that need not be UTF-8, without the white space around it.
inline std::string_view stripped(std::string_view text) {
  const char* const space = " \t\r\n\v\f";
  const std::size_t from = text.find_first_not_of(space);
  return from == text.npos ? std::string_view{} : text.substr(from, text.find_last_not_of(space) - from + 1);
}

/// A number and, where it is a mean over items, the standard error of it.
struct Measured {
  double value = 0, error = -1;
};

class Evaluation {
 public:
  struct Options {
    int prefix = -1;           ///< the token before a text that has none; -1: there is none
    bool add_special = false;  ///< put what the tokenizer puts before a text before contexts and prompts
    int context = 0;           ///< tokens read at most; 0: what the model has, or 2048
    int chunk = 512;
    std::vector<int> stop_ids{};
  };
  Evaluation(Engine& model, fauna::Bpe const& tokenizer, Options const& o)
      : model_(model), tokenizer_(tokenizer), o_(o), most_(o.context) {
    if (most_ == 0) most_ = model.context() == fauna::unbounded ? 2048 : model.context();
    if (most_ > model.context())
      fauna::fail("eval", "--context " + std::to_string(most_),
                  "at most the model's " + std::to_string(model.context()));
  }

  void run(Task const& task, std::size_t limit) {
    const std::size_t n = std::min(limit == 0 ? task.items.size() : limit, task.items.size());
    for (std::size_t i = 0; i < n; ++i) {
      if (task.kind == task_kind::choice) choose(task.items[i]);
      else if (task.kind == task_kind::text) foretell(task.items[i]);
      else answer(task.items[i]);
    }
    items_ = n;
    const auto mean = [&](const char* name, std::vector<bool> const& right) {
      const auto all = static_cast<double>(n);
      const double p = static_cast<double>(std::count(right.begin(), right.end(), true)) / all;
      measured_.emplace_back(name, Measured{p, n > 1 ? std::sqrt(p * (1 - p) / (all - 1)) : 0});
    };
    if (task.kind == task_kind::choice) {
      mean("acc", raw_);
      mean("acc_norm", by_character_);
      mean("acc_bytes", by_byte_);
    } else if (task.kind == task_kind::answer) {
      mean("exact_match", raw_);
    } else {
      const auto of = [&](const char* name, std::size_t count) {
        measured_.emplace_back(name, Measured{std::exp(loss_ / static_cast<double>(count))});
      };
      of("token_perplexity", tokens_);
      of("word_perplexity", words_);
      of("byte_perplexity", bytes_);
      measured_.emplace_back("bits_per_byte", Measured{loss_ / static_cast<double>(bytes_) / std::log(2.0)});
    }
  }

  std::vector<std::pair<std::string, Measured>> const& measured() const { return measured_; }
  std::size_t items() const { return items_; }
  /// Items of which the model did not read the beginning.
  std::size_t cut() const { return cut_; }
  int context() const { return most_; }
  std::string sizes() const {
    return bytes_ == 0 ? ""
                       : std::to_string(tokens_) + " tokens, " + std::to_string(words_) + " words, " +
                             std::to_string(bytes_) + " bytes";
  }
  std::string table() const {
    std::string all = "| metric | value | standard error |\n|---|---|---|\n";
    for (auto const& [name, m] : measured_)
      all +=
          "| " + name + " | " + number(m.value, "%.4f") + " | " + (m.error < 0 ? "" : number(m.error, "%.4f")) + " |\n";
    return all;
  }
  /// The metrics with their errors, and what was made of each item.
  std::string json(std::string const& model, std::string const& task, task_kind kind) const {
    std::string metrics, samples;
    for (auto const& [name, m] : measured_) {
      metrics += (metrics.empty() ? "\"" : ", \"") + name + "\": " + json_value(m.value);
      if (m.error >= 0) metrics += ", \"" + name + "_stderr\": " + json_value(m.error);
    }
    for (std::string const& s : samples_) samples += (samples.empty() ? "\n    " : ",\n    ") + s;
    return "{\n  \"model\": " + fauna::json_quoted(model) + ",\n  \"task\": " + fauna::json_quoted(task) +
           ",\n  \"kind\": \"" + name_of(kind) + "\",\n  \"items\": " + std::to_string(items_) +
           ",\n  \"cut\": " + std::to_string(cut_) + ",\n  \"context\": " + std::to_string(most_) +
           ",\n  \"metrics\": {" + metrics + "},\n  \"samples\": [" + samples + "\n  ]\n}\n";
  }

 private:
  /// JSON has no word for what is not finite.
  static std::string json_value(double x) { return std::isfinite(x) ? number(x, "%.12g") : "null"; }
  static std::string number(double x, const char* format) {
    char text[40];
    std::snprintf(text, sizeof text, format, x);
    return text;
  }
  std::vector<int> ids(std::string_view text, bool special) const {
    return tokenizer_.encode(text, {.match_special = false, .add_special = special});
  }
  int prefix(std::string const& where) const {
    if (o_.prefix < 0)
      fauna::fail("eval", where + " begins with no token before it", "--prefix ID: the token that texts begin with");
    return o_.prefix;
  }
  /// Σ log p of the last `counted` of some ids, each after all before it. Ids beyond what the model reads are left out
  /// at the beginning.
  double log_likelihood(std::vector<int> all, std::size_t counted, std::string const& where) {
    const std::size_t most = static_cast<std::size_t>(most_) + 1;
    if (counted >= most)
      fauna::fail("eval", where + " has a continuation of " + std::to_string(counted) + " tokens",
                  "at most the context of " + std::to_string(most_));
    if (all.size() > most) {
      all.erase(all.begin(), all.end() - static_cast<std::ptrdiff_t>(most));
      cut_here_ = true;
    }
    const std::size_t rows = all.size() - 1;
    std::vector<float> losses(rows);
    model_.losses(all.data(), all.data() + 1, static_cast<int>(rows), losses.data());
    double sum = 0;
    for (std::size_t i = rows - counted; i < rows; ++i) sum -= static_cast<double>(losses[i]);
    return sum;
  }

  /// Context and choice become tokens as one text, of which the context's are as many as it has alone. White space at
  /// its end is the choice's: a token often begins with it.
  double of_choice(TaskItem const& item, std::string const& choice) {
    const std::size_t end = end_of_words(item.text);
    const std::string context = item.text.substr(0, end), rest = item.text.substr(end) + item.delimiter + choice;
    std::vector<int> before = context.empty() ? std::vector<int>{} : ids(context, o_.add_special);
    std::vector<int> all = context.empty() ? ids(rest, false) : ids(context + rest, o_.add_special);
    if (before.empty()) {
      if (all.empty() || all[0] != o_.prefix) all.insert(all.begin(), prefix(item.where));
      before.push_back(all[0]);
    }
    if (all.size() <= before.size())
      fauna::fail("eval", item.where + " has the choice '" + choice + "' without a token", "at least one");
    return log_likelihood(all, all.size() - before.size(), item.where);
  }
  void choose(TaskItem const& item) {
    std::vector<double> sums;
    cut_here_ = false;
    for (std::string const& choice : item.answers) sums.push_back(of_choice(item, choice));
    cut_ += cut_here_;
    const auto best = [&](auto&& length) {
      std::size_t at = 0;
      for (std::size_t i = 1; i < sums.size(); ++i)
        if (sums[i] / length(item.answers[i]) > sums[at] / length(item.answers[at])) at = i;
      return at == item.right;
    };
    raw_.push_back(best([](std::string const&) { return 1.0; }));
    by_character_.push_back(best([](std::string const& s) { return static_cast<double>(characters(s)); }));
    by_byte_.push_back(best([](std::string const& s) { return static_cast<double>(s.size()); }));
    std::string list;
    for (const double s : sums) list += (list.empty() ? "" : ", ") + json_value(s);
    samples_.push_back("{\"answer\": " + std::to_string(item.right) + ", \"log_likelihoods\": [" + list +
                       "], \"acc\": " + (raw_.back() ? "1" : "0") +
                       ", \"acc_norm\": " + (by_character_.back() ? "1" : "0") + '}');
  }

  /// Every token is foretold once: the first window reads the prefix and what follows, each later one what it foretells
  /// and as many tokens before as there is room for, at least one.
  void foretell(TaskItem const& item) {
    std::vector<int> all = ids(item.text, false);
    if (all.empty()) fauna::fail("eval", item.where + " has a text without a token", "at least one");
    const std::size_t n = all.size(), most = static_cast<std::size_t>(most_);
    all.insert(all.begin(), prefix(item.where));
    double sum = 0;
    for (std::size_t done = 0; done < n;) {
      const std::size_t next = std::min(n - done, most), end = done + next, from = end < most ? 0 : end - most;
      sum += log_likelihood(
          {all.begin() + static_cast<std::ptrdiff_t>(from), all.begin() + static_cast<std::ptrdiff_t>(end + 1)}, next,
          item.where);
      done = end;
    }
    loss_ -= sum;
    tokens_ += n;
    words_ += words(item.text);
    bytes_ += item.text.size();
    samples_.push_back("{\"log_likelihood\": " + json_value(sum) + ", \"tokens\": " + std::to_string(n) +
                       ", \"words\": " + std::to_string(words(item.text)) +
                       ", \"bytes\": " + std::to_string(item.text.size()) + '}');
  }

  void answer(TaskItem const& item) {
    std::vector<int> prompt = ids(item.text, o_.add_special);
    if (prompt.empty()) prompt.push_back(prefix(item.where));
    const int room = most_ - item.max_tokens;
    if (room < 1)
      fauna::fail("eval", item.where + " has max_tokens " + std::to_string(item.max_tokens),
                  "less than the context of " + std::to_string(most_));
    if (prompt.size() > static_cast<std::size_t>(room)) {
      prompt.erase(prompt.begin(), prompt.end() - room);
      ++cut_;
    }
    const std::string written = fauna::generate_text(model_, tokenizer_, prompt,
                                                     {.tokens = item.max_tokens,
                                                      .temperature = 0,
                                                      .top_k = 0,
                                                      .vocab = tokenizer_.vocab(),
                                                      .stop_ids = o_.stop_ids,
                                                      .stop = item.until,
                                                      .chunk = std::min(o_.chunk, most_),
                                                      .context = most_},
                                                     [](std::string const&) {});
    raw_.push_back(std::any_of(item.answers.begin(), item.answers.end(),
                               [&](std::string const& t) { return stripped(t) == stripped(written); }));
    samples_.push_back("{\"written\": " + fauna::json_quoted(written) +
                       ", \"exact_match\": " + (raw_.back() ? "1" : "0") + '}');
  }

  Engine& model_;
  fauna::Bpe const& tokenizer_;
  Options o_;
  int most_;
  std::vector<bool> raw_{}, by_character_{}, by_byte_{};
  double loss_ = 0;
  std::size_t tokens_ = 0, words_ = 0, bytes_ = 0, items_ = 0, cut_ = 0;
  bool cut_here_ = false;
  std::vector<std::string> samples_{};
  std::vector<std::pair<std::string, Measured>> measured_{};
};

}  // namespace tool
