// GShard's router (Lepikhin et al. 2020, "GShard: scaling giant models with conditional computation and automatic
// sharding", section 2.2): of a row's two experts the first is the best, and the second is drawn with a chance that
// follows its score, so that no expert depends on being the best somewhere. In training
//   e_1 = argmax l      e_2 = argmax over e ≠ e_1 of l_e + γ_e,  γ_e = -log(-log u_e), uniform u:  e_2 ~ p_e / (1 -
//   p_{e_1})
// the weights are p of the two divided by their sum, and the balance loss counts first choices alone. In evaluation the
// second is the second best.
#pragma once
#include <fauna/blocks/top_k.hpp>

namespace fauna::inline v0 {

/// Judges rows by l + γ, but for the best, which stays the first. c.key: one stream of random numbers a layer.
struct DrawnSecond {
  static constexpr bool causal = true, fills = true;
  template <class C, class S, int E> static void fill(C const& c, View<const S, dyn, E> l, View<S, dyn, E> by) {
    for (int r = 0; r < l.rows(); ++r) {
      int best = 0;
      double most = 0;
      for (int e = 0; e < E; ++e) {
        const double u = (static_cast<double>(c.key.uniform(static_cast<std::uint64_t>(r * E + e))) + 0x1p-25);
        const double drawn = static_cast<double>(l(r, e)) - std::log(-std::log(u));
        by(r, e) = static_cast<S>(drawn);
        most = e == 0 || drawn > most ? drawn : most;
        if (l(r, e) > l(r, best)) best = e;
      }
      by(r, best) = static_cast<S>(most + 1);
    }
  }
};

template <int Width, int E, Routing How = Routing{.balance = 0.01F, .counting = {.choices = 1}}>
using Gshard = TopK<Width, E, 2, How, DrawnSecond>;

}  // namespace fauna::inline v0
