#pragma once
#include <fauna/ops/experts/op.hpp>

namespace fauna::inline v0 {

template <class S> struct expert_rows<Ref<S>> {
  static void gather(Ref<S> const&, Matrix<const S> x, const int* sources, Matrix<S> y) {
    for (int i = 0; i < y.rows(); ++i)
      for (int c = 0; c < y.cols(); ++c) y(i, c) = x(sources[i], c);
  }
  static void gather_backward(Ref<S> const&, Matrix<const S> dy, Matrix<const int> places, Matrix<const S> base,
                              Matrix<S> dx) {
    for (int r = 0; r < dx.rows(); ++r)
      for (int c = 0; c < dx.cols(); ++c) {
        S sum = base ? base(r, c) : S(0);
        for (int j = 0; j < places.cols(); ++j)
          if (places(r, j) >= 0) sum += dy(places(r, j), c);
        dx(r, c) = sum;
      }
  }
  static void combine(Ref<S> const&, Matrix<const S> z, Matrix<const int> places, Matrix<const S> weights,
                      Matrix<const S> base, Matrix<S> y) {
    for (int r = 0; r < y.rows(); ++r)
      for (int c = 0; c < y.cols(); ++c) {
        S sum = base ? base(r, c) : S(0);
        for (int j = 0; j < places.cols(); ++j)
          if (places(r, j) >= 0) sum += weights(r, j) * z(places(r, j), c);
        y(r, c) = sum;
      }
  }
  static void combine_backward(Ref<S> const&, Matrix<const S> dy, Matrix<const S> z, Matrix<const int> places,
                               Matrix<const S> weights, Matrix<S> dz, Matrix<S> dweights) {
    for (int r = 0; r < dy.rows(); ++r)
      for (int j = 0; j < places.cols(); ++j) {
        S dot(0);
        for (int c = 0; places(r, j) >= 0 && c < dy.cols(); ++c) {
          dot += dy(r, c) * z(places(r, j), c);
          dz(places(r, j), c) = weights(r, j) * dy(r, c);
        }
        dweights(r, j) = dot;
      }
  }
  static void scatter(Ref<S> const&, Matrix<const S> x, Matrix<const int> places, Matrix<const S> weights,
                      Matrix<S> y) {
    for (int r = 0; r < x.rows(); ++r)
      for (int j = 0; j < places.cols(); ++j)
        for (int c = 0; places(r, j) >= 0 && c < x.cols(); ++c)
          y(places(r, j), c) = weights ? weights(r, j) * x(r, c) : x(r, c);
  }
  static void dots(Ref<S> const&, Matrix<const S> x, Matrix<const S> z, Matrix<const int> places, Matrix<S> w) {
    for (int r = 0; r < x.rows(); ++r)
      for (int j = 0; j < places.cols(); ++j) {
        S dot(0);
        for (int c = 0; places(r, j) >= 0 && c < x.cols(); ++c) dot += x(r, c) * z(places(r, j), c);
        w(r, j) = dot;
      }
  }
};

}  // namespace fauna::inline v0
