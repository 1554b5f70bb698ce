// How SentencePiece changes a text before it cuts it (sentencepiece, src/normalizer.cc): rules replace parts of it,
// runs of spaces become one, those at the ends go, one is put in front, and each becomes U+2581, the mark that begins a
// word.
#pragma once
#include <string>
#include <string_view>

#include <fauna/text/added_tokens.hpp>
#include <fauna/text/charsmap.hpp>
#include <fauna/text/utf8.hpp>

namespace fauna::inline v0 {

inline constexpr std::string_view space_mark = "\xe2\x96\x81";  ///< U+2581

struct SentenceRules {
  Charsmap map{};
  bpe::AddedTokens verbatim{};  ///< what no rule changes
  bool dummy_prefix = false;    ///< a space goes in front of every text that is not empty
  bool remove_extra = false;    ///< a run of spaces is one, and none at the ends
  bool escape = false;          ///< a space becomes U+2581

  /// The text must be valid UTF-8.
  std::string operator()(std::string_view text) const {
    const std::string_view space = escape ? space_mark : " ";
    std::string out;
    std::size_t at = 0;
    if (remove_extra)
      for (Part p; at < text.size() && (p = part(text, at)).to == " "; at += p.taken) {}
    if (at == text.size()) return out;
    out.reserve(text.size() + text.size() / 4 + 8);
    if (dummy_prefix) out += space;
    bool after_space = remove_extra;
    while (at < text.size()) {
      const Part p = part(text, at);
      at += p.taken;
      std::string_view to = p.to;
      while (after_space && !to.empty() && to[0] == ' ') to.remove_prefix(1);
      for (const char c : to)
        if (c == ' ') out += space;
        else out += c;
      if (!to.empty()) after_space = remove_extra && to.back() == ' ';
    }
    while (remove_extra && out.size() >= space.size() &&
           std::string_view(out).substr(out.size() - space.size()) == space)
      out.resize(out.size() - space.size());
    return out;
  }

 private:
  using Part = Charsmap::Rule;
  /// What stands at `at`, and what becomes of it: a token as it is, the longest rule's, or a character as it is.
  Part part(std::string_view text, std::size_t at) const {
    if (const AddedToken* t = verbatim.at(text, at)) return {t->content.size(), text.substr(at, t->content.size())};
    if (const Part rule = map.match(text.substr(at)); rule.taken > 0) return rule;
    std::size_t end = at;
    next_code_point(text, end);
    return {end - at, text.substr(at, end - at)};
  }
};

}  // namespace fauna::inline v0
