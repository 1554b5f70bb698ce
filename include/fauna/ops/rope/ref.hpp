#pragma once
#include <cmath>

#include <fauna/ops/rope/op.hpp>

namespace fauna::inline v0 {

template <class S> struct rope<Ref<S>> {
  using B = Ref<S>;

  static void forward(B const&, Batch const& batch, Rotation const& how, Matrix<const S> x, Matrix<S> y) {
    run(batch, how, 1, x, y);
  }
  static void backward(B const&, Batch const& batch, Rotation const& how, Matrix<const S> dy, Matrix<S> dx) {
    run(batch, how, -1, dy, dx);
  }

 private:
  static void run(Batch const& batch, Rotation const& how, double direction, Matrix<const S> x, Matrix<S> y) {
    const int pairs = how.rotary / 2;
    for (int s = 0; s < batch.sequences; ++s)
      for (int r = batch.first(s); r < batch.last(s); ++r)
        for (int head = 0; head < how.heads; ++head) {
          const int from = head * how.head_size;
          for (int i = 0; i < pairs; ++i) {
            const float angle = static_cast<float>(batch.position(s, r)) * how.frequencies[i];
            const auto m = static_cast<double>(how.magnitude);
            const S c = static_cast<S>(m * std::cos(static_cast<double>(angle)));
            const S d = static_cast<S>(m * direction * std::sin(static_cast<double>(angle)));
            const bool half = how.pairs == rope_pairs::half;
            const int first = from + (half ? i : 2 * i), second = first + (half ? pairs : 1);
            const S a = x(r, first), b = x(r, second);
            y(r, first) = a * c - b * d;
            y(r, second) = b * c + a * d;
          }
          for (int i = how.rotary; i < how.head_size; ++i) y(r, from + i) = x(r, from + i);
        }
  }
};

}  // namespace fauna::inline v0
