#pragma once
#include <fauna/ops/clamp/op.hpp>

namespace fauna::inline v0 {

template <class S> struct clamp<Ref<S>> {
  static void forward(Ref<S> const&, double limit, Matrix<const S> x, Matrix<S> y) {
    const S most = static_cast<S>(limit), least = -most;
    for (int r = 0; r < x.rows(); ++r)
      for (int c = 0; c < x.cols(); ++c) y(r, c) = x(r, c) > most ? most : x(r, c) < least ? least : x(r, c);
  }
  static void backward(Ref<S> const&, double limit, Matrix<const S> x, Matrix<const S> dy, Matrix<S> dx) {
    const S most = static_cast<S>(limit), least = -most;
    for (int r = 0; r < x.rows(); ++r)
      for (int c = 0; c < x.cols(); ++c) dx(r, c) = x(r, c) > most || x(r, c) < least ? S(0) : dy(r, c);
  }
};

}  // namespace fauna::inline v0
