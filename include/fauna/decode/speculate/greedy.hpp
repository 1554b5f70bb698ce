// The likeliest token, always (Stern et al. 2018, "Blockwise parallel decoding for deep autoregressive models").
#pragma once
#include <string>

#include <fauna/decode/speculate/acceptance.hpp>

namespace fauna::inline v0 {

/// The ids of plain decoding at temperature 0, and for no other temperature.
struct Greedy {
  static void check(GenerateOptions const& o) {
    if (o.temperature != 0)
      fail("speculate", "greedy acceptance at temperature " + std::to_string(o.temperature), "temperature 0",
           "Match keeps the ids of any temperature");
  }
  static int draft(Drawing const& at) { return at(); }
  static int next(Drawing const& at, int) { return at(); }
};

}  // namespace fauna::inline v0
