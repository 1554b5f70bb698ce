// Drafts that are taken as they are, whoever made them (Leviathan et al. 2023 with a point mass for q; for siblings
// Miao et al. 2024, "SpecInfer", section 4.3).
#pragma once
#include <fauna/decode/speculate/noise.hpp>

namespace fauna::inline v0 {

/// A drafted token x stays with probability p(x); then p(x) becomes 0 and the next sibling is looked at, and where none
/// stays the token is drawn from what is left of p. That is p's own law for siblings that were chosen in any way
/// without a look at the noise that decides here. A draft model proposes its likeliest tokens.
template <class Chance = Noise> struct PointMass {
  static constexpr keeps kept = keeps::law;
  Chance chance{};

  static void check(GenerateOptions const&) {}
  static int draft(Drawing const& at, Law&, Drafted const& earlier) { return at.likeliest(earlier); }
  int next(Drawing const& at, Drafted const& drafted) const {
    Law p = at.law();
    for (int i = 0; i < drafted.count; ++i) {
      const int x = drafted.tokens[i];
      if (x >= at.sampler.vocab()) continue;
      if (chance.happens(p[static_cast<std::size_t>(x)], at.noise(Drawing::use::stays, i))) return x;
      speculate_detail::forbid(p, x);
    }
    return chance.choose(p, at.noise(Drawing::use::instead));
  }
};
template <class Chance> PointMass(Chance) -> PointMass<Chance>;

}  // namespace fauna::inline v0
