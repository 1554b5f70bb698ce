// Rounds of kinds of layers, a letter each.
#pragma once
#include <string>

#include <fauna/core/label.hpp>

namespace tool {

/// A letter for each of a round, without what repeats: "mmmammma" is "mmma". `cut`: the last round may be cut, so that
/// "mammammam" and "mamma" are "mam" both.
inline fauna::letters shortest_round(std::string const& all, bool cut = false) {
  std::size_t n = 1;
  const auto repeats = [&] {
    for (std::size_t i = n; i < all.size(); ++i)
      if (all[i] != all[i - n]) return false;
    return cut || all.size() % n == 0;
  };
  while (!repeats()) ++n;
  return fauna::letters(all.substr(0, n));
}

}  // namespace tool
