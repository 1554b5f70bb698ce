#pragma once
#include <fauna/ops/affine/op.hpp>

namespace fauna::inline v0 {

template <class S> struct affine<Ref<S>> {
  static void forward(Ref<S> const&, Matrix<const S> z, const S* factor, const S* shift, Matrix<S> y) {
    for (int r = 0; r < y.rows(); ++r)
      for (int c = 0; c < y.cols(); ++c) y(r, c) = factor[c] * (z(r, c) + shift[c]);
  }
  static void backward(Ref<S> const&, Matrix<const S> z, const S* factor, const S* shift, Matrix<const S> dy,
                       Matrix<S> dz, S* dfactor, S* dshift) {
    for (int r = 0; r < dy.rows(); ++r)
      for (int c = 0; c < dy.cols(); ++c) {
        const S d = factor[c] * dy(r, c);
        if (dfactor != nullptr) dfactor[c] += dy(r, c) * (z(r, c) + shift[c]);
        if (dshift != nullptr) dshift[c] += d;
        dz(r, c) = d;
      }
  }
};

}  // namespace fauna::inline v0
