// The likeliest token, always (Stern et al. 2018, "Blockwise parallel decoding for deep autoregressive models").
#pragma once
#include <string>

#include <fauna/decode/speculate/match.hpp>

namespace fauna::inline v0 {

/// The ids of plain decoding at temperature 0, and for no other temperature.
struct Greedy : Match {
  static void check(GenerateOptions const& o) {
    if (o.temperature != 0)
      fail("speculate", "greedy acceptance at temperature " + std::to_string(o.temperature), "temperature 0",
           "Match keeps the ids of any temperature");
  }
};

}  // namespace fauna::inline v0
