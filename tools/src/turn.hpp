// What one says in a conversation.
#pragma once
#include <string>

namespace tool {

struct Turn {
  std::string role{}, content{};
};

}  // namespace tool
