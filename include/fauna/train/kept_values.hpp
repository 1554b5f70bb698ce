// Values of what trains, kept aside: those that a run began with, to go back to for a while.
#pragma once
#include <vector>

#include <fauna/train/trained.hpp>

namespace fauna::inline v0 {

template <class T> class KeptValues {
 public:
  explicit KeptValues(T const& model) {
    for (auto const& p : model.parameters())
      if (p.trainable) {
        const auto v = model.value(p);
        values_.insert(values_.end(), v.data(), v.data() + p.size());
      }
  }
  /// The model has these values now, and its own are kept.
  void exchange(T& model) {
    auto* kept = values_.data();
    for (auto const& p : model.parameters())
      if (p.trainable) {
        auto* own = model.value(p).data();
        for (std::size_t i = 0; i < p.size(); ++i, ++kept) {
          const auto v = own[i];
          own[i] = *kept;
          *kept = v;
        }
      }
  }

 private:
  std::vector<typename T::scalar> values_{};
};

}  // namespace fauna::inline v0
