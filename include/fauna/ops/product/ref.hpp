#pragma once
#include <fauna/ops/product/op.hpp>

namespace fauna::inline v0 {

template <class S> struct product<Ref<S>> {
  static void run(Ref<S> const&, Matrix<const S> x, Matrix<const S> z, Matrix<S> y) {
    for (int r = 0; r < y.rows(); ++r)
      for (int c = 0; c < y.cols(); ++c) y(r, c) = x(r, c) * z(r, c);
  }
};

}  // namespace fauna::inline v0
