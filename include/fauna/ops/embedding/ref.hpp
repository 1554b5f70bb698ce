#pragma once
#include <fauna/ops/embedding/op.hpp>

namespace fauna::inline v0 {

template <class S> struct embedding<Ref<S>> {
  using B = Ref<S>;

  template <class E, int R, int C>
  static void forward(B const&, const int* ids, View<E, R, C> table, Matrix<const S> base, Matrix<S> y) {
    check_ids("embedding.forward", ids, y.rows(), table.rows());
    for (int r = 0; r < y.rows(); ++r)
      for (int c = 0; c < y.cols(); ++c) {
        const S t = static_cast<S>(table(ids[r], c));
        y(r, c) = base ? base(r, c) + t : t;
      }
  }

  static void backward(B const&, const int* ids, Matrix<const S> dy, Matrix<S> dtable) {
    check_ids("embedding.backward", ids, dy.rows(), dtable.rows());
    for (int r = 0; r < dy.rows(); ++r)
      for (int c = 0; c < dy.cols(); ++c) dtable(ids[r], c) += dy(r, c);
  }
};

}  // namespace fauna::inline v0
