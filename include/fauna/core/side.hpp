// Side losses: terms that blocks add to the training loss from inside the model, such as a router's balance.
//   loss = main loss + Σ over slots of weight · value
// A slot is found by where the call stands and a name, so a block may have several, and no two layers share one. Beside
// them stand numbers that a run shows and that count in no loss: how even a router's load is.
#pragma once
#include <string>
#include <vector>

#include <fauna/core/error.hpp>
#include <fauna/core/label.hpp>

namespace fauna::inline v0 {

/// What a block gets of one of its side losses (Call::side_loss). Forward adds the loss, unweighted, to *value where
/// there is one; backward adds the gradient of weight · loss · Call::loss_scale to what it computes anyway.
template <class S> struct SideLoss {
  S* value = nullptr;  ///< in the backend's memory; null outside of a training pass and when one is recomputed
  double weight = 0;
};

/// The weight of all side losses whose name matches a pattern, in place of the one that their block proposes.
struct SideWeight {
  std::string pattern;
  double weight = 0;
};

/// The slots of a model. They are made by the first pass; later ones allocate nothing.
template <class S> class SideLosses {
 public:
  struct Slot {
    std::string name;  ///< "layers.2.router.balance"
    double weight = 0;
    std::uint64_t key = 0;
    bool counts = true;  ///< false: a number that is only shown, of weight 0 whatever the patterns
  };

  SideLosses() = default;
  /// values [capacity]: in the backend's memory.
  SideLosses(S* values, int capacity, std::vector<SideWeight> weights = {})
      : values_(values), capacity_(capacity), weights_(static_cast<std::vector<SideWeight>&&>(weights)) {}

  SideLoss<S> at(Path const& path, const char* name, double usual_weight, bool counts = true) {
    const std::uint64_t key = text_hash(name, path.hash());
    for (std::size_t i = 0; i < slots_.size(); ++i)
      if (slots_[i].key == key) return {values_ + i, slots_[i].weight};
    if (static_cast<int>(slots_.size()) == capacity_)
      fail("side", "more than " + std::to_string(capacity_) + " side losses", "at most that many");
    Slot s{path.str() + '.' + name, usual_weight, key, counts};
    for (auto const& w : weights_)
      if (counts && matches(w.pattern, s.name)) s.weight = w.weight;
    slots_.push_back(static_cast<Slot&&>(s));
    return {values_ + slots_.size() - 1, slots_.back().weight};
  }

  std::vector<Slot> const& slots() const { return slots_; }
  S* values() const { return values_; }
  int capacity() const { return capacity_; }

 private:
  S* values_ = nullptr;
  int capacity_ = 0;
  std::vector<SideWeight> weights_;
  std::vector<Slot> slots_;
};

}  // namespace fauna::inline v0
