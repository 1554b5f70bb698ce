// The page in which one talks to the model. page.html is that page as a browser reads it, within the marks of a raw
// string, so that C++ reads it too.
#pragma once
#include <string>
#include <string_view>

#include <tools/src/sha256.hpp>

namespace tool::serve {

inline constexpr std::string_view page =
#include <tools/src/serve/page/page.html>
    ;

namespace page_detail {

/// What the page has between <tag> and </tag>.
inline std::string_view inside(std::string_view tag) {
  const std::string begin = '<' + std::string(tag) + '>', end = "</" + std::string(tag) + '>';
  const std::size_t at = page.find(begin) + begin.size();
  return page.substr(at, page.find(end, at) - at);
}
/// Its SHA-256 in base64, as a Content-Security-Policy names what may run (W3C CSP 3, section 2.3.1).
inline std::string source(std::string_view text) {
  constexpr std::string_view hexadecimal = "0123456789abcdef",
                             letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bits, all = "'sha256-";
  for (const char digit : sha256(text) + "00")  // 264 bits, of which the last eight are none of the digest's
    for (std::size_t b = 4; b-- > 0;) bits += static_cast<char>(hexadecimal.find(digit) >> b & 1U);
  for (std::size_t at = 0; at < 258; at += 6) {
    std::size_t value = 0;
    for (std::size_t b = 0; b < 6; ++b) value = 2 * value + static_cast<std::size_t>(bits[at + b]);
    all += letters[value];
  }
  return all + "='";
}

}  // namespace page_detail

/// What a browser lets the page do: its own style and script, requests to this server, and nothing else.
inline std::string page_policy() {
  using namespace page_detail;
  return "default-src 'none'; connect-src 'self'; img-src data:; style-src " + source(inside("style")) +
         "; script-src " + source(inside("script")) + "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
}

}  // namespace tool::serve
