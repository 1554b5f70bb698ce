// The values of flags as text: read, written, and given from one program to another as NAME=VALUE.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <fauna/core/error.hpp>
#include <fauna/core/number_text.hpp>

namespace settings {

// A value from text, all of it or nothing; as text; and what to call the type.
inline bool parse(std::string const& s, long& v) { return fauna::number_text::parse(s, v); }
inline bool parse(std::string const& s, std::uint64_t& v) { return fauna::number_text::parse(s, v); }
inline bool parse(std::string const& s, double& v) { return fauna::number_text::parse(s, v) && v - v == 0; }
inline bool parse(std::string const& s, bool& v) {
  v = s == "true" || s == "True" || s == "1";
  return v || s == "false" || s == "False" || s == "0";
}
inline bool parse(std::string const& s, std::string& v) {
  v = s;
  return true;
}
inline std::string text(long v) { return fauna::number_text::of(v); }
inline std::string text(std::uint64_t v) { return fauna::number_text::of(v); }
inline std::string text(double v) { return fauna::number_text::of(v); }
inline std::string text(bool v) { return v ? "true" : "false"; }
inline std::string text(std::string const& v) { return v; }
/// A list is a flag given several times: each value is added.
inline bool parse(std::string const& s, std::vector<std::string>& v) {
  v.push_back(s);
  return true;
}
inline const char* type_name(long) { return "a whole number"; }
inline const char* type_name(std::uint64_t) { return "a whole number, not negative"; }
inline const char* type_name(double) { return "a number"; }
inline const char* type_name(bool) { return "true or false"; }
inline const char* type_name(std::string const&) { return "text"; }
inline const char* type_name(std::vector<std::string> const&) { return "text"; }

/// Sets the flag `name` of a list; false where the list does not have it. Throws on a value of another type.
template <class S> bool assign(S& list, std::string const& name, std::string const& value) {
  bool found = false;
  list.each([&](const char* n, auto& v, const char*) {
    if (name != n) return;
    found = true;
    if (!parse(value, v)) fauna::fail("flags", "--" + name + " " + value, type_name(v));
  });
  return found;
}
/// A list as the arguments NAME=VALUE of a program that another program starts; a value may have any characters.
template <class S> std::vector<std::string> arguments(S list) {
  std::vector<std::string> all;
  list.each([&](const char* name, auto& value, const char*) {
    const auto add = [&](auto const& v) { all.push_back(std::string(name) + '=' + text(v)); };
    if constexpr (std::is_same_v<decltype(value), std::vector<std::string>&>)
      for (std::string const& v : value) add(v);
    else add(value);
  });
  return all;
}
/// Fills a list from the arguments NAME=VALUE of a program that another program starts.
template <class S> void read(S& list, int n, char** arguments) {
  for (int i = 0; i < n; ++i) {
    const std::string a = arguments[i];
    const std::size_t equals = a.find('=');
    if (equals == std::string::npos || !assign(list, a.substr(0, equals), a.substr(equals + 1)))
      fauna::fail("flags", "the argument " + a, "NAME=VALUE; this program is started by tools/fauna");
  }
}

}  // namespace settings
