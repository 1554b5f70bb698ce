// Values of flags that are checked before anything is compiled.
#pragma once
#include <string>
#include <vector>

#include <fauna/core/error.hpp>

namespace tool {

inline int whole(const char* flag, long value, long least, long most = 1000000) {
  if (value < least || value > most)
    fauna::fail("fauna", std::string("--") + flag + " " + std::to_string(value),
                std::to_string(least) + " to " + std::to_string(most));
  return static_cast<int>(value);
}

inline void one_of(const char* flag, std::string const& value, std::vector<std::string> const& choices) {
  std::string all;
  for (std::string const& c : choices) {
    if (c == value) return;
    all += (all.empty() ? "" : ", ") + c;
  }
  fauna::fail("fauna", std::string("--") + flag + " " + value, "one of " + all);
}

}  // namespace tool
