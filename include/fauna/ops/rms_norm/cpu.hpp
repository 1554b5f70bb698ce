#pragma once
#include <cmath>

#include <fauna/backend/cpu.hpp>
#include <fauna/backend/simd.hpp>
#include <fauna/ops/rms_norm/op.hpp>

namespace fauna::inline v0 {

template <class P, isa T, unsigned Tag> struct rms_norm<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;

  static constexpr std::size_t workspace(int rows, int cols, int) {
    return aligned(static_cast<std::size_t>(blocks(rows)) * static_cast<std::size_t>(cols) * sizeof(float));
  }

  static void forward(B const& b, Matrix<const float> x, const float* weight, int offset, Matrix<float> y, float* rstd,
                      double eps) {
    const auto o = static_cast<float>(offset), e = static_cast<float>(eps);
    parallel_for(b.threads, x.rows(), 1 + 8192 / (x.cols() + 1), [&](int from, int to) {
      for (int r = from; r < to; ++r) {
        const float* in = x.row(r);
        float* out = y.row(r);
        const float rs = 1.0F / std::sqrt(dot(in, in, x.cols()) / static_cast<float>(x.cols()) + e);
        simd::for_lanes<W>(x.cols(), [=](int c, int n) FAUNA_LANES {
          vec v, w;
          simd::get<W>(v, in + c, n);
          simd::get<W>(w, weight + c, n);
          simd::put<W>(out + c, (o + w) * (v * rs), n);
        });
        if (rstd) rstd[r] = rs;
      }
    });
  }

  static void backward(B const& b, Matrix<const float> x, const float* weight, int offset, const float* rstd,
                       Matrix<const float> dy, Matrix<float> dx, Matrix<const float> base, float* dweight) {
    const int rows = x.rows(), cols = x.cols(), n = blocks(rows);
    const auto o = static_cast<float>(offset);
    Scope scope(*b.scratch);
    float* dw = b.scratch->template take<float>(dweight ? static_cast<std::size_t>(n) * static_cast<std::size_t>(cols)
                                                        : std::size_t{0});
    const int threads = static_cast<long long>(rows) * cols < 16384 ? 1 : b.threads < n ? b.threads : n;
    parallel(threads, [&](Team team) {
      for (int k = team.from(n); k < team.to(n); ++k) {
        const int from = static_cast<int>(static_cast<long long>(rows) * k / n);
        const int to = static_cast<int>(static_cast<long long>(rows) * (k + 1) / n);
        block(x, weight, o, rstd, dy, dx, base, from, to,
              dweight ? dw + static_cast<std::ptrdiff_t>(k) * cols : nullptr);
      }
      if (dweight == nullptr) return;
      team.barrier();
      for (int c = team.from(cols); c < team.to(cols); ++c)
        for (std::ptrdiff_t k = 0; k < n; ++k) dweight[c] += dw[k * cols + c];
    });
  }

 private:
  static constexpr int group = 16;  // rows whose columns are walked together: sums over them stay in registers
  /// Parts of the rows whose sums of dw are kept apart: of the number of rows alone.
  static constexpr int blocks(int rows) {
    const int n = (rows + group - 1) / group;
    return n < 1 ? 1 : n > 64 ? 64 : n;
  }

  static float dot(const float* a, const float* b, int n) {
    vec s0{}, s1{}, p, q;
    int c = 0;
    for (; c + 2 * W <= n; c += 2 * W) {
      simd::load<W>(p, a + c);
      simd::load<W>(q, b + c);
      s0 += p * q;
      simd::load<W>(p, a + c + W);
      simd::load<W>(q, b + c + W);
      s1 += p * q;
    }
    float sum = simd::sum<W>(s0 + s1);
    for (; c < n; ++c) sum += a[c] * b[c];
    return sum;
  }
  /// Σ (o + w) dy x
  static float weighted(const float* x, const float* w, float o, const float* dy, int n) {
    vec s{};
    simd::for_lanes<W>(n, [=, &s](int c, int left) FAUNA_LANES {
      vec a, d, t;
      simd::get<W>(a, x + c, left);
      simd::get<W>(d, dy + c, left);
      simd::get<W>(t, w + c, left);
      s += (o + t) * d * a;
    });
    return simd::sum<W>(s);
  }

  /// dx of rows [from, to), and their sums of dw (null: not wanted).
  static void block(Matrix<const float> x, const float* weight, float o, const float* rstd, Matrix<const float> dy,
                    Matrix<float> dx, Matrix<const float> base, int from, int to, float* dw) {
    const int cols = x.cols();
    for (int first = from; first < to; first += group) {
      const int n = to - first < group ? to - first : group;
      float mean[group];
      for (int i = 0; i < n; ++i) {
        const float rs = rstd[first + i];
        mean[i] = weighted(x.row(first + i), weight, o, dy.row(first + i), cols) * rs * rs / static_cast<float>(cols);
      }
      const bool more = first != from;
      const std::ptrdiff_t xs = x.stride(), dys = dy.stride(), dxs = dx.stride(), bs = base.stride();
      const float *x0 = x.row(first), *dy0 = dy.row(first), *base0 = base ? base.row(first) : nullptr;
      const float* rs = rstd + first;
      float* dx0 = dx.row(first);
      simd::for_lanes<W>(cols, [&, x0, dy0, base0, dx0, dw, rs, weight](int c, int left) FAUNA_LANES {
        vec w, sum{};
        simd::get<W>(w, weight + c, left);
        w = o + w;
        if (more && dw) simd::get<W>(sum, dw + c, left);
        for (int i = 0; i < n; ++i) {
          vec v, d;
          simd::get<W>(v, x0 + i * xs + c, left);
          simd::get<W>(d, dy0 + i * dys + c, left);
          sum += d * (v * rs[i]);
          d = rs[i] * (w * d - v * mean[i]);
          if (base0) {
            simd::get<W>(v, base0 + i * bs + c, left);
            d += v;
          }
          simd::put<W>(dx0 + i * dxs + c, d, left);
        }
        if (dw) simd::put<W>(dw + c, sum, left);
      });
    }
  }
};

}  // namespace fauna::inline v0
