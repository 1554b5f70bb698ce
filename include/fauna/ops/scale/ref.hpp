#pragma once
#include <fauna/ops/scale/op.hpp>

namespace fauna::inline v0 {

template <class S> struct scale<Ref<S>> {
  static void run(Ref<S> const&, double factor, Matrix<S> x) {
    for (int r = 0; r < x.rows(); ++r)
      for (int c = 0; c < x.cols(); ++c) x(r, c) = static_cast<S>(factor) * x(r, c);
  }
};

}  // namespace fauna::inline v0
