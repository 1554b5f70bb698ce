// Gumbel-coupled matching (Maddison, Tarlow and Minka 2014 for the trick; "coupling without communication", Daliri et
// al. 2024, for two that share it).
#pragma once
#include <fauna/decode/speculate/acceptance.hpp>

namespace fauna::inline v0 {

/// The text's token is what plain decoding draws there, whatever was drafted: so the ids are those of plain decoding
/// for the same seed, at any temperature. Draft and target draw with the same noise, and so mostly the same token:
/// with probability (1 - TV) / (1 + TV) at least, TV the total variation between their laws.
struct Match {
  static constexpr keeps kept = keeps::ids;
  static void check(GenerateOptions const&) {}
  static int draft(Drawing const& at, Law&, Drafted const& earlier) { return at.other_than(earlier); }
  static int next(Drawing const& at, Drafted const&) { return at(); }
};

}  // namespace fauna::inline v0
