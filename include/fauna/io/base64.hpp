// Bytes in base64 (RFC 4648, section 4).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include <fauna/core/error.hpp>

namespace fauna::inline v0 {

/// The bytes that `text` stands for. `what` names it in errors.
inline std::string from_base64(std::string_view text, std::string const& what) {
  const auto value = [](char c) {
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
  };
  if (text.size() % 4 != 0)
    fail("io", what + " has " + std::to_string(text.size()) + " characters", "base64, four for three bytes");
  for (int i = 0; i < 2 && !text.empty() && text.back() == '='; ++i) text.remove_suffix(1);
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t held = 0;
  int bits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int v = value(text[i]);
    if (v < 0) fail("io", what + " has '" + text[i] + "' at " + std::to_string(i), "base64");
    held = held << 6 | static_cast<std::uint32_t>(v);
    if ((bits += 6) < 8) continue;
    bits -= 8;
    bytes += static_cast<char>(held >> bits & 255U);
  }
  return bytes;
}

}  // namespace fauna::inline v0
