// The choice of a row's experts (Shazeer et al. 2017, "Outrageously large neural networks"; Jiang et al. 2024, "Mixtral
// of experts", section 2.1). For each row of logits l over E experts, with the k largest probabilities p chosen, the
// lower index first among equals:
//   p = softmax(l)      w_j = p_{id_j}, or p_{id_j} / Σ_i p_{id_i} where they are renormalised
// Backward, with p' the gradient of p from elsewhere (auxiliary losses):
//   p'_{id_j} += w'_j, or (w'_j - Σ_i w'_i w_i) / Σ_i p_{id_i}      l'_e = p_e (p'_e - Σ_f p_f p'_f)
#pragma once
#include <fauna/core/backend.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// router<B>::scores(b, x [R,C], gate [E,C], logits [R,E])     logits = x gateᵀ, in full precision whatever the
/// policy's
///   products: a choice must not hang on rounding
/// router<B>::scores_backward(b, x, gate, dlogits, dgate, dx)  dgate [E,C], or null, and dx [R,C] are added to
/// router<B>::workspace(rows, columns, experts, threads): the bytes that these two take from b.scratch
/// router<B>::forward(b, logits, renormalised, probabilities, ids, weights)
///   logits, probabilities [R,E]; ids, weights [R,K], by falling probability
/// router<B>::backward(b, probabilities, renormalised, ids, weights, dweights, dprobabilities, dlogits)
///   dprobabilities [R,E] or null; dlogits [R,E] is overwritten, and may be dprobabilities
/// These take no scratch. A row's bits depend on that row alone.
template <class B> struct router {
  static_assert(always_false<B>, "fauna: no router for this backend: include <fauna/ops/router/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
