#pragma once
#include <cmath>

#include <fauna/backend/simt.cuh>
#include <fauna/ops/rope/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

/// A block for each row, a thread for some pairs, each of them in every head: an angle is turned into cosine and sine
/// once, in double.
struct Rope {
  static constexpr int threads = 64;
  using Shared = None;
  Batch batch;
  Rotation how;
  double direction;
  Matrix<const float> x;
  Matrix<float> y;
  template <class T> FAUNA_KERNEL void operator()(T const& t, Shared&) const {
    const int row = t.block(), pairs = how.rotary / 2, rest = how.head_size - how.rotary;
    const auto position = static_cast<float>(batch.position(simt::sequence_of(batch, row), row));
    const bool half = how.pairs == rope_pairs::half;
    for (int i = t.index(); i < pairs; i += threads) {
      const auto angle = static_cast<double>(position * how.frequencies[i]);  // φ is rounded to a float
      const auto m = static_cast<double>(how.magnitude);
      const auto c = static_cast<float>(m * std::cos(angle)), s = static_cast<float>(m * direction * std::sin(angle));
      for (int head = 0; head < how.heads; ++head) {
        const int from = head * how.head_size, first = from + (half ? i : 2 * i), second = first + (half ? pairs : 1);
        const float a = x(row, first), b = x(row, second);
        y(row, first) = a * c - b * s;
        y(row, second) = b * c + a * s;
      }
    }
    for (int e = t.index(); e < rest * how.heads; e += threads) {
      const int c = e / rest * how.head_size + how.rotary + e % rest;
      y(row, c) = x(row, c);
    }
  }
};

}  // namespace kernels

template <Device B> struct rope<B> {
  static void forward(B const& b, Batch const& batch, Rotation const& how, Matrix<const float> x, Matrix<float> y) {
    run(b, batch, how, 1, x, y);
  }
  static void backward(B const& b, Batch const& batch, Rotation const& how, Matrix<const float> dy, Matrix<float> dx) {
    run(b, batch, how, -1, dy, dx);
  }

 private:
  static void run(B const& b, Batch const& batch, Rotation how, double direction, Matrix<const float> x,
                  Matrix<float> y) {
    const simt::BatchOnDevice<B> on_device(b, batch);
    const auto frequencies = b.upload(how.frequencies, how.rotary / 2);
    how.frequencies = frequencies.data();
    b.launch(kernels::Rope{on_device.get(), how, direction, x, y}, batch.rows);
  }
};

}  // namespace fauna::inline v0
