// What a run starts from, and which tokens it reads.
#pragma once
#include <string>

#include <tools/src/family.hpp>
#include <tools/src/settings.hpp>
#include <tools/src/tokenizers.hpp>

namespace tool {

/// What a run starts from.
struct Start {
  std::string path{};       ///< a checkpoint, a model directory, or a file of weights; empty: nothing
  bool directory = false;   ///< a model directory
  bool checkpoint = false;  ///< a checkpoint, with this head
  fauna::CheckpointHead head{};
};

/// The tokenizer.json of a run; empty where its tokens are characters.
inline std::string run_tokenizer(Start const& from, std::string const& given) {
  if (from.checkpoint && from.head.tokenizer.empty()) {
    if (given.empty()) return {};
    fauna::fail("fauna train", "--tokenizer " + given, "none: " + from.path + " was trained on characters");
  }
  if (given.empty() && from.checkpoint) return tokenizer_beside(from.path, from.head);
  if (given.empty() && !from.directory) return {};
  const std::string file = tokenizer_json_file(given.empty() ? from.path : given);
  if (from.checkpoint) require_tokenizer(file, from.head, from.path);
  return file;
}

/// Gives a model without weights the vocabulary of its text, and throws where one with weights has a smaller one.
inline void fit_vocabulary(ModelConfig& c, settings::Run const& s, Start const& from) {
  if (s.tokenizer.empty()) {
    const auto text = fauna::CharText::from_file(s.data);
    fauna::require_context(text.train(), static_cast<int>(s.context));
    if (s.eval_interval > 0 || s.eval_only) fauna::require_context(text.val(), static_cast<int>(s.context));
    c.set_vocab(text.vocab());
    say(s.data + " has " + std::to_string(text.tokens().size()) + " characters, " + std::to_string(text.vocab()) +
        " different ones: the vocabulary");
    return;
  }
  const int pieces = fauna::Bpe::from_file(s.tokenizer).vocab();
  if (!from.directory) c.set_vocab(pieces);
  if (c.vocab() < pieces)
    fauna::fail("fauna train", s.tokenizer + " has " + std::to_string(pieces) + " tokens",
                "at most the model's " + std::to_string(c.vocab()));
  say(s.tokenizer + " has " + std::to_string(pieces) + " tokens");
}

}  // namespace tool
