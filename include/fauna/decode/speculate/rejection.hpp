// Speculative sampling (Leviathan et al. 2023, algorithm 1; Chen et al. 2023, algorithm 2), for siblings that were
// drawn independently too (Miao et al. 2024, "SpecInfer", section 4.3), and for siblings drawn without replacement
// (Chen et al. 2024, "Sequoia", algorithm 2; Jeon et al. 2024, "Recursive speculative decoding").
#pragma once
#include <string>

#include <fauna/decode/speculate/point_mass.hpp>

namespace fauna::inline v0 {

/// A token x that was drawn from q stays with probability min(1, p(x) / q(x)); where it does not, p becomes
/// (p - q)₊ / Σ (p - q)₊, by which the next sibling is looked at, or the token drawn. That is p's own law if q is the
/// law that x was drawn by. A chain's token stays with probability 1 - TV(p, q), the most that a rule can have. What
/// nobody drew, n-grams say, is a point mass.
template <class Chance = Noise, bool Replaced = true> struct Rejection {
  static constexpr keeps kept = keeps::law;
  Chance chance{};

  static void check(GenerateOptions const&) {}
  int draft(Drawing const& at, Law& q, Drafted const& earlier) const {
    if (earlier.count == 0) q = at.law();
    Law left = q;
    for (int i = 0; i < earlier.count && !Replaced; ++i) speculate_detail::forbid(left, earlier.tokens[i]);
    return chance.choose(left, at.noise(Drawing::use::draft, earlier.count));
  }
  int next(Drawing const& at, Drafted const& drafted) const {
    if (drafted.law == nullptr || drafted.law->empty()) return PointMass<Chance>{chance}.next(at, drafted);
    Law p = at.law(), q = *drafted.law;
    for (int i = 0; i < drafted.count; ++i) {
      const int x = drafted.tokens[i];
      const double of_q = x < at.sampler.vocab() ? speculate_detail::of(q, x) : 0;
      if (!(of_q > 0))
        fail("speculate", "a draft with the token " + std::to_string(x) + ", which its law does not draw",
             "the token that draw() gave, at the place where it was asked");
      if (chance.happens(speculate_detail::of(p, x) / of_q, at.noise(Drawing::use::stays, i))) return x;
      speculate_detail::take_away(p, q);
      if (!Replaced) speculate_detail::forbid(q, x);
    }
    return chance.choose(p, at.noise(Drawing::use::instead));
  }
};
template <class Chance> Rejection(Chance) -> Rejection<Chance>;

/// Siblings that differ: each was drawn from what those before it left of q, and is looked at by that law.
template <class Chance = Noise> struct WithoutReplacement : Rejection<Chance, false> {};

}  // namespace fauna::inline v0
