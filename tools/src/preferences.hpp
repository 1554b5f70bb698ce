// A file of preferences: JSON values, one a line or all in one array, each {"prompt": ..., "chosen": ...,
// "rejected": ...}, or for KTO also {"prompt": ..., "completion": ..., "label": true}.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include <fauna/io/json.hpp>
#include <fauna/text/bpe.hpp>
#include <fauna/train/preference.hpp>
#include <tools/src/records.hpp>

namespace tool {

/// Prompts and answers as tokens: each for itself, and `end` after the answer (-1: nothing).
struct Preferences {
  std::vector<fauna::PreferenceExample> examples{};
  std::size_t cut = 0, without_answer = 0;

  /// `most`: tokens that a model reads; what is longer is cut at its end, and counted. `single`: KTO's, of whose pairs
  /// each answer becomes an example.
  static Preferences read(std::string const& path, fauna::Bpe const& tokenizer, int end, bool special, int most,
                          bool single) {
    Preferences all;
    const std::size_t found = for_each_record(path, [&](std::string_view record, std::string const& where) {
      const Line l = read_line(record, where, single);
      const auto ids = [&](std::string const& answer) {
        std::vector<int> row;
        for (const int id : tokenizer.encode(l.prompt, {.match_special = special})) row.push_back(~id);
        for (const int id : tokenizer.encode(answer, {.match_special = special, .add_special = false}))
          row.push_back(id);
        if (end >= 0) row.push_back(end);
        if (row.size() > static_cast<std::size_t>(most) + 1) {
          row.resize(static_cast<std::size_t>(most) + 1);
          ++all.cut;
        }
        return row;
      };
      const auto has_answer = [](std::vector<int> const& row) {
        return row.size() > 1 && std::any_of(row.begin() + 1, row.end(), [](int id) { return id >= 0; });
      };
      const auto add = [&](fauna::PreferenceExample&& e) {
        if (has_answer(e.chosen) && (single || has_answer(e.rejected)))
          all.examples.push_back(static_cast<fauna::PreferenceExample&&>(e));
        else ++all.without_answer;
      };
      if (!single) {
        add({ids(l.chosen), ids(l.rejected)});
      } else {
        if (l.pair || l.label) add({ids(l.chosen), {}, true});
        if (l.pair || !l.label) add({ids(l.pair ? l.rejected : l.chosen), {}, false});
      }
    });
    if (all.examples.empty())
      fauna::fail("finetune", path + " has " + std::to_string(found) + " examples, none with an answer",
                  "a line {\"prompt\": ..., \"chosen\": ..., \"rejected\": ...}");
    return all;
  }
  /// How many train (records.hpp).
  std::size_t trains(double validation) const { return training_part(examples.size(), validation, "examples"); }

 private:
  struct Line {
    std::string prompt{}, chosen{}, rejected{};
    bool pair = true, label = true;
  };
  static Line read_line(std::string_view text, std::string const& where, bool single) {
    Line l;
    std::string had;
    fauna::JsonReader in(text, where);
    in.enter_object();
    for (std::string key; in.next_key(key);) {
      const bool known =
          key == "prompt" || key == "chosen" || key == "rejected" || key == "completion" || key == "label";
      if (!known) {
        in.skip();
        continue;
      }
      if (had.find(key) != had.npos) fauna::fail("finetune", where + " has " + key + " twice", "it once");
      had += (had.empty() ? "" : ", ") + key;
      if (key == "label") l.label = in.boolean();
      else (key == "prompt" ? l.prompt : key == "rejected" ? l.rejected : l.chosen) = in.string();
    }
    in.end();
    const auto has = [&had](const char* key) { return had.find(key) != had.npos; };
    l.pair = has("chosen") && has("rejected") && !has("completion") && !has("label");
    const bool one = single && has("completion") && has("label") && !has("chosen") && !has("rejected");
    if (!has("prompt") || !(l.pair || one))
      fauna::fail("finetune", where + " has " + (had.empty() ? "none of these" : had),
                  std::string("prompt, chosen and rejected") + (single ? "; or prompt, completion and label" : ""));
    return l;
  }
};

}  // namespace tool
