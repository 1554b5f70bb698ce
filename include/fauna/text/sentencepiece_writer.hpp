// SentencePiece's tokenizer.model: what text/sentencepiece.hpp reads.
#pragma once
#include <cstring>
#include <string>

#include <fauna/text/bpe_settings.hpp>

namespace fauna::inline v0 {

namespace sentencepiece {

// Fields of protocol buffers, as io/protobuf.hpp reads them.
inline std::string varint(std::uint64_t n) {
  std::string s;
  for (; n > 127; n >>= 7) s += static_cast<char>(n | 128U);
  return s + static_cast<char>(n);
}
inline std::string field(unsigned number, std::uint64_t n) { return varint(number << 3) + varint(n); }
inline std::string field(unsigned number, std::string const& bytes) {
  return varint(number << 3 | 2U) + varint(bytes.size()) + bytes;
}
inline std::string field(unsigned number, float x) {
  std::string s(sizeof x, '\0');
  std::memcpy(s.data(), &x, sizeof x);
  return varint(number << 3 | 5U) + s;
}

}  // namespace sentencepiece

/// Of pieces with scores whose ids are their places. Throws on rules that replace parts of a text: what they were
/// compiled from is not kept.
inline std::string sentencepiece_model(BpeSettings const& s) {
  using sentencepiece::field;
  const SentenceRules none;
  SentenceRules const& rules = s.edits.empty() || !s.edits[0].rules ? none : *s.edits[0].rules;
  if (s.rule == word_rule::merges || s.edits.size() > 1 || !rules.map.empty())
    fail("text", s.source + " has merges, or rules for texts", "pieces with scores");
  std::string model;
  for (std::size_t i = 0; i < s.vocab.size(); ++i) {
    BpeSettings::Piece const& p = s.vocab[i];
    if (p.id != static_cast<int>(i))
      fail("text", s.source + " has the id " + std::to_string(p.id) + " at " + std::to_string(i), "ids in order");
    model += field(1, field(1, std::string(s.text(p))) + field(2, static_cast<float>(p.score)) +
                          field(3, static_cast<std::uint64_t>(p.type)));
  }
  model += field(2, field(3, std::uint64_t{s.rule == word_rule::unigram ? 1U : 2U}) +
                        field(35, std::uint64_t{s.byte_fallback}) + field(44, s.unk_text));
  return model + field(3, field(1, std::string("identity")) + field(3, std::uint64_t{rules.dummy_prefix}) +
                              field(4, std::uint64_t{rules.remove_extra}) + field(5, std::uint64_t{rules.escape}));
}

}  // namespace fauna::inline v0
