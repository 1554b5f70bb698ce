// Windows into a text, for what learns from any of them.
#pragma once
#include <string>

#include <fauna/core/error.hpp>
#include <fauna/core/rng.hpp>

namespace fauna::inline v0 {

/// How many windows of `context` tokens a text has that `beyond` more stand behind. Throws where there is none.
inline int windows_of(const char* who, std::size_t tokens, int context, int beyond) {
  const int windows = static_cast<int>(tokens) - context - beyond;
  if (windows < 1)
    fail(who, "a text of " + std::to_string(tokens) + " tokens", "more than " + std::to_string(context + beyond));
  return windows;
}
/// Where a window begins that is drawn by a key of its own.
inline std::size_t window_start(Key key, int windows) { return key.word(0) % static_cast<std::uint32_t>(windows); }

}  // namespace fauna::inline v0
