#pragma once
#include <cmath>

#include <fauna/ops/adamw/op.hpp>

namespace fauna::inline v0 {

template <class S> struct adamw<Ref<S>> {
  static void step(Ref<S> const&, const Segment<S>* segments, int n, AdamWStep const& a) {
    using std::sqrt;
    for (int i = 0; i < n; ++i) {
      Segment<S> const& s = segments[i];
      if (!s.trainable) continue;
      const AdamWFactors f(a, s.decay, s.lr_scale);
      for (std::size_t k = 0; k < s.size; ++k) {
        const S g = s.gradient[k] * S(a.gradient_scale);
        S p = s.value[k] * S(f.keep);
        s.m[k] += (g - s.m[k]) * S(1 - a.beta1);
        s.v[k] = s.v[k] * S(a.beta2) + g * g * S(1 - a.beta2);
        p -= S(f.step_size) * s.m[k] / (sqrt(s.v[k]) / S(f.root_scale) + S(a.eps));
        s.value[k] = p;
        if (a.clear_gradient) s.gradient[k] = S(0);
      }
    }
  }
};

}  // namespace fauna::inline v0
