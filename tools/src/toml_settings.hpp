// The lists of settings.hpp in TOML files: every key is the name of a flag, at the top of the file.
#pragma once
#include <toml++/toml.h>
#include <limits>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include <fauna/io/file.hpp>
#include <tools/src/settings.hpp>

namespace tool {

inline toml::table read_toml(std::string const& path) {
  try {
    return toml::parse(fauna::read_file(path), path);
  } catch (toml::parse_error const& e) {
    fauna::fail("config",
                path + ", line " + std::to_string(e.source().begin.line) + ": " + std::string(e.description()), "TOML",
                "such as n-layer = 6");
  }
}

/// A value as a file could have it, in one line.
inline std::string toml_text(toml::node const& value) {
  std::ostringstream s;
  s << toml::toml_formatter{value, toml::format_flags::none};
  return s.str();
}

/// A value as the texts that the flag would be given; false where it is of another type than T. TOML's whole numbers
/// end at 2^63 - 1: a larger seed is its digits in quotes.
template <class T> bool flag_texts(toml::node const& value, std::vector<std::string>& texts) {
  if constexpr (std::is_same_v<T, std::vector<std::string>>) {
    if (toml::array const* all = value.as_array()) {
      for (toml::node const& one : *all)
        if (!flag_texts<std::string>(one, texts)) return false;
      return true;
    }
    return flag_texts<std::string>(value, texts);
  } else {
    std::string text;
    if (auto const* b = value.as_boolean(); b && std::is_same_v<T, bool>) text = settings::text(b->get());
    else if (auto const* i = value.as_integer(); i && std::is_arithmetic_v<T> && !std::is_same_v<T, bool>)
      text = settings::text(static_cast<long>(i->get()));
    else if (auto const* d = value.as_floating_point(); d && std::is_same_v<T, double>) text = settings::text(d->get());
    else if (auto const* s = value.as_string();
             s && (std::is_same_v<T, std::string> || std::is_same_v<T, std::uint64_t>))
      text = s->get();
    else return false;
    texts.push_back(text);
    T read{};
    return settings::parse(text, read);  // a number may be none of T's
  }
}

/// `name = value` as a line of a file.
template <class T> std::string toml_line(std::string const& name, T const& value) {
  std::string text = settings::text(value);
  bool quoted = std::is_same_v<T, std::string>;
  if constexpr (std::is_same_v<T, std::uint64_t>) quoted = value > std::numeric_limits<std::int64_t>::max();
  if (quoted) text = toml_text(toml::value<std::string>(text));
  return name + " = " + text + '\n';
}

}  // namespace tool
