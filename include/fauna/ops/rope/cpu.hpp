#pragma once
#include <fauna/backend/cpu.hpp>
#include <fauna/backend/simd.hpp>
#include <fauna/ops/rope/op.hpp>

namespace fauna::inline v0 {

template <class P, isa T, unsigned Tag> struct rope<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;

  static void forward(B const& b, Batch const& batch, Rotation const& how, Matrix<const float> x, Matrix<float> y) {
    run(b, batch, how, 1.0F, x, y);
  }
  static void backward(B const& b, Batch const& batch, Rotation const& how, Matrix<const float> dy, Matrix<float> dx) {
    run(b, batch, how, -1.0F, dy, dx);
  }

 private:
  static constexpr int span = 64;  // pairs whose cosines and sines are held at once: all of a head of 128 columns

  /// m cos φ and ± m sin φ of some pairs of one row, in the order in which the row's columns meet them.
  struct Turn {
    alignas(64) float cos[2 * span], sin[2 * span];
  };

  static void run(B const& b, Batch const& batch, Rotation const& how, float direction, Matrix<const float> x,
                  Matrix<float> y) {
    const int pairs = how.rotary / 2, rest = how.head_size - how.rotary;
    parallel_for(b.threads, batch.rows, 1 + 4096 / (x.cols() + 1), [&](int from, int to) {
      Turn turn;
      for (int r = from, s = 0; r < to; ++r) {
        while (r >= batch.last(s)) ++s;
        const auto position = static_cast<float>(batch.position(s, r));
        for (int first = 0; first < pairs; first += span) {
          const int n = pairs - first < span ? pairs - first : span;
          angles(turn, position, how.frequencies + first, n, how.magnitude, direction * how.magnitude);
          if (how.pairs == rope_pairs::interleaved) interleave(turn, n);
          for (int head = 0; head < how.heads; ++head) {
            const int at = head * how.head_size;
            if (how.pairs == rope_pairs::half) halves(turn, x.row(r) + at + first, y.row(r) + at + first, pairs, n);
            else neighbours(turn, x.row(r) + at + 2 * first, y.row(r) + at + 2 * first, n);
          }
        }
        if (rest > 0 && x.data() != y.data())
          for (int head = 0; head < how.heads; ++head)
            for (int i = 0; i < rest; ++i) {
              const int at = head * how.head_size + how.rotary + i;
              y(r, at) = x(r, at);
            }
      }
    });
  }

  static void angles(Turn& turn, float position, const float* frequencies, int n, float of_cos, float of_sin) {
    simd::for_lanes<W>(n, [&turn, position, frequencies, of_cos, of_sin](int i, int left) FAUNA_LANES {
      vec f, c, s;
      simd::get<W>(f, frequencies + i, left);
      simd::sin_cos<W>(s, c, f * position);
      simd::put<W>(turn.cos + i, c * of_cos, left);
      simd::put<W>(turn.sin + i, s * of_sin, left);
    });
  }
  /// c_0 c_1 ... becomes c_0 c_0 c_1 c_1 ..., and s_0 s_1 ... becomes -s_0 s_0 -s_1 s_1 ...
  static void interleave(Turn& turn, int n) {
    for (int i = n - 1; i >= 0; --i) {
      turn.cos[2 * i + 1] = turn.cos[2 * i] = turn.cos[i];
      turn.sin[2 * i + 1] = turn.sin[i];
      turn.sin[2 * i] = -turn.sin[2 * i + 1];
    }
  }

  static void halves(Turn const& turn, const float* x, float* y, int apart, int n) {
    simd::for_lanes<W>(n, [&turn, x, y, apart](int i, int left) FAUNA_LANES {
      vec a, b, c, s;
      simd::get<W>(a, x + i, left);
      simd::get<W>(b, x + apart + i, left);
      simd::get<W>(c, turn.cos + i, left);
      simd::get<W>(s, turn.sin + i, left);
      simd::put<W>(y + i, a * c - b * s, left);
      simd::put<W>(y + apart + i, b * c + a * s, left);
    });
  }
  static void neighbours(Turn const& turn, const float* x, float* y, int n) {
    simd::for_lanes<W>(2 * n, [&turn, x, y](int i, int left) FAUNA_LANES {
      vec v, other, c, s;
      simd::get<W>(v, x + i, left);
      simd::get<W>(c, turn.cos + i, left);
      simd::get<W>(s, turn.sin + i, left);
      simd::swap_neighbours<W>(other, v);
      simd::put<W>(y + i, v * c + other * s, left);
    });
  }
};

}  // namespace fauna::inline v0
