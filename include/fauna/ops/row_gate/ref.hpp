#pragma once
#include <cmath>

#include <fauna/ops/row_gate/op.hpp>

namespace fauna::inline v0 {

template <class S> struct row_gate<Ref<S>> {
  static void forward(Ref<S> const&, Matrix<const S> xg, Matrix<S> y) {
    for (int r = 0; r < y.rows(); ++r) {
      const S open = opened(xg(r, y.cols()));
      for (int c = 0; c < y.cols(); ++c) y(r, c) = open * xg(r, c);
    }
  }
  static void backward(Ref<S> const&, Matrix<const S> xg, Matrix<const S> dy, Matrix<S> dxg) {
    const int C = dy.cols();
    for (int r = 0; r < dy.rows(); ++r) {
      const S open = opened(xg(r, C));
      S along(0);
      for (int c = 0; c < C; ++c) {
        along += dy(r, c) * xg(r, c);
        dxg(r, c) = open * dy(r, c);
      }
      dxg(r, C) = open * (S(1) - open) * along;
    }
  }

 private:
  static S opened(S g) {
    using std::exp;
    return S(1) / (S(1) + exp(-g));
  }
};

}  // namespace fauna::inline v0
