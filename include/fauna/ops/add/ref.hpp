#pragma once
#include <type_traits>

#include <fauna/ops/add/op.hpp>

namespace fauna::inline v0 {

template <class S> struct add<Ref<S>> {
  static void run(Ref<S> const&, Matrix<const S> a, Matrix<const S> b, Matrix<S> y) {
    for (int r = 0; r < y.rows(); ++r)
      for (int c = 0; c < y.cols(); ++c) y(r, c) = b ? a(r, c) + b(r, c) : a(r, c);
  }
  static void clear(Ref<S> const&, Matrix<S> y) {
    for (int r = 0; r < y.rows(); ++r)
      for (int c = 0; c < y.cols(); ++c) y(r, c) = S{};
  }
  static void column_sums(Ref<S> const&, Matrix<const S> x, S* sums) {
    for (int r = 0; r < x.rows(); ++r)
      for (int c = 0; c < x.cols(); ++c) sums[c] += x(r, c);
  }
  static auto total(Ref<S> const&, const S* x, int n) {
    std::conditional_t<std::is_same_v<S, float>, double, S> sum{};
    for (int i = 0; i < n; ++i) sum += x[i];
    return sum;
  }
};

}  // namespace fauna::inline v0
