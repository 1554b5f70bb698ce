// What the ids of a model stand for, and whether another model means the same by them.
#pragma once
#include <string>
#include <vector>

#include <fauna/text/bpe.hpp>
#include <fauna/text/chars.hpp>
#include <tools/src/tokenizers.hpp>

namespace tool {

/// The text of each id of a model directory, or of a checkpoint.
inline std::vector<std::string> vocabulary_of(std::string const& from) {
  std::vector<std::string> all;
  std::string tokenizer;
  if (fauna::is_directory(from)) {
    tokenizer = tokenizer_file(from);
  } else {
    const fauna::CheckpointHead head = fauna::read_checkpoint_head(from);
    if (head.tokenizer.empty()) {
      const fauna::CharTokenizer characters(head.alphabet);
      for (int id = 0; id < characters.vocab(); ++id) all.push_back(characters.decode(&id, 1));
      return all;
    }
    tokenizer = tokenizer_beside(from, head);
  }
  const auto bpe = bpe_of(tokenizer);
  for (int id = 0; id < bpe.vocab(); ++id) all.emplace_back(bpe.has(id) ? bpe.bytes(id) : "");
  return all;
}

/// A hash of all of them.
inline std::uint64_t vocabulary_hash(std::string const& from) {
  std::uint64_t h = fauna::text_hash("vocabulary");
  for (std::string const& token : vocabulary_of(from)) h = fauna::text_hash(token + '\n', h);
  return h;
}

/// Throws where a draft model means other texts by its ids than the model that it is to draft for.
inline void require_same_vocabulary(std::string const& model, std::string const& draft) {
  const auto own = vocabulary_of(model), its = vocabulary_of(draft);
  if (own.size() != its.size())
    fauna::fail("fauna", "the draft " + draft + " has a vocabulary of " + std::to_string(its.size()),
                std::to_string(own.size()) + ", that of " + model);
  for (std::size_t id = 0; id < own.size(); ++id)
    if (own[id] != its[id])
      fauna::fail("fauna", "the draft " + draft + " has '" + its[id] + "' for the token " + std::to_string(id),
                  '\'' + own[id] + "', as " + model + " has");
}

}  // namespace tool
