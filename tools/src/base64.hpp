// Bytes as text (RFC 4648, section 4).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace tool {

inline std::string base64(std::string_view bytes) {
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string all;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t three = 0;
    for (std::size_t i = 0; i < 3; ++i)
      three = three << 8U | (at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0U);
    for (std::size_t i = 0; i < 4; ++i) all += at + i > bytes.size() ? '=' : letters[three >> (18 - 6 * i) & 63U];
  }
  return all;
}

}  // namespace tool
