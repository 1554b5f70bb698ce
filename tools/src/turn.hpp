// What one says in a conversation.
#pragma once
#include <string>

namespace tool {

struct Turn {
  std::string role{}, content{};
  std::string more{};  ///< what else a template may read of it, such as tool_calls: a JSON object; empty: nothing
};

}  // namespace tool
