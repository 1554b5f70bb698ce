// Training for early exits (Elhoushi et al. 2024, "LayerSkip: enabling early exit inference and self-speculative
// decoding", section 4.1 and 4.2): later layers are passed over now and then, so that less hangs on them, and the model
// also learns to end after its first layers, with the same last norm and head.
//   p_l = P (2^(l / (L - 1)) - 1)       how often a batch passes over layer l of L, counted from 0
//   loss = CE_L + s CE_e                e: the exits there are, 1 layer, 2, ..., L - 1, one a batch, in turn
// The paper drops layers for each sequence, and weighs later exits more. Here a layer that is dropped costs nothing,
// and an exit the layers before it. Side losses, and those of further tokens, count in both passes. CE_e is the pass
// that early exit makes in inference (core/call.hpp, Rounds).
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include <fauna/decode/exits.hpp>
#include <fauna/train/trained.hpp>

namespace fauna::inline v0 {

struct LayerSkipOptions {
  double dropout = 0;    ///< P, in [0, 1)
  double exit_loss = 0;  ///< s; 0: none
};

/// p_l.
inline double layer_dropout_of(double last, int layer, int layers) {
  return last * (std::exp2(static_cast<double>(layer) / (layers - 1)) - 1);
}

/// Passes of a Trained model T as the options say. Throws for options that cannot be, and for a model without exits.
template <class T> class LayerSkip {
  using M = typename T::model;

 public:
  explicit LayerSkip(LayerSkipOptions const& o) : o_(o) {
    if (!(o_.dropout >= 0 && o_.dropout < 1))
      fail("train", "a layer dropout of " + std::to_string(o_.dropout), "0 to below 1");
    if (!(o_.exit_loss >= 0 && o_.exit_loss < 1e9))
      fail("train", "an exit loss of weight " + std::to_string(o_.exit_loss), "0 or more");
    if (!on()) return;
    exits_ = exits_of<M>();
    exits_.check(exits_.round);
    passed_over_.resize(static_cast<std::size_t>(exits_.layers));
  }
  bool on() const { return o_.dropout > 0 || o_.exit_loss > 0; }

  /// Of the batch of a number: which layers are passed over, drawn by a key, and whose exit it is.
  void draw(std::uint64_t number, Key key) {
    if (!on()) return;
    const Key of_layers = key.child(0x736b6970);
    for (std::size_t l = 0; l < passed_over_.size(); ++l)
      passed_over_[l] =
          static_cast<double>(of_layers.uniform(l)) < layer_dropout_of(o_.dropout, static_cast<int>(l), exits_.layers);
    const auto exits = static_cast<std::uint64_t>(exits_.layers / exits_.round - 1);
    exit_ = 1 + static_cast<int>(number % exits);
  }
  std::vector<unsigned char> const& passed_over() const { return passed_over_; }
  /// In rounds.
  int exit() const { return exit_; }

  /// T::accumulate of what was drawn: CE_L is returned, the gradient of the whole loss added.
  double accumulate(T& model, Batch const& batch, double weight, Key key, Tap<typename T::scalar> const* tap) {
    if (!on()) return model.accumulate(batch, weight, key, tap);
    const Announced kept{model, model.announced()};
    how_ = kept.before != nullptr ? *kept.before : Rounds{};
    how_.passed_over = passed_over_.data();
    model.announce(&how_);
    if (o_.exit_loss > 0) {  // first, so that the side losses that are shown are the whole pass's
      const int to = how_.to;
      how_.to = exit_;
      model.accumulate(batch, weight * o_.exit_loss, key);
      how_.to = to;
    }
    return model.accumulate(batch, weight, key, tap);
  }

 private:
  struct Announced {
    T& model;
    Rounds const* before;
    ~Announced() { model.announce(before); }
  };
  LayerSkipOptions o_;
  Exits exits_{};
  std::vector<unsigned char> passed_over_{};  ///< [layers]
  int exit_ = 1;
  Rounds how_{};
};

}  // namespace fauna::inline v0
