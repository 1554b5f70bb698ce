// What the programs say beside their result.
#pragma once
#include <cstdio>
#include <string>

#include <tools/src/started.hpp>

namespace tool {

/// Says on stderr what is being done, so that stdout holds the result alone. Of several ranks the first one speaks.
inline void say(std::string const& text) {
  if (started_rank() > 0) return;
  const std::string line = "fauna: " + text + '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace tool
