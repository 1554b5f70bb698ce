// What the tests of GPT share.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include <fauna/models/gpt.hpp>

#include "../support/worst.hpp"

namespace test {

using namespace fauna;

template <bool Bias>
using Tiny = Gpt<GptConfig{.layers = 2, .heads = 2, .width = 16, .context = 8, .vocab = 11, .bias = Bias}>;

/// max |a - b| over max |b|, over the columns outside [from, to).
inline double difference(Matrix<const float> a, std::vector<float> const& b, int from = 0, int to = 0) {
  double worst = 0, largest = 0;
  for (int r = 0; r < a.rows(); ++r)
    for (int c = 0; c < a.cols(); ++c) {
      if (c >= from && c < to) continue;
      const float x = b[static_cast<std::size_t>(r) * static_cast<std::size_t>(a.cols()) + static_cast<std::size_t>(c)];
      see(worst, std::abs(static_cast<double>(a(r, c)) - static_cast<double>(x)));
      largest = std::max(largest, std::abs(static_cast<double>(x)));
    }
  return worst / largest;
}

}  // namespace test
