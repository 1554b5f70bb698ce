// The names by which a GGUF file says how byte-level text is cut into words (tokenizer.ggml.pre), out of llama.cpp's
// list (src/llama-vocab.cpp): those whose rule is known here. llama.cpp normalizes nothing; where a name is that of
// tokenizers which do, it stands for their NFC too.
#pragma once
#include <string_view>

#include <fauna/text/bpe_settings.hpp>

namespace fauna::inline v0 {

struct GgufPre {
  std::string_view name;
  split_rule rule;
  bool digits_first = false;   ///< each digit alone, before the rule
  bool nfc = false;            ///< of the text, before it is cut
  bool ignore_merges = false;  ///< a word that is a token is one, whatever the merges are
  bool begins = false;         ///< with the file's bos token, where no key says whether
};
/// Of names that mean the same the first is written.
inline constexpr GgufPre gguf_pres[] = {
    {"gpt-2", split_rule::gpt2},
    {"phi-2", split_rule::gpt2},
    {"mpt", split_rule::gpt2},
    {"olmo", split_rule::gpt2, false, true},
    {"smollm", split_rule::gpt2, true},
    {"starcoder", split_rule::gpt2, true},
    {"refact", split_rule::gpt2, true},
    {"command-r", split_rule::gpt2, true, true},
    {"qwen2", split_rule::qwen2, false, true},
    {"stablelm2", split_rule::qwen2},
    {"llama-bpe", split_rule::llama3, false, false, true, true},
    {"llama3", split_rule::llama3, false, false, true, true},
    {"dbrx", split_rule::llama3},
    {"smaug-bpe", split_rule::llama3},
    {"glm4", split_rule::llama3},
    {"chatglm-bpe", split_rule::llama3},
};
/// Null for a name that is not known.
inline GgufPre const* gguf_pre(std::string_view name) {
  for (GgufPre const& p : gguf_pres)
    if (p.name == name) return &p;
  return nullptr;
}
/// The name that means exactly how text is cut and merged; null where there is none.
inline GgufPre const* gguf_pre(BpeSettings const& s) {
  const bool nfc = s.edits.size() == 1 && s.edits[0].nfc;
  if (!s.byte_level || (!s.edits.empty() && !nfc) || s.steps.empty() || s.steps.size() > 2) return nullptr;
  for (SplitStep const& step : s.steps)
    if (step.prefix_space) return nullptr;
  const bool digits_first = s.steps.size() == 2;
  if (digits_first && s.steps[0].rule != split_rule::digit) return nullptr;
  for (GgufPre const& p : gguf_pres)
    if (p.rule == s.steps.back().rule && p.digits_first == digits_first && p.nfc == nfc &&
        p.ignore_merges == s.ignore_merges)
      return &p;
  return nullptr;
}

}  // namespace fauna::inline v0
