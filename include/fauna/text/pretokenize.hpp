// Cuts text into the words that a byte-level tokenizer merges bytes within. The reference does it with regular
// expressions that need look-ahead; each of the known ones is a hand-written matcher here, tried in the order of its
// alternatives.
//   Radford et al. 2019, section 2.2, and encoder.py of the GPT-2 release
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <fauna/text/unicode.hpp>
#include <fauna/text/utf8.hpp>

namespace fauna::inline v0 {

/// The known ways to cut. `whole` leaves the text in one piece. `white_space` leaves white space out, after_space cuts
/// behind every space, space_mark before every U+2581, which spaces become (SentencePiece's, in the `tokenizers`
/// package Metaspace), as they do by space_mark_whole, which does not cut.
enum class split_rule {
  whole,
  gpt2,
  llama3,
  qwen2,
  digit,
  digits,
  white_space,
  after_space,
  space_mark,
  space_mark_whole
};

/// A rule with the regular expression that stands for it in a tokenizer.json.
struct SplitPattern {
  split_rule rule;
  const char* name;
  const char* pattern;
};
inline constexpr SplitPattern split_patterns[] = {
    {split_rule::gpt2, "GPT-2", R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"},
    {split_rule::llama3, "Llama 3",
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    {split_rule::qwen2, "Qwen2",
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
};

/// One step of a pre-tokenizer; each cuts the pieces of the one before it. `prefix_space` first puts a space before
/// every piece that does not start with one, or `only_first` before the one that begins the text.
struct SplitStep {
  split_rule rule = split_rule::whole;
  bool prefix_space = false, only_first = false;
};

namespace pretokenize {

/// The class of the character at byte `at`, and where it ends. The text must be valid UTF-8.
struct Character {
  char_class is;
  std::size_t end;
};

inline Character character(std::string_view text, std::size_t at) {
  static constexpr auto ascii = [] {
    std::array<char_class, 128> classes{};
    for (std::size_t i = 0; i < 128; ++i) classes[i] = class_of(static_cast<char32_t>(i));
    return classes;
  }();
  const auto lead = static_cast<unsigned char>(text[at]);
  if (lead < 128) return {ascii[lead], at + 1};
  const char32_t c = next_code_point(text, at);
  return {class_of(c), at};
}

/// As the regular expressions see it.
inline Character in_pattern(std::string_view text, std::size_t at) {
  Character c = character(text, at);
  if (c.is == char_class::digit_only) c.is = char_class::other;
  return c;
}

/// The end of the run of one class that goes on at byte `at`, after at most `most` characters.
inline std::size_t run(std::string_view text, std::size_t at, char_class is, int most = -1) {
  for (; at < text.size() && most != 0; --most) {
    const Character c = in_pattern(text, at);
    if (c.is != is) break;
    at = c.end;
  }
  return at;
}

inline bool newline(char c) { return c == '\n' || c == '\r'; }

/// `\s+(?!\S)|\s+`: the white space at `at` that goes on to `end`, without its last character if a word follows and
/// something is left.
inline std::size_t spaces(std::string_view text, std::size_t at, std::size_t end) {
  if (end == text.size()) return end;
  const std::size_t last = previous_code_point(text, end);
  return last > at ? last : end;
}

/// `'s|'t|'re|'ve|'m|'ll|'d`: the bytes it takes at an apostrophe, or 0. Case-insensitively, s has a third form: the
/// long s, U+017F.
inline std::size_t contraction(std::string_view text, std::size_t at, bool any_case) {
  const auto letter = [&](std::size_t i) {
    const char c = at + i < text.size() ? text[at + i] : '\0';
    return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  const char a = letter(1), b = letter(2);
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
  if (((a == 'r' || a == 'v') && b == 'e') || (a == 'l' && b == 'l')) return 3;
  return any_case && text.substr(at + 1, 2) == "\u017f" ? 3 : 0;
}

/// Each of these: where the word ends that begins at byte `at`.
inline std::size_t gpt2(std::string_view text, std::size_t at) {
  if (text[at] == '\'')
    if (const std::size_t n = contraction(text, at, false)) return at + n;
  const std::size_t first = text[at] == ' ' ? at + 1 : at;
  if (first < text.size()) {
    const Character c = in_pattern(text, first);
    if (c.is != char_class::space) return run(text, c.end, c.is);  // ` ?\p{L}+`, ` ?\p{N}+`, ` ?[^\s\p{L}\p{N}]+`
  }
  return spaces(text, at, run(text, first, char_class::space));
}

/// Llama 3 and Qwen2, which differ in how many digits make a word.
inline std::size_t llama3(std::string_view text, std::size_t at, int digits) {
  using enum char_class;
  if (text[at] == '\'')
    if (const std::size_t n = contraction(text, at, true)) return at + n;
  const Character c = in_pattern(text, at);
  // `[^\r\n\p{L}\p{N}]?\p{L}+`
  if (c.is == letter) return run(text, c.end, letter);
  if (c.is != number && !newline(text[at]))
    if (const std::size_t end = run(text, c.end, letter); end > c.end) return end;
  if (c.is == number) return run(text, c.end, number, digits - 1);  // `\p{N}{1,3}`
  // ` ?[^\s\p{L}\p{N}]+[\r\n]*`
  const std::size_t first = text[at] == ' ' ? at + 1 : at;
  if (std::size_t end = run(text, first, other); end > first) {
    while (end < text.size() && newline(text[end])) ++end;
    return end;
  }
  // `\s*[\r\n]+`: up to the last line break of the white space
  const std::size_t end = run(text, at, space);
  for (std::size_t i = end; i > at; --i)
    if (newline(text[i - 1])) return i;
  return spaces(text, at, end);
}

/// The Digits step: a digit alone, or with `together` a row of them; and what stands between.
inline std::size_t digit(std::string_view text, std::size_t at, bool together) {
  const auto is_digit = [&](Character c) { return c.is == char_class::number || c.is == char_class::digit_only; };
  Character c = character(text, at);
  const bool first = is_digit(c);
  at = c.end;
  if (first && !together) return at;
  for (; at < text.size(); at = c.end) {
    c = character(text, at);
    if (is_digit(c) != first) break;
  }
  return at;
}

inline std::size_t word_end(split_rule rule, std::string_view text, std::size_t at) {
  switch (rule) {
    case split_rule::gpt2: return gpt2(text, at);
    case split_rule::llama3: return llama3(text, at, 3);
    case split_rule::qwen2: return llama3(text, at, 1);
    case split_rule::digit: return digit(text, at, false);
    case split_rule::digits: return digit(text, at, true);
    case split_rule::white_space:
      while (at < text.size()) {
        const Character c = character(text, at);
        if (c.is == char_class::space) break;
        at = c.end;
      }
      return at;
    case split_rule::after_space:
    case split_rule::space_mark: {
      const bool behind = rule == split_rule::after_space;
      const std::size_t found = behind ? text.find(' ', at) : text.find("\u2581", at + 1);
      return found == std::string_view::npos ? text.size() : found + behind;
    }
    case split_rule::whole:
    case split_rule::space_mark_whole: break;
  }
  return text.size();
}

}  // namespace pretokenize

/// Calls word(std::string_view) for each word of a text, in order, by the steps [step, last). Joined, the words are the
/// text (with the spaces that `prefix_space` put in, and without what `white_space` leaves out). The text must be valid
/// UTF-8; `first`: nothing stood before it.
template <class F>
void split_words(std::string_view text, const SplitStep* step, const SplitStep* last, F&& word, bool first = true) {
  if (text.empty()) return;
  if (step == last) {
    word(text);
    return;
  }
  const bool marks = step->rule == split_rule::space_mark || step->rule == split_rule::space_mark_whole;
  const std::string_view space = marks ? "\u2581" : " ";
  std::string spaced;
  if (step->prefix_space && (first || !step->only_first) && text[0] != ' ' && text.substr(0, space.size()) != space)
    spaced = space;
  if (!spaced.empty() || (marks && text.find(' ') != std::string_view::npos)) {
    for (const char c : text)
      if (c == ' ') spaced += space;
      else spaced += c;
    text = spaced;
  }
  for (std::size_t at = 0; at < text.size();) {
    if (step->rule == split_rule::white_space && (at = pretokenize::run(text, at, char_class::space)) == text.size())
      break;
    const std::size_t end = pretokenize::word_end(step->rule, text, at);
    split_words(text.substr(at, end - at), step + 1, last, word, first && at == 0);
    at = end;
  }
}

}  // namespace fauna::inline v0
