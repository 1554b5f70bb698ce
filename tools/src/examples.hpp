// A file of examples as tokens: JSON values of the shapes in example_shapes.hpp, one a line or all in one array.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include <fauna/text/bpe.hpp>
#include <fauna/text/tokens.hpp>
#include <tools/src/example_shapes.hpp>
#include <tools/src/records.hpp>

namespace tool {

/// Examples as tokens, of one length: an example's own, then what fills it up. Targets are the completions or texts,
/// and the token that ends each; of messages, the assistant's.
class Examples {
 public:
  /// `end`: that token, or -1. `most`: tokens of an example that a model reads; what is longer is cut, and counted.
  /// Prompts get what the tokenizer puts before a text, as in `generate`; `special`: they may spell special tokens.
  /// Messages are in the chat template of `model`, a directory, and say nothing but text.
  static Examples read(std::string const& path, fauna::Bpe const& tokenizer, int end, bool special, int most,
                       std::string const& model) {
    Examples all;
    all.vocab_ = tokenizer.vocab();
    ExampleReader reader(tokenizer, end, special, model);
    std::vector<std::vector<int>> examples;
    std::size_t longest = 0;
    for_each_record(path, [&](std::string_view record, std::string const& where) {
      examples.push_back(reader.ids(record, where));
      longest = std::max(longest, examples.back().size());
    });
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
                  "some such as {\"prompt\": ..., \"completion\": ...}, {\"text\": ...} or {\"messages\": [...]}");
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
    const std::size_t from = training_part(count(), validation, "examples") * static_cast<std::size_t>(length_);
    return {all.part(0, from, "train"), all.part(from, ids_.size() - from, "val")};
  }

 private:
  std::vector<int> ids_{};
  int vocab_ = 0, length_ = 0;
  std::size_t cut_ = 0, without_target_ = 0;
};

}  // namespace tool
