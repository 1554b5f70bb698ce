#pragma once
#include <fauna/ops/sgd/op.hpp>

namespace fauna::inline v0 {

template <class S> struct sgd<Ref<S>> {
  static void step(Ref<S> const&, const Segment<S>* segments, int n, SgdStep const& a) {
    for (int i = 0; i < n; ++i) {
      Segment<S> const& s = segments[i];
      if (!s.trainable) continue;
      for (std::size_t k = 0; k < s.size; ++k) {
        const S g = s.gradient[k] * S(a.gradient_scale) + s.value[k] * S(static_cast<double>(s.decay));
        S d = g;
        if (a.momentum != 0) {
          s.m[k] = s.m[k] * S(a.momentum) + g;
          d = a.nesterov ? g + S(a.momentum) * s.m[k] : s.m[k];
        }
        s.value[k] -= S(a.lr * static_cast<double>(s.lr_scale)) * d;
        if (a.clear_gradient) s.gradient[k] = S(0);
      }
    }
  }
};

}  // namespace fauna::inline v0
