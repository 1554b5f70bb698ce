// Tasks that a model is measured by: JSON values, one a line or all in one array, and all of one kind.
//   {"context": ..., "choices": [..., ...], "answer": 0}   which of these goes on from it; "delimiter" stands between
//                                                           context and choice, a space where it is not said
//   {"text": ...}                                          how well it is foretold
//   {"prompt": ..., "target": ...}                         what is written after it, greedily, up to one of the texts
//                                                           "until", or "max_tokens"; several targets are a list
// Beside these a line may have "id" and "note", which nobody reads.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <fauna/io/json.hpp>
#include <tools/src/records.hpp>

namespace tool {

enum class task_kind : int { choice, text, answer };
constexpr const char* name_of(task_kind k) {
  constexpr const char* names[] = {"choice", "text", "answer"};
  return names[static_cast<int>(k)];
}

struct TaskItem {
  std::string where{};                 ///< file:line
  std::string text{};                  ///< the context, the text or the prompt
  std::string delimiter = " ";         ///< between a context and a choice
  std::vector<std::string> answers{};  ///< the choices, or the targets
  std::size_t right = 0;               ///< of the choices
  std::vector<std::string> until{"\n"};
  int max_tokens = 64;
};

struct Task {
  task_kind kind = task_kind::choice;
  std::vector<TaskItem> items{};

  /// Throws, with file and line, on what is none of the three, and on kinds that are mixed.
  static Task read(std::string const& path) {
    Task task;
    for_each_record(path, [&task](std::string_view record, std::string const& where) {
      TaskItem item{.where = where};
      const task_kind kind = read_item(record, item);
      if (!task.items.empty() && kind != task.kind)
        fauna::fail("eval", item.where + " has an item of the kind " + name_of(kind),
                    std::string(name_of(task.kind)) + ", as the first one", "a file is a task of one kind");
      task.kind = kind;
      task.items.push_back(static_cast<TaskItem&&>(item));
    });
    if (task.items.empty()) fauna::fail("eval", path + " has no item", "a JSON object a line");
    return task;
  }

 private:
  static std::vector<std::string> texts(fauna::JsonReader& in) {
    std::vector<std::string> all;
    if (in.peek() == fauna::json::string) {
      all.push_back(in.string());
    } else {
      for (in.enter_array(); in.next_item();) all.push_back(in.string());
    }
    return all;
  }
  static task_kind read_item(std::string_view line, TaskItem& item) {
    const auto wrong = [&item](std::string const& found, std::string const& expected, std::string const& hint = {}) {
      fauna::fail("eval", item.where + ' ' + found, expected, hint);
    };
    std::string keys;  // those that tell the kind, a letter each, then all others
    long long right = 0;
    fauna::JsonReader in(line, item.where);
    in.enter_object();
    for (std::string key; in.next_key(key);) {
      const auto once = [&](char letter) {
        if (keys.find(letter) != keys.npos) wrong("has " + key + " twice", "it once");
        keys += letter;
      };
      if (key == "context") once('c'), item.text = in.string();
      else if (key == "choices") once('s'), item.answers = texts(in);
      else if (key == "answer") once('a'), right = in.integer();
      else if (key == "text") once('t'), item.text = in.string();
      else if (key == "prompt") once('p'), item.text = in.string();
      else if (key == "target") once('g'), item.answers = texts(in);
      else if (key == "delimiter") once('d'), item.delimiter = in.string();
      else if (key == "until") once('u'), item.until = texts(in);
      else if (key == "max_tokens")
        once('m'), item.max_tokens = static_cast<int>(std::clamp<long long>(in.integer(), 0, 0x7fffffff));
      else if (key == "id" || key == "note") in.skip();
      else wrong("has " + key, "context, choices and answer; or text; or prompt and target");
    }
    in.end();
    const auto only = [&keys](std::string_view needed, std::string_view more) {
      for (const char c : needed)
        if (keys.find(c) == keys.npos) return false;
      return keys.find_first_not_of(std::string(needed) + std::string(more)) == keys.npos;
    };
    if (only("t", "")) {
      if (item.text.empty()) wrong("has an empty text", "a text");
      return task_kind::text;
    }
    if (only("pg", "um")) {
      if (item.answers.empty()) wrong("has no target", "at least one");
      if (item.max_tokens < 1) wrong("has max_tokens " + std::to_string(item.max_tokens), "at least 1");
      for (std::string const& u : item.until)
        if (u.empty()) wrong("has an empty text in until", "at least a character");
      return task_kind::answer;
    }
    if (!only("csa", "d"))
      wrong("is no item", "context, choices and answer; or text; or prompt and target",
            "delimiter stands beside choices, until and max_tokens beside a target");
    if (item.answers.size() < 2) wrong("has " + std::to_string(item.answers.size()) + " choices", "at least 2");
    for (std::string const& c : item.answers)
      if (c.empty()) wrong("has an empty choice", "at least a character");
    if (right < 0 || static_cast<std::size_t>(right) >= item.answers.size())
      wrong("has the answer " + std::to_string(right), "0 to " + std::to_string(item.answers.size() - 1));
    item.right = static_cast<std::size_t>(right);
    return task_kind::choice;
  }
};

}  // namespace tool
