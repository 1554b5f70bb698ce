// Characters as tokens, nanoGPT's Shakespeare tokenizer: the vocabulary is the distinct characters of a text in the
// order of their code points. A character is a Unicode code point; texts are UTF-8.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <fauna/io/file.hpp>
#include <fauna/text/tokens.hpp>

namespace fauna::inline v0 {

/// The code point that starts at byte `at`, which moves behind it. Throws, naming the byte, on what UTF-8 does not
/// allow: stray or missing continuation bytes, longer forms than needed, surrogates, numbers above U+10FFFF.
inline char32_t next_code_point(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? std::uint32_t{static_cast<unsigned char>(text[i])} : 0U;
  };
  const std::uint32_t lead = byte(at);
  if (lead < 0x80U) {
    ++at;
    return static_cast<char32_t>(lead);
  }
  const std::size_t length = lead < 0xc2U ? 0 : lead < 0xe0U ? 2 : lead < 0xf0U ? 3 : lead < 0xf5U ? 4 : 0;
  std::uint32_t code = length == 0 ? 0 : lead & (0x7fU >> length);
  bool valid = length != 0;
  for (std::size_t i = 1; i < length; ++i) {
    valid = valid && (byte(at + i) & 0xc0U) == 0x80U;
    code = code << 6 | (byte(at + i) & 0x3fU);
  }
  if (!valid || (length == 3 && (code < 0x800U || (code >= 0xd800U && code < 0xe000U))) ||
      (length == 4 && (code < 0x10000U || code > 0x10ffffU)))
    fail("text", "invalid UTF-8 at byte " + std::to_string(at), {}, "convert the text to UTF-8, or use byte tokens");
  at += length;
  return static_cast<char32_t>(code);
}

/// Appends a code point as UTF-8.
inline void append_code_point(std::string& text, char32_t c) {
  const auto u = static_cast<std::uint32_t>(c);
  const auto put = [&](std::uint32_t b) { text += static_cast<char>(b); };
  const auto tail = [&](int shift) { put(0x80U | ((u >> shift) & 0x3fU)); };
  if (u < 0x80U) {
    put(u);
  } else if (u < 0x800U) {
    put(0xc0U | u >> 6);
    tail(0);
  } else if (u < 0x10000U) {
    put(0xe0U | u >> 12);
    tail(6);
    tail(0);
  } else {
    put(0xf0U | u >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

/// Maps characters to ids 0, 1, 2, … and back.
class CharTokenizer {
 public:
  CharTokenizer() = default;
  /// The vocabulary of a text: its distinct characters, sorted. `alphabet()` makes the same tokenizer again.
  explicit CharTokenizer(std::string_view text) {
    std::vector<bool> seen(0x110000);
    for (std::size_t at = 0; at < text.size();) seen[next_code_point(text, at)] = true;
    for (std::uint32_t c = 0; c < 0x110000U; ++c)
      if (seen[c]) characters_.push_back(static_cast<char32_t>(c));
  }

  int vocab() const { return static_cast<int>(characters_.size()); }
  /// Every character once, in the order of their ids, as UTF-8: what a checkpoint keeps.
  std::string alphabet() const {
    std::string s;
    for (const char32_t c : characters_) append_code_point(s, c);
    return s;
  }
  /// The id of a character, or -1.
  int id(char32_t c) const {
    std::size_t low = 0, high = characters_.size();
    while (low < high) {
      const std::size_t middle = (low + high) / 2;
      if (characters_[middle] < c) low = middle + 1;
      else high = middle;
    }
    return low < characters_.size() && characters_[low] == c ? static_cast<int>(low) : -1;
  }

  /// Throws on a character that is not in the vocabulary, naming it and where it stands.
  std::vector<int> encode(std::string_view text) const { return encode_or(text, -1); }
  /// Writes `replacement`, itself a character of the vocabulary, for every character that is not.
  std::vector<int> encode(std::string_view text, char32_t replacement) const {
    const int i = id(replacement);
    if (i < 0) fail("text", "the replacement " + quoted(replacement) + " is itself unseen", "one of the vocabulary");
    return encode_or(text, i);
  }
  std::string decode(const int* ids, std::size_t count) const {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) {
      if (ids[i] < 0 || ids[i] >= vocab())
        fail("text", "token " + std::to_string(i) + " is " + std::to_string(ids[i]),
             "an id below the vocabulary of " + std::to_string(vocab()));
      append_code_point(text, characters_[static_cast<std::size_t>(ids[i])]);
    }
    return text;
  }

 private:
  static std::string quoted(char32_t c) {
    std::string s = "'", hex;
    append_code_point(s, c);
    for (auto u = static_cast<std::uint32_t>(c); u != 0 || hex.size() < 4; u >>= 4)
      hex.insert(hex.begin(), "0123456789ABCDEF"[u & 15U]);
    return s + "' (U+" + hex + ')';
  }
  std::vector<int> encode_or(std::string_view text, int replacement) const {
    std::vector<int> ids;
    ids.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t start = at;
      const char32_t c = next_code_point(text, at);
      int i = id(c);
      if (i < 0) i = replacement;
      if (i < 0)
        fail("text",
             "unseen character " + quoted(c) + " at character " + std::to_string(ids.size()) + ", byte " +
                 std::to_string(start),
             "one of the " + std::to_string(vocab()) + " characters of the vocabulary",
             "remove it, or choose a replacement");
      ids.push_back(i);
    }
    return ids;
  }

  std::vector<char32_t> characters_;  // sorted; the index is the id
};

/// A text to train on, with its tokenizer. Bytes are taken as they are: a carriage return is a character.
class CharText : public CharTokenizer {
 public:
  /// A text and the vocabulary found in it.
  static CharText from_string(std::string_view text) { return CharText(CharTokenizer(text), text); }
  static CharText from_file(std::string const& path) {
    const std::string text = read_file(path);
    return named(path, [&] { return from_string(text); });
  }
  /// Another text in a vocabulary that is already fixed, a checkpoint's for instance.
  static CharText from_file(std::string const& path, CharTokenizer const& known) {
    const std::string text = read_file(path);
    return named(path, [&] { return CharText(known, text); });
  }

  Tokens tokens() const { return {ids_.data(), ids_.size(), vocab()}; }
  Tokens train() const { return split(tokens()).train; }
  Tokens val() const { return split(tokens()).val; }

 private:
  CharText(CharTokenizer known, std::string_view text) : CharTokenizer(std::move(known)), ids_(encode(text)) {
    if (ids_.size() < 2)
      fail("text", "a text of length " + std::to_string(ids_.size()),
           "at least 2 characters, one to read and one to predict");
  }
  /// The error of a text that came from a file names the file.
  template <class F> static CharText named(std::string const& path, F&& make) {
    try {
      return make();
    } catch (error const& e) {
      throw error(std::string(e.what()) + " (in " + path + ')');
    }
  }

  std::vector<int> ids_;
};

}  // namespace fauna::inline v0
