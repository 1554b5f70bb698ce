// The page in which one talks to the model. page.html is that page as a browser reads it, within the marks of a raw
// string, so that C++ reads it too.
#pragma once
#include <string>
#include <string_view>

#include <tools/src/base64.hpp>
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
  constexpr std::string_view digits = "0123456789abcdef";
  const std::string hash = sha256(text);
  std::string bytes;
  for (std::size_t at = 0; at < hash.size(); at += 2)
    bytes += static_cast<char>(16 * digits.find(hash[at]) + digits.find(hash[at + 1]));
  return "'sha256-" + base64(bytes) + '\'';
}

}  // namespace page_detail

/// What a browser lets the page do: its own style and script, requests to this server, and nothing else.
inline std::string page_policy() {
  using namespace page_detail;
  return "default-src 'none'; connect-src 'self'; img-src data:; style-src " + source(inside("style")) +
         "; script-src " + source(inside("script")) + "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
}

}  // namespace tool::serve
