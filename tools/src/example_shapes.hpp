// Examples for fine-tuning in the shapes that data sets have, and the tokens of each:
//   {"text": ...}                                                   all of it counts
//   {"prompt": ..., "completion": ...}                              the completion counts
//   {"instruction": ..., "input": ..., "output": ...}               Alpaca's: the output counts; input may be missing,
//                                                                   and text, the three in one, stand beside them
//   {"messages": [{"role": "user", "content": ...}, ...]}           the assistant's count, in the chat template
//   {"conversations": [{"from": "human", "value": ...}, ...]}       ShareGPT's: the same with other names, and perhaps
//                                                                   a "system" beside them that says the first turn
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fauna/io/json.hpp>
#include <fauna/text/bpe.hpp>
#include <tools/src/answers.hpp>

namespace tool {

class ExampleReader {
 public:
  /// `end`: the token that ends an example, or -1. `special`: prompts and texts may spell special tokens. Messages are
  /// in the chat template of `model`, a directory, and say nothing but text.
  ExampleReader(fauna::Bpe const& tokenizer, int end, bool special, std::string model)
      : tokenizer_(tokenizer), end_(end), special_(special), model_(static_cast<std::string&&>(model)) {}

  /// The ids of an example, ~id for those that are no target. `where`: file and line, for errors; each says what was
  /// found and what was expected.
  std::vector<int> ids(std::string_view json, std::string const& where) {
    const std::vector<std::string> found = keys(json, where);
    std::vector<int> ids;
    if (is(found, {"messages"})) ids = messages(json, where);
    else if (is(found, {"conversations"})) ids = turns(json, where);
    else ids = texts(found, json, where);
    if (ids.size() < 2) fauna::fail("finetune", where + " has " + std::to_string(ids.size()) + " tokens", "at least 2");
    return ids;
  }

 private:
  using Keys = std::vector<std::string>;

  /// Throws on one of a shape's keys that stands there twice.
  static Keys keys(std::string_view json, std::string const& where) {
    Keys found;
    fauna::JsonReader in(json, where);
    in.enter_object();
    for (std::string key; in.next_key(key); in.skip()) {
      if (of_a_shape(key) && has(found, key)) fauna::fail("finetune", where + " has " + key + " twice", "it once");
      found.push_back(key);
    }
    in.end();
    return found;
  }
  static bool has(Keys const& keys, std::string_view key) {
    for (std::string const& k : keys)
      if (k == key) return true;
    return false;
  }
  static bool of_a_shape(std::string_view key) {
    for (const char* k :
         {"text", "prompt", "completion", "instruction", "input", "output", "messages", "conversations"})
      if (key == k) return true;
    return false;
  }
  /// Are these the keys that tell a shape, all of them, and none of another shape?
  static bool is(Keys const& found, std::vector<std::string_view> const& shape) {
    std::size_t n = 0;
    for (std::string const& k : found) n += of_a_shape(k);
    for (std::string_view k : shape)
      if (!has(found, k)) return false;
    return n == shape.size();
  }

  /// Alpaca's prompt (Taori et al. 2023), which models that were trained on such data know.
  static std::string alpaca(std::string const& instruction, std::string const& input) {
    std::string s = "Below is an instruction that describes a task";
    if (!input.empty()) s += ", paired with an input that provides further context";
    s += ". Write a response that appropriately completes the request.\n\n### Instruction:\n" + instruction;
    if (!input.empty()) s += "\n\n### Input:\n" + input;
    return s + "\n\n### Response:\n";
  }
  std::vector<int> texts(Keys const& found, std::string_view json, std::string const& where) const {
    const bool text = is(found, {"text"}), pair = is(found, {"prompt", "completion"}),
               task = is(found, {"instruction", "output"}) || is(found, {"instruction", "input", "output"}) ||
                      is(found, {"instruction", "output", "text"}) ||
                      is(found, {"instruction", "input", "output", "text"});
    if (!text && !pair && !task) {
      std::string all;
      for (std::string const& k : found) all += (all.empty() ? "" : ", ") + k;
      fauna::fail("finetune", where + " has " + (found.empty() ? "nothing" : all),
                  "the keys of one shape: text; prompt and completion; instruction, output and perhaps input; "
                  "messages; or conversations");
    }
    std::string prompt, answer, input;
    fauna::JsonReader in(json, where);
    in.enter_object();
    for (std::string key; in.next_key(key);)
      if (task && (key == "system" || key == "history")) empty(in, key, where);
      else if (!of_a_shape(key) || (task && key == "text")) in.skip();
      else (key == "prompt" || key == "instruction" ? prompt : key == "input" ? input : answer) = in.string();
    in.end();
    if (task) prompt = alpaca(prompt, input);
    std::vector<int> ids;
    if (!text)
      for (const int id : tokenizer_.encode(prompt, {.match_special = special_})) ids.push_back(~id);
    for (const int id : tokenizer_.encode(answer, {.match_special = special_, .add_special = text})) ids.push_back(id);
    if (end_ >= 0) ids.push_back(end_);
    return ids;
  }

  /// Of what some writers have beside Alpaca's keys, and its prompt has no place for.
  static void empty(fauna::JsonReader& in, std::string const& key, std::string const& where) {
    bool any = false;
    if (key == "system") any = !in.string().empty();
    else
      for (in.enter_array(); in.next_item(); in.skip()) any = true;
    if (any)
      fauna::fail("finetune", where + " has a " + key + " beside instruction and output",
                  "none, or messages with all of it");
  }

  /// {"messages": [...]}, with whatever else the template reads, such as tools.
  std::vector<int> messages(std::string_view json, std::string const& where) {
    fauna::jinja::Heap heap;
    const Chat::Values values = Chat::read_values(heap, json, where);
    fauna::jinja::List const* list = nullptr;
    for (auto const& [name, value] : values)
      if (name == "messages" && value.is == fauna::jinja::kind::list) list = value.list;
    if (list == nullptr) fauna::fail("finetune", where + " has messages that are no list", "a list of messages");
    return conversation(tokenizer_, chat(json), heap, *list, values, where);
  }
  /// {"conversations": [...]}, the same.
  std::vector<int> turns(std::string_view json, std::string const& where) {
    fauna::jinja::Heap heap;
    Chat::Values values;
    std::vector<Turn> said;
    std::string system;
    fauna::JsonReader in(json, where);
    in.enter_object();
    for (std::string key; in.next_key(key);) {
      if (key == "system") {
        system = in.string();
        continue;
      }
      if (key != "conversations") {
        values.emplace_back(heap.text(key)->bytes, fauna::jinja::read_json(in, heap));
        continue;
      }
      for (in.enter_array(); in.next_item();) said.push_back(turn(in, where + ": turn " + std::to_string(said.size())));
    }
    in.end();
    if (!system.empty() && (said.empty() || said[0].role != "system"))
      said.insert(said.begin(), Turn{.role = "system", .content = system});
    return conversation(tokenizer_, chat(json), heap, *Chat::messages(heap, said).list, values, where);
  }
  static Turn turn(fauna::JsonReader& in, std::string const& where) {
    Turn t;
    bool has_from = false, has_value = false;
    in.enter_object();
    for (std::string key; in.next_key(key);)
      if (key == "from") t.role = in.string(), has_from = true;
      else if (key == "value") t.content = in.string(), has_value = true;
      else in.skip();
    if (!has_from || !has_value)
      fauna::fail("finetune",
                  where + " has " +
                      (has_from    ? "from"
                       : has_value ? "value"
                                   : "neither from nor value"),
                  "from and value");
    for (auto const& [from, role] : {std::pair{"human", "user"}, std::pair{"gpt", "assistant"}})
      if (t.role == from) t.role = role;
    if (t.role != "user" && t.role != "assistant" && t.role != "system")
      fauna::fail("finetune", where + " is from " + t.role, "human, gpt or system");
    return t;
  }
  /// Read where an example needs it.
  Chat const& chat(std::string_view json) {
    if (!chat_) chat_.emplace(model_, json.find("\"tools\"") != json.npos);
    return *chat_;
  }

  fauna::Bpe const& tokenizer_;
  int end_;
  bool special_;
  std::string model_;
  std::optional<Chat> chat_{};
};

}  // namespace tool
