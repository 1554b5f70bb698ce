#pragma once
#include <fauna/backend/cpu.hpp>
#include <fauna/backend/simd.hpp>
#include <fauna/ops/experts/op.hpp>

namespace fauna::inline v0 {

/// Threads own rows.
template <class P, isa T, unsigned Tag> struct expert_rows<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;

  static void gather(B const& b, Matrix<const float> x, const int* sources, Matrix<float> y) {
    each_row(b, y, [&](int i) {
      const float* from = x.row(sources[i]);
      float* to = y.row(i);
      for (int c = 0; c < y.cols(); ++c) to[c] = from[c];
    });
  }
  static void gather_backward(B const& b, Matrix<const float> dy, Matrix<const int> places, Matrix<const float> base,
                              Matrix<float> dx) {
    sum_rows(b, dy, places, {}, base, dx);
  }
  static void combine(B const& b, Matrix<const float> z, Matrix<const int> places, Matrix<const float> weights,
                      Matrix<const float> base, Matrix<float> y) {
    sum_rows(b, z, places, weights, base, y);
  }
  static void combine_backward(B const& b, Matrix<const float> dy, Matrix<const float> z, Matrix<const int> places,
                               Matrix<const float> weights, Matrix<float> dz, Matrix<float> dweights) {
    each_row(b, Matrix<const float>(dy), [&](int r) {
      for (int j = 0; j < places.cols(); ++j) {
        if (places(r, j) < 0) {
          dweights(r, j) = 0;
          continue;
        }
        const float *d = dy.row(r), *from = z.row(places(r, j));
        float* to = dz.row(places(r, j));
        const float w = weights(r, j);
        vec dot{};
        simd::for_lanes<W>(dy.cols(), [&](int c, int n) FAUNA_LANES {
          vec v, u;
          simd::get<W>(v, d + c, n);
          simd::get<W>(u, from + c, n);
          dot += v * u;
          simd::put<W>(to + c, w * v, n);
        });
        dweights(r, j) = simd::sum<W>(dot);
      }
    });
  }
  static void scatter(B const& b, Matrix<const float> x, Matrix<const int> places, Matrix<const float> weights,
                      Matrix<float> y) {
    each_row(b, x, [&](int r) {
      for (int j = 0; j < places.cols(); ++j) {
        if (places(r, j) < 0) continue;
        const float* from = x.row(r);
        float* to = y.row(places(r, j));
        const float w = weights ? weights(r, j) : 1.0F;
        for (int c = 0; c < x.cols(); ++c) to[c] = w * from[c];
      }
    });
  }
  static void dots(B const& b, Matrix<const float> x, Matrix<const float> z, Matrix<const int> places,
                   Matrix<float> weights) {
    each_row(b, x, [&](int r) {
      for (int j = 0; j < places.cols(); ++j) {
        if (places(r, j) < 0) {
          weights(r, j) = 0;
          continue;
        }
        const float *a = x.row(r), *other = z.row(places(r, j));
        vec dot{};
        simd::for_lanes<W>(x.cols(), [&](int c, int n) FAUNA_LANES {
          vec v, u;
          simd::get<W>(v, a + c, n);
          simd::get<W>(u, other + c, n);
          dot += v * u;
        });
        weights(r, j) = simd::sum<W>(dot);
      }
    });
  }

 private:
  template <class E, class F> static void each_row(B const& b, Matrix<E> rows, F&& f) {
    parallel_for(b.threads, rows.rows(), 1 + 8192 / (rows.cols() + 1), [&](int from, int to) {
      for (int r = from; r < to; ++r) f(r);
    });
  }
  /// to_r = base_r + Σ_j w_rj from_{place_rj}; without weights, w = 1.
  static void sum_rows(B const& b, Matrix<const float> from, Matrix<const int> places, Matrix<const float> weights,
                       Matrix<const float> base, Matrix<float> to) {
    each_row(b, to, [&](int r) {
      float* out = to.row(r);
      const float* before = base ? base.row(r) : nullptr;
      simd::for_lanes<W>(to.cols(), [&](int c, int n) FAUNA_LANES {
        vec sum{}, v;
        if (before) simd::get<W>(sum, before + c, n);
        for (int j = 0; j < places.cols(); ++j) {
          if (places(r, j) < 0) continue;
          simd::get<W>(v, from.row(places(r, j)) + c, n);
          sum += weights ? weights(r, j) * v : v;
        }
        simd::put<W>(out + c, sum, n);
      });
    });
  }
};

}  // namespace fauna::inline v0
