// The router of S-BASE (Clark et al. 2022, "Unified scaling laws for routed language models", section 3.1 and appendix
// B): in training, experts are chosen by a plan that gives every row and every expert its share, found by scaling rows
// and columns in turn (Sinkhorn and Knopp 1967):
//   Π_re = a_r exp(l_re) b_e      a_r = 1 / (R Σ_e exp(l_re) b_e)      b_e = 1 / (E Σ_r a_r exp(l_re))
// until b changes by less than 10⁻⁴ on average. The weights are σ(l) or softmax(l) of the chosen, and the plan has no
// gradient. In evaluation the best scores choose. A row's plan depends on every row of the batch: not causal.
#pragma once
#include <cmath>

#include <fauna/blocks/top_k.hpp>

namespace fauna::inline v0 {

struct ByPlan {
  static constexpr bool causal = false, fills = true;
  template <class C, class S, int E> static void fill(C const&, View<const S, dyn, E> l, View<S, dyn, E> by) {
    const int R = l.rows();
    double b[E], sums[E];
    for (double& x : b) x = 1;
    double change = 1;
    for (int turn = 0; turn < 100 && change > 1e-4; ++turn) {
      for (double& x : sums) x = 0;
      for (int r = 0; r < R; ++r) {
        double most = static_cast<double>(l(r, 0)), all = 0;  // a_r takes up what exp(l_r) has in common
        for (int e = 1; e < E; ++e) most = std::fmax(most, static_cast<double>(l(r, e)));
        for (int e = 0; e < E; ++e) all += std::exp(static_cast<double>(l(r, e)) - most) * b[e];
        for (int e = 0; e < E; ++e) {
          const double share = std::exp(static_cast<double>(l(r, e)) - most) / (R * all);
          by(r, e) = static_cast<S>(share * b[e]);
          sums[e] += share;
        }
      }
      change = 0;
      for (int e = 0; e < E; ++e) {
        const double next = 1 / (E * sums[e]);
        change += std::fabs(next - b[e]) / E;
        b[e] = next;
      }
    }
  }
};

/// No balance loss: the plan is even.
template <int Width, int E, int K = 1,
          Routing How = Routing{.renormalised = false,
                                .balance = 0,
                                .scores = K == 1 ? router_scores::sigmoid : router_scores::softmax}>
using Sinkhorn = TopK<Width, E, K, How, ByPlan>;

}  // namespace fauna::inline v0
