// A tokenizer of byte-level BPE, or of SentencePiece, as a GGUF file's keys: what text/gguf_vocab.hpp reads.
#pragma once
#include <string>
#include <vector>

#include <fauna/io/gguf_writer.hpp>
#include <fauna/text/gguf_pre.hpp>
#include <fauna/text/tokenizer_json.hpp>

namespace fauna::inline v0 {

/// Puts a tokenizer's tokens, of which there are as many as rows of the token table, how they merge, and what goes
/// around a text. Throws on a tokenizer for which the format has no name, and on one with more tokens than rows. That
/// an added token takes white space beside it, or is normalized, the format cannot say.
inline void put_gguf_vocab(GgufMetadata& keys, BpeSettings const& s, int rows) {
  GgufPre const* const pre = gguf_pre(s);
  if (pre == nullptr)
    fail("text", s.source + " cuts text in a way that GGUF has no name for",
         "bytes, cut as GPT-2, SmolLM, Qwen2 or Llama 3 does, or as others of text/gguf_pre.hpp do");
  if (s.prefix.size() > 1 || s.suffix.size() > 1)
    fail("text", s.source + " puts several tokens around a text", "one before it, one after it, or none");
  std::vector<std::string> tokens;
  tokens.reserve(static_cast<std::size_t>(rows));
  for (int i = 0; i < rows; ++i) tokens.push_back("[PAD" + std::to_string(i) + ']');
  constexpr std::int32_t normal = 1, control = 3, user_defined = 4, unused = 5;
  std::vector<std::int32_t> types(tokens.size(), unused);
  const auto put = [&](int id, std::string_view token, std::int32_t type) {
    if (id < 0 || id >= rows)
      fail("text", s.source + " has a token of id " + std::to_string(id),
           "below " + std::to_string(rows) + ", the rows of the token table");
    tokens[static_cast<std::size_t>(id)] = token;
    types[static_cast<std::size_t>(id)] = type;
  };
  for (auto const& p : s.vocab) put(p.id, s.text(p.at, p.end), normal);
  for (AddedToken const& t : s.added) put(t.id, t.content, t.special ? control : user_defined);
  std::vector<std::string> merges;
  for (auto const& m : s.merges)
    merges.push_back(std::string(s.text(m.left, m.right)) + ' ' + std::string(s.text(m.right, m.end)));
  keys.put("tokenizer.ggml.model", "gpt2");
  keys.put("tokenizer.ggml.pre", pre->name);
  keys.put("tokenizer.ggml.tokens", tokens);
  keys.put("tokenizer.ggml.token_type", types);
  keys.put("tokenizer.ggml.merges", merges);
  keys.put("tokenizer.ggml.add_bos_token", !s.prefix.empty());
  keys.put("tokenizer.ggml.add_eos_token", !s.suffix.empty());
}

/// SentencePiece's pieces; rows beyond them are unused.
inline void put_gguf_pieces(GgufMetadata& keys, BpeSettings const& s, int rows) {
  if (s.vocab.size() > static_cast<std::size_t>(rows))
    fail("text", s.source + " has " + std::to_string(s.vocab.size()) + " pieces",
         std::to_string(rows) + " at most, the rows of the token table");
  if (s.edits.size() != 1 || !s.edits[0].rules || !s.edits[0].rules->escape || !s.edits[0].rules->map.empty())
    fail("text", s.source + " changes texts in a way that is not written here",
         "spaces that become U+2581, and no rules");
  std::vector<std::string> tokens;
  std::vector<float> scores;
  std::vector<std::int32_t> types;
  for (int i = 0; i < rows; ++i) {
    if (const auto at = static_cast<std::size_t>(i); at < s.vocab.size()) {
      BpeSettings::Piece const& p = s.vocab[at];
      tokens.emplace_back(s.text(p));
      scores.push_back(static_cast<float>(p.score));
      types.push_back(static_cast<std::int32_t>(p.type));
    } else {
      tokens.push_back("[PAD" + std::to_string(i) + ']');
      scores.push_back(-10000);
      types.push_back(static_cast<std::int32_t>(piece_type::unused));
    }
  }
  keys.put("tokenizer.ggml.model", s.rule == word_rule::unigram ? "t5" : "llama");
  keys.put("tokenizer.ggml.pre", "default");
  keys.put("tokenizer.ggml.tokens", tokens);
  keys.put("tokenizer.ggml.scores", scores);
  keys.put("tokenizer.ggml.token_type", types);
  keys.put("tokenizer.ggml.add_space_prefix", s.edits[0].rules->dummy_prefix);
  keys.put("tokenizer.ggml.remove_extra_whitespaces", s.edits[0].rules->remove_extra);
  keys.put("tokenizer.ggml.add_bos_token", !s.prefix.empty());
  keys.put("tokenizer.ggml.add_eos_token", !s.suffix.empty());
}

}  // namespace fauna::inline v0
