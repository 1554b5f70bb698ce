// What the programs say beside their result.
#pragma once
#include <cstdio>
#include <string>

namespace tool {

/// Says on stderr what is being done, so that stdout holds the result alone.
inline void say(std::string const& text) {
  const std::string line = "fauna: " + text + '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace tool
