// Ids of tokens in an argument.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include <tools/src/settings.hpp>

namespace tool {

/// The ids of a text such as 1,2,3 or "1, 2, 3". Throws where one is not below `vocab`, with the flag that has it.
inline std::vector<int> token_list(std::string const& flag, std::string const& text, int vocab) {
  std::vector<int> ids;
  for (std::size_t at = 0; at <= text.size();) {
    at = std::min(text.find_first_not_of(" \n", at), text.size());
    const std::size_t comma = std::min(text.find(',', at), text.size());
    long id = 0;
    std::string word = text.substr(at, comma - at);
    word.erase(word.find_last_not_of(" \n") + 1);
    if (!settings::parse(word, id) || id < 0 || id >= vocab)
      fauna::fail("fauna", flag + ' ' + text, "ids from 0 to " + std::to_string(vocab - 1) + " with commas between");
    ids.push_back(static_cast<int>(id));
    at = comma + 1;
  }
  return ids;
}

}  // namespace tool
