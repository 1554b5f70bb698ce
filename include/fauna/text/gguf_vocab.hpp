// The tokenizer that a GGUF file has among its keys (ggml's docs/gguf.md, "Tokenizer"): byte-level BPE, which the
// format calls gpt2. How text is cut into words stands there as a name, out of a list that llama.cpp keeps.
#pragma once
#include <string>
#include <vector>

#include <fauna/io/gguf.hpp>
#include <fauna/text/tokenizer_json.hpp>

namespace fauna::inline v0 {

/// What the file says, for Bpe. Throws, naming the key, on a tokenizer of another kind, a way of cutting that is not
/// known, and lists that contradict each other.
inline BpeSettings read_gguf_vocab(Gguf const& file) {
  const auto wrong = [&file](std::string const& found, std::string const& expected) {
    fail("text", file.path() + ": tokenizer.ggml." + found, expected);
  };
  BpeSettings out;
  out.source = file.path();
  out.byte_level = out.decode_byte_level = true;
  if (const std::string_view model = file.text("tokenizer.ggml.model"); model != "gpt2")
    wrong("model is '" + std::string(model) + '\'', "gpt2, BPE of bytes");
  const std::string_view pre = file.text("tokenizer.ggml.pre");
  const bool llama3 = pre == "llama-bpe" || pre == "llama3";
  if (pre == "gpt-2") out.steps = {{split_rule::gpt2}};
  else if (pre == "smollm" || pre == "starcoder") out.steps = {{split_rule::digit}, {split_rule::gpt2}};
  else if (pre == "qwen2") out.steps = {{split_rule::qwen2}};
  else if (llama3) out.steps = {{split_rule::llama3}};
  else wrong("pre is '" + std::string(pre) + '\'', "one of gpt-2, smollm, starcoder, qwen2, llama-bpe, llama3");
  if (pre == "qwen2") out.edits.push_back({"", "", true});
  out.ignore_merges = llama3;

  constexpr long long control = 3, user_defined = 4, unused = 5;
  const auto tokens = file.texts("tokenizer.ggml.tokens");
  const auto types = file.integers("tokenizer.ggml.token_type");
  if (types.size() != tokens.size())
    wrong("token_type has " + std::to_string(types.size()) + " numbers", std::to_string(tokens.size()) + ", as tokens");
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (types[i] == unused) continue;
    const int id = static_cast<int>(i);
    tokenizer_json::add_piece(out, tokens[i], id);
    if (types[i] != control && types[i] != user_defined) continue;
    if (tokens[i].empty()) wrong("tokens has an empty text for the id " + std::to_string(i), "some text");
    out.added.push_back({std::string(tokens[i]), id, false, false, false, types[i] == control});
  }
  std::size_t n = 0;
  for (const std::string_view merge : file.texts("tokenizer.ggml.merges")) {
    if (!tokenizer_json::add_merge_line(out, merge))
      wrong("merges has '" + std::string(merge) + "' at " + std::to_string(n), "two strings with a space between them");
    ++n;
  }
  const auto around = [&](const char* end, bool otherwise, std::vector<int>& to) {
    const std::string add = std::string("tokenizer.ggml.add_") + end + "_token",
                      id = std::string("tokenizer.ggml.") + end + "_token_id";
    if (!(file.has(add) ? file.flag(add) : otherwise && file.has(id))) return;
    const long long token = file.integer(id);
    if (token < 0 || static_cast<std::size_t>(token) >= tokens.size())
      wrong(std::string(end) + "_token_id is " + std::to_string(token), "a token's");
    to.push_back(static_cast<int>(token));
  };
  around("bos", llama3, out.prefix);
  around("eos", false, out.suffix);
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
