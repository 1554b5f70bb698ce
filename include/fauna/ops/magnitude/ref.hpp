#pragma once
#include <cmath>

#include <fauna/ops/magnitude/op.hpp>

namespace fauna::inline v0 {

template <class S> struct magnitude<Ref<S>> {
  static void lengths(Ref<S> const&, Matrix<const S> v, S* n) {
    for (int r = 0; r < v.rows(); ++r) {
      double sum = 0;
      for (int c = 0; c < v.cols(); ++c) sum += static_cast<double>(v(r, c)) * static_cast<double>(v(r, c));
      n[r] = sum > 0 ? static_cast<S>(std::sqrt(sum)) : S(1);
    }
  }
  static void forward(Ref<S> const&, Matrix<const S> z, const S* m, const S* n, const S* bias, Matrix<S> y) {
    for (int r = 0; r < y.rows(); ++r)
      for (int c = 0; c < y.cols(); ++c) y(r, c) = m[c] / n[c] * z(r, c) + (bias != nullptr ? bias[c] : S(0));
  }
  static void backward(Ref<S> const&, Matrix<const S> z, const S* m, const S* n, Matrix<const S> dy, Matrix<S> dz,
                       S* dm) {
    for (int r = 0; r < dy.rows(); ++r)
      for (int c = 0; c < dy.cols(); ++c) {
        if (dm != nullptr) dm[c] += dy(r, c) * z(r, c) / n[c];
        dz(r, c) = m[c] / n[c] * dy(r, c);
      }
  }
};

}  // namespace fauna::inline v0
