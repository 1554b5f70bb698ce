// Characters as tokens, nanoGPT's Shakespeare tokenizer: the vocabulary is the distinct characters of a text in the
// order of their code points. A character is a Unicode code point; texts are UTF-8.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <fauna/io/file.hpp>
#include <fauna/text/tokens.hpp>
#include <fauna/text/utf8.hpp>

namespace fauna::inline v0 {

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
    append_code_point(s, c == 0 ? U' ' : c);  // a NUL would end the error's text
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
