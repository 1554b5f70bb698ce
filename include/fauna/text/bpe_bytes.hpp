// Bytes and how vocabularies spell them: GPT-2's alphabet for all 256, byte fallback as in Llama 2, and text from bytes
// that arrive token by token.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <fauna/text/utf8.hpp>

namespace fauna::inline v0::bpe {

/// GPT-2's alphabet: printable bytes stand for themselves, the other 68, in order, are the characters from U+0100.
inline constexpr auto byte_of_character = [] {
  std::array<std::int16_t, 256 + 68> bytes{};
  for (std::int16_t& b : bytes) b = -1;
  std::size_t next = 256;
  for (std::int16_t b = 0; b < 256; ++b) {
    const bool itself = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
    bytes[itself ? static_cast<std::size_t>(b) : next++] = b;
  }
  return bytes;
}();

/// The bytes that a token spells in that alphabet. False where a character is not in it.
inline bool spelt_bytes(std::string_view token, std::string& bytes) {
  bytes.clear();
  for (std::size_t at = 0; at < token.size();) {
    const auto c = static_cast<std::size_t>(next_code_point(token, at));
    if (c >= byte_of_character.size() || byte_of_character[c] < 0) return false;
    bytes += static_cast<char>(byte_of_character[c]);
  }
  return true;
}

/// The byte that a token <0x41> stands for, or -1.
inline int fallback_byte(std::string_view token) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
  };
  if (token.size() != 6 || token.substr(0, 3) != "<0x" || token[5] != '>') return -1;
  const int high = digit(token[3]), low = digit(token[4]);
  return high < 0 || low < 0 ? -1 : 16 * high + low;
}

inline constexpr std::string_view replacement = "\xef\xbf\xbd";  // U+FFFD

/// The bytes from `at` on that begin a character, and whether they are all of it.
struct Beginning {
  std::size_t bytes;
  bool whole;
};
inline Beginning beginning(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(at);
  const std::size_t length = lead < 0x80   ? 1
                             : lead < 0xc2 ? 0
                             : lead < 0xe0 ? 2
                             : lead < 0xf0 ? 3
                             : lead < 0xf5 ? 4
                                           : 0;
  // What the second byte may be: no longer forms than needed, no surrogates, nothing above U+10FFFF.
  const unsigned low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const unsigned high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  std::size_t n = 1;
  while (n < length && at + n < text.size() && byte(at + n) >= (n == 1 ? low : 0x80) &&
         byte(at + n) <= (n == 1 ? high : 0xbf))
    ++n;
  return {n, n == length};
}

/// Moves valid UTF-8 from the front of `bytes` to `text`, U+FFFD for each longest start of a character that goes wrong,
/// or with `lone` for each byte of it, and leaves the start of a character that may yet be completed; nothing, once it
/// is `over`.
inline void take_valid(std::string& bytes, std::string& text, bool over, bool lone = false) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    const Beginning b = beginning(bytes, at);
    if (!b.whole && at + b.bytes == bytes.size() && !over && static_cast<unsigned char>(bytes[at]) >= 0xc2 &&
        static_cast<unsigned char>(bytes[at]) < 0xf5)
      break;
    if (b.whole) text.append(bytes, at, b.bytes);
    else text += replacement;
    at += b.whole || !lone ? b.bytes : 1;
  }
  bytes.erase(0, at);
}

}  // namespace fauna::inline v0::bpe
