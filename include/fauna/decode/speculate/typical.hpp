// Typical acceptance (Cai et al. 2024, "Medusa", section 2.3.1): faster, and another text.
#pragma once
#include <cmath>

#include <fauna/decode/speculate/noise.hpp>

namespace fauna::inline v0 {

/// A drafted token x stays where p(x) > min(ε, δ exp(-H(p))), H the entropy: where it is likely enough for how sure the
/// model is. Where none does, the token is drawn from p. **Lossy**: likely tokens come more often than p has them.
template <class Chance = Noise> struct Typical {
  static constexpr keeps kept = keeps::nothing;
  Chance chance{};
  double epsilon = 0.09, delta = 0.3;

  static void check(GenerateOptions const&) {}
  static int draft(Drawing const& at, Law&, Drafted const& earlier) { return at.likeliest(earlier); }
  int next(Drawing const& at, Drafted const& drafted) const {
    const Law p = at.law();
    double minus_entropy = 0;
    for (const double x : p) minus_entropy += x > 0 ? x * std::log(x) : 0;
    const double sure = delta * std::exp(minus_entropy), least = epsilon < sure ? epsilon : sure;
    for (int i = 0; i < drafted.count; ++i)
      if (const int x = drafted.tokens[i]; x < at.sampler.vocab() && p[static_cast<std::size_t>(x)] > least) return x;
    return chance.choose(p, at.noise(Drawing::use::instead));
  }
};
template <class Chance> Typical(Chance) -> Typical<Chance>;

}  // namespace fauna::inline v0
