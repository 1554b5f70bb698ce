// What a flag that may be given several times calls by a name.
#pragma once
#include <string>

#include <fauna/core/error.hpp>

namespace tool {

struct Named {
  std::string name, value;
};
/// NAME=VALUE, neither of them empty.
inline Named named(std::string const& flag, std::string const& text) {
  const std::size_t at = text.find('=');
  if (at == 0 || at == std::string::npos || at + 1 == text.size())
    fauna::fail("fauna", flag + ' ' + text, "NAME=FOLDER");
  return {text.substr(0, at), text.substr(at + 1)};
}

}  // namespace tool
