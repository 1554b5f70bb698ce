// The choice of a row's experts (Shazeer et al. 2017, "Outrageously large neural networks"; Jiang et al. 2024, "Mixtral
// of experts", section 2.1; DeepSeek-AI 2024, "DeepSeek-V3 technical report", section 2.1.2). Of a row's logits l over
// E experts the k with the largest p_e + b_e are chosen, the lower index first among equals; b counts in the choice
// alone:
//   p = softmax(l) or σ(l)      w_j = scale p_{id_j}, or scale p_{id_j} / Σ_i p_{id_i} where they are renormalised
// With groups of neighbouring experts, only those of the best groups can be chosen (DeepSeek-AI 2024, "DeepSeek-V2",
// section 2.2.1); a group is judged by its best expert, or by the sum of its two best.
// Backward, with p' the gradient of p from elsewhere (auxiliary losses) and W = Σ_i w'_i w_i:
//   p'_{id_j} += scale w'_j, or (scale w'_j - W) / Σ_i p_{id_i}
//   l'_e = p_e (p'_e - Σ_f p_f p'_f), or p_e (1 - p_e) p'_e
#pragma once
#include <fauna/core/backend.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

enum class router_scores : int { softmax, sigmoid };
/// What a group of experts is judged by.
enum class group_score : int { best, two_best };

/// How a router scores, chooses and weighs.
struct Choice {
  bool renormalised = true;  ///< the weights of the chosen sum to `scale`
  router_scores scores = router_scores::softmax;
  float scale = 1;                  ///< of the weights
  int groups = 1, kept_groups = 1;  ///< at most 64, which divide the experts; of them so many are kept
  group_score by = group_score::two_best;
  constexpr bool operator==(Choice const&) const = default;
};

/// router<B>::scores(b, x [R,C], gate [E,C], logits [R,E], offset = null)
///   logits = x gateᵀ + offset [E], in full precision whatever the policy's products: a choice must not hang on
///   rounding
/// router<B>::scores_backward(b, x, gate, dlogits, dgate, dx)  dgate [E,C], or null, and dx [R,C] are added to
/// router<B>::workspace(rows, columns, experts, threads): the bytes that these two take from b.scratch
/// router<B>::forward(b, logits, choice, bias, probabilities, ids, weights)
///   logits, probabilities [R,E]; bias [E] or null; ids, weights [R,K], by falling p + bias
/// router<B>::forward(b, logits, choice, judged [R,E], probabilities, ids, weights)
///   the same, but those with the largest `judged` are chosen
/// router<B>::backward(b, probabilities, choice, ids, weights, dweights, dprobabilities, dlogits)
///   dprobabilities [R,E] or null; dlogits [R,E] is overwritten, and may be dprobabilities
/// These take no scratch. A row's bits depend on that row alone.
template <class B> struct router {
  static_assert(always_false<B>, "fauna: no router for this backend: include <fauna/ops/router/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
