// Self-speculation by early exit (Elhoushi et al. 2024, "LayerSkip: enabling early exit inference and self-speculative
// decoding", section 4.3): the model's first layers, with its last norm and head, draft for all of them.
//   logits(t_n) = head(norm(layer_E( … layer_1(embed(t_n)) … )))     keys and values of layers 1 … E are the model's
//   own
#pragma once
#include <vector>

#include <fauna/decode/exits.hpp>
#include <fauna/decode/speculate/drafter.hpp>

namespace fauna::inline v0 {

/// Drafts with the first `layers` layers of the model that a Reader has, in that Reader's cache: nothing is stored or
/// read twice of the text. Of a draft the verification computes these layers again, in the pass that reads their
/// weights for the draft's last token anyway. R has vocab(), context(), exits() and early(ids, n, stays, layers), which
/// is null where the text before the draft has not been read yet.
template <class R> class EarlyExit {
 public:
  /// Throws where the model has no exit there.
  EarlyExit(R& target, int layers) : target_(&target), layers_(layers) { target.exits().check(layers); }

  int vocab() const { return target_->vocab(); }
  template <class F> void propose(std::vector<int>& text, int most, F&& draw) {
    const int stays = static_cast<int>(text.size());
    for (int i = 0; i < most && stays + i <= target_->context(); ++i) {
      const float* const y = target_->early(text.data(), stays + i, stays, layers_);
      if (y == nullptr) break;
      text.push_back(draw(y));
    }
  }

 private:
  R* target_;
  int layers_;
};

}  // namespace fauna::inline v0
