// The tokens of the largest logits.
#pragma once
#include <vector>

#include <fauna/core/version.hpp>

namespace fauna::inline v0 {

/// Of logits [vocab] the indices of the `most` largest, in descending order; of two that are equal, the first.
inline std::vector<int> largest(const float* logits, int vocab, int most) {
  std::vector<int> best;
  for (int v = 0; v < vocab; ++v) {
    std::size_t at = best.size();
    while (at > 0 && logits[v] > logits[best[at - 1]]) --at;
    if (at == static_cast<std::size_t>(most)) continue;
    best.insert(best.begin() + static_cast<std::ptrdiff_t>(at), v);
    if (best.size() > static_cast<std::size_t>(most)) best.pop_back();
  }
  return best;
}

}  // namespace fauna::inline v0
