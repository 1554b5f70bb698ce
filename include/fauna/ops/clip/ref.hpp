#pragma once
#include <cmath>

#include <fauna/ops/clip/op.hpp>

namespace fauna::inline v0 {

template <class S> struct clip<Ref<S>> {
  static constexpr std::size_t workspace(const Segment<S>*, int) { return 0; }

  static double global_norm(Ref<S> const&, const Segment<S>* segments, int n, gradient_state* states = nullptr) {
    double total = 0;
    for (int i = 0; i < n; ++i) {
      Segment<S> const& s = segments[i];
      double sum = 0;
      bool zero = true;
      for (std::size_t k = 0; s.trainable && k < s.size; ++k) {
        const auto g = static_cast<double>(s.gradient[k]);
        zero = zero && g == 0;
        sum += g * g;
      }
      if (states)
        states[i] = !s.trainable         ? gradient_state::frozen
                    : zero               ? gradient_state::zero
                    : std::isfinite(sum) ? gradient_state::finite
                                         : gradient_state::not_finite;
      total += sum;
    }
    return std::sqrt(total);
  }
};

}  // namespace fauna::inline v0
