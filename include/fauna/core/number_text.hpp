// Numbers as text that reads back as the same number, whatever the locale.
#pragma once
#include <charconv>
#include <string>
#include <system_error>

#include <fauna/core/version.hpp>

namespace fauna::inline v0::number_text {

/// The fewest digits that read back as the same number.
template <class N> std::string of(N n) {
  char s[32];
  return std::string(s, std::to_chars(s, s + sizeof s, n).ptr);
}

/// All of a text, or false.
template <class N> bool parse(std::string const& s, N& to) {
  const char* end = s.data() + s.size();
  const auto r = std::from_chars(s.data(), end, to);
  return r.ec == std::errc() && r.ptr == end;
}

}  // namespace fauna::inline v0::number_text
