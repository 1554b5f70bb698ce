// The tokenizer that a GGUF file has among its keys (ggml's docs/gguf.md, "Tokenizer"): byte-level BPE, which the
// format calls gpt2, where how text is cut into words stands as a name out of a list that llama.cpp keeps; or
// SentencePiece's.
#pragma once
#include <string>
#include <vector>

#include <fauna/io/gguf.hpp>
#include <fauna/text/gguf_pre.hpp>
#include <fauna/text/sentencepiece.hpp>
#include <fauna/text/tokenizer_json.hpp>

namespace fauna::inline v0 {

namespace gguf_detail {

[[noreturn]] inline void wrong_vocab(Gguf const& file, std::string const& found, std::string const& expected) {
  fail("text", file.path() + ": tokenizer.ggml." + found, expected);
}
/// A list of one number for each token.
template <class T> void require_each(Gguf const& file, const char* key, std::vector<T> const& all, std::size_t tokens) {
  if (all.size() != tokens)
    wrong_vocab(file, std::string(key) + " has " + std::to_string(all.size()) + " numbers",
                std::to_string(tokens) + ", as tokens");
}
/// The token that the file puts at an end of every text: by the key that says so, or else `otherwise`.
inline void put_around(Gguf const& file, const char* end, bool otherwise, std::size_t tokens, std::vector<int>& to) {
  const std::string add = std::string("tokenizer.ggml.add_") + end + "_token",
                    id = std::string("tokenizer.ggml.") + end + "_token_id";
  if (!(file.has(add) ? file.flag(add) : otherwise && file.has(id))) return;
  const long long token = file.integer(id);
  if (token < 0 || static_cast<std::size_t>(token) >= tokens)
    wrong_vocab(file, std::string(end) + "_token_id is " + std::to_string(token), "a token's");
  to.push_back(static_cast<int>(token));
}

/// Byte-level BPE.
inline void read_merges(Gguf const& file, BpeSettings& out) {
  out.byte_level = out.decode_byte_level = true;
  const std::string_view pre = file.text("tokenizer.ggml.pre");
  GgufPre const* const cut = gguf_pre(pre);
  if (cut == nullptr) {
    std::string known;
    for (GgufPre const& p : gguf_pres) known += (known.empty() ? "" : ", ") + std::string(p.name);
    wrong_vocab(file, "pre is '" + std::string(pre) + '\'', "one of " + known);
  }
  if (cut->digits_first) out.steps.push_back({split_rule::digit});
  out.steps.push_back({cut->rule});
  if (cut->nfc) out.edits.push_back({"", "", true});
  out.ignore_merges = cut->ignore_merges;

  const auto tokens = file.texts("tokenizer.ggml.tokens");
  const auto types = file.integers("tokenizer.ggml.token_type");
  require_each(file, "token_type", types, tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const auto type = static_cast<piece_type>(types[i]);
    if (type == piece_type::unused) continue;
    const int id = static_cast<int>(i);
    out.add_piece(tokens[i], id);
    if (type != piece_type::control && type != piece_type::user_defined) continue;
    if (tokens[i].empty()) wrong_vocab(file, "tokens has an empty text for the id " + std::to_string(i), "some text");
    out.added.push_back({std::string(tokens[i]), id, false, false, false, type == piece_type::control});
  }
  std::size_t n = 0;
  for (const std::string_view merge : file.texts("tokenizer.ggml.merges")) {
    if (!tokenizer_json::add_merge_line(out, merge))
      wrong_vocab(file, "merges has '" + std::string(merge) + "' at " + std::to_string(n),
                  "two strings with a space between them");
    ++n;
  }
  put_around(file, "bos", cut->begins, tokens.size(), out.prefix);
  put_around(file, "eos", false, tokens.size(), out.suffix);
}

/// SentencePiece's pieces: the format calls BPE llama and unigram t5.
inline void read_pieces(Gguf const& file, bool unigram, BpeSettings& out) {
  const auto tokens = file.texts("tokenizer.ggml.tokens");
  const auto types = file.integers("tokenizer.ggml.token_type");
  const auto scores = file.numbers("tokenizer.ggml.scores");
  require_each(file, "token_type", types, tokens.size());
  require_each(file, "scores", scores, tokens.size());
  out.rule = unigram ? word_rule::unigram : word_rule::scores;
  const char* const unknown_key = "tokenizer.ggml.unknown_token_id";
  const long long unknown_id = file.has(unknown_key) ? file.integer(unknown_key) : -1;
  out.unk_text = sentencepiece::unknown_text;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (types[i] < 1 || types[i] > 6)
      wrong_vocab(file, "token_type has " + std::to_string(types[i]) + " at " + std::to_string(i), "1 to 6");
    // Gemma's unknown token is a control token here.
    const bool unknown = static_cast<long long>(i) == unknown_id && types[i] == static_cast<int>(piece_type::control);
    const auto type = unknown ? piece_type::unknown : static_cast<piece_type>(types[i]);
    out.byte_fallback = out.byte_fallback || type == piece_type::byte;
    std::string piece;  // converters write the spaces of users' pieces as spaces
    for (const char c : tokens[i])
      if (c == ' ' && type == piece_type::user_defined) piece += space_mark;
      else piece += c;
    out.add_piece(piece, static_cast<long long>(i), scores[i], type);
  }
  const auto flag = [&](const char* key, bool otherwise) {
    const std::string full = std::string("tokenizer.ggml.") + key;
    return file.has(full) ? file.flag(full) : otherwise;
  };
  SentenceRules rules;
  rules.escape = true;
  rules.dummy_prefix = flag("add_space_prefix", true);
  rules.remove_extra = flag("remove_extra_whitespaces", false);
  if (const char* key = "tokenizer.ggml.precompiled_charsmap"; file.has(key)) {
    std::string blob;
    for (const long long byte : file.integers(key)) blob += static_cast<char>(byte);
    if (!blob.empty()) rules.map = Charsmap(blob, file.path());
  }
  sentencepiece::check_pieces(out);
  sentencepiece::set_rules(out, std::move(rules));
  put_around(file, "bos", !unigram, tokens.size(), out.prefix);
  put_around(file, "eos", unigram, tokens.size(), out.suffix);
}

}  // namespace gguf_detail

/// What tokenizer.ggml.model is in a file without a tokenizer.
inline constexpr std::string_view gguf_no_vocab = "none";

/// What the file says, for Bpe. Throws, naming the key, on a tokenizer of another kind, a way of cutting that is not
/// known, and lists that contradict each other.
inline BpeSettings read_gguf_vocab(Gguf const& file) {
  BpeSettings out;
  out.source = file.path();
  const std::string_view model = file.text("tokenizer.ggml.model");
  if (model == "gpt2") gguf_detail::read_merges(file, out);
  else if (model == "llama" || model == "t5") gguf_detail::read_pieces(file, model == "t5", out);
  else if (model == gguf_no_vocab) fail("gguf", file.path() + " has no tokenizer", "one", "its tokens are ids alone");
  else
    gguf_detail::wrong_vocab(file, "model is '" + std::string(model) + '\'',
                             "gpt2 (BPE of bytes), llama or t5 (SentencePiece's BPE, unigram)");
  return out;
}

/// The tokens that end a text, or a turn in a chat.
inline std::vector<long long> gguf_stop_ids(Gguf const& file) {
  std::vector<long long> all;
  for (const char* end : {"eos", "eot", "eom"})
    if (const std::string key = std::string("tokenizer.ggml.") + end + "_token_id"; file.has(key))
      all.push_back(file.integer(key));
  return all;
}

}  // namespace fauna::inline v0
