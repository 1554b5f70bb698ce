#pragma once
#include <cmath>

#include <fauna/backend/cpu.hpp>
#include <fauna/ops/activation/lanes.hpp>
#include <fauna/ops/gated_norm/op.hpp>

namespace fauna::inline v0 {

/// Threads own rows. Sums of dweight are kept apart for parts of the rows that follow from their number alone.
template <class P, isa T, unsigned Tag> struct gated_norm<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;

  static constexpr std::size_t workspace(int rows, int cols) {
    return aligned(static_cast<std::size_t>(parts(rows)) * static_cast<std::size_t>(cols) * sizeof(float));
  }

  static void forward(B const& b, GatedNorm const& f, Matrix<const float> y, Matrix<const float> z, const float* weight,
                      Matrix<float> out, Matrix<float> rstd) {
    const int n = y.cols() / f.groups;
    const bool first = f.gate_first;
    parallel_for(b.threads, y.rows(), 1 + 4096 / (y.cols() + 1), [&](int from, int to) {
      for (int r = from; r < to; ++r)
        for (int g = 0; g < f.groups; ++g) {
          const float *in = y.row(r) + g * n, *gates = z.row(r) + g * n, *weights = weight + g * n;
          float* const to_ = out.row(r) + g * n;
          vec squares{};
          simd::for_lanes<W>(n, [=, &squares](int c, int left) FAUNA_LANES {
            vec u, s;
            simd::get<W>(u, in + c, left);
            if (first) {
              gate(s, gates + c, left);
              u *= s;
            }
            squares += u * u;
          });
          const float rs = reciprocal(simd::sum<W>(squares), n, f.eps);
          simd::for_lanes<W>(n, [=](int c, int left) FAUNA_LANES {
            vec u, s, w;
            simd::get<W>(u, in + c, left);
            gate(s, gates + c, left);
            simd::get<W>(w, weights + c, left);
            simd::put<W>(to_ + c, w * (u * s * rs), left);
          });
          if (rstd) rstd(r, g) = rs;
        }
    });
  }

  static void backward(B const& b, GatedNorm const& f, Matrix<const float> y, Matrix<const float> z,
                       const float* weight, Matrix<const float> rstd, Matrix<const float> dout, Matrix<float> dy,
                       Matrix<float> dz, float* dweight) {
    const int rows = y.rows(), cols = y.cols(), all = parts(rows);
    Scope scope(*b.scratch);
    float* const dw = b.scratch->template take<float>(static_cast<std::size_t>(all) * static_cast<std::size_t>(cols));
    parallel_for(b.threads, all, 1, [&](int from, int to) {
      for (int k = from; k < to; ++k) {
        float* const sums = dw + static_cast<std::ptrdiff_t>(k) * cols;
        for (int c = 0; c < cols; ++c) sums[c] = 0;
        for (int r = TeamOf<Tag>{k, all}.from(rows); r < TeamOf<Tag>{k, all}.to(rows); ++r)
          for (int g = 0; g < f.groups; ++g) {
            const int n = cols / f.groups, at = g * n;
            row(f.gate_first, n, y.row(r) + at, z.row(r) + at, weight + at, rstd(r, g), dout.row(r) + at,
                dy.row(r) + at, dz.row(r) + at, sums + at);
          }
      }
    });
    for (int k = 0; dweight && k < all; ++k)
      for (int c = 0; c < cols; ++c) dweight[c] += dw[static_cast<std::ptrdiff_t>(k) * cols + c];
  }

 private:
  static constexpr int parts(int rows) { return rows < 16 ? 1 : rows / 16 < 64 ? rows / 16 : 64; }
  static float reciprocal(float squares, int n, double eps) {
    return 1.0F / std::sqrt(squares / static_cast<float>(n) + static_cast<float>(eps));
  }
  static FAUNA_INLINE void gate(vec& s, const float* z, int n) {
    vec x;
    simd::get<W>(x, z, n);
    simd::activate_lanes<activation::silu, W>(s, x);
  }

  static void row(bool first, int n, const float* y, const float* z, const float* weight, float rs, const float* dout,
                  float* dy, float* dz, float* dweight) {
    vec total{};
    simd::for_lanes<W>(n, [=, &total](int c, int left) FAUNA_LANES {
      vec v, s, d, w, sum;
      simd::get<W>(v, y + c, left);
      gate(s, z + c, left);
      simd::get<W>(d, dout + c, left);
      simd::get<W>(w, weight + c, left);
      simd::get<W>(sum, dweight + c, left);
      const vec p = d * v * s;  // d ∘ u, wherever the gate is
      total += w * p;
      simd::put<W>(dweight + c, sum + p * rs, left);
    });
    const float mean = simd::sum<W>(total) * rs * rs / static_cast<float>(n);
    simd::for_lanes<W>(n, [=](int c, int left) FAUNA_LANES {
      vec v, x, s, slope, d, w;
      simd::get<W>(v, y + c, left);
      simd::get<W>(x, z + c, left);
      simd::get<W>(d, dout + c, left);
      simd::get<W>(w, weight + c, left);
      simd::activate_lanes<activation::silu, W>(s, x);
      simd::activate_gradient_lanes<activation::silu, W>(slope, x);
      if (first) {
        const vec du = rs * (w * d - v * s * mean);
        simd::put<W>(dz + c, du * v * slope, left);
        simd::put<W>(dy + c, du * s, left);
      } else {
        simd::put<W>(dz + c, d * w * (v * rs) * slope, left);
        simd::put<W>(dy + c, rs * (w * d * s - v * mean), left);
      }
    });
  }
};

}  // namespace fauna::inline v0
