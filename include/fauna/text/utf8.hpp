// UTF-8, read strictly and written.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <fauna/core/error.hpp>

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

/// The first byte, from `at` on, that is not ASCII; the size of the text where there is none.
inline std::size_t skip_ascii(std::string_view text, std::size_t at) {
  for (std::uint64_t eight = 0; at + 8 <= text.size(); at += 8) {
    std::memcpy(&eight, text.data() + at, 8);
    if ((eight & 0x8080808080808080U) != 0) break;
  }
  while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) ++at;
  return at;
}

/// Throws on text that is not valid UTF-8, naming the byte.
inline void require_utf8(std::string_view text) {
  for (std::size_t at = 0; (at = skip_ascii(text, at)) < text.size();) next_code_point(text, at);
}

/// Where the code point before byte `at` starts. The text must be valid UTF-8, and `at` not 0.
inline std::size_t previous_code_point(std::string_view text, std::size_t at) {
  do --at;
  while ((static_cast<unsigned char>(text[at]) & 0xc0U) == 0x80U);
  return at;
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

}  // namespace fauna::inline v0
