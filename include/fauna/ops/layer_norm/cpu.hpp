#pragma once
#include <cmath>

#include <fauna/backend/cpu.hpp>
#include <fauna/backend/simd.hpp>
#include <fauna/ops/layer_norm/op.hpp>

namespace fauna::inline v0 {

template <class P, isa T, unsigned Tag> struct layer_norm<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;

  static constexpr std::size_t workspace(int rows, int cols, int) {
    return 2 * aligned(static_cast<std::size_t>(blocks(rows)) * static_cast<std::size_t>(cols) * sizeof(float));
  }

  static void forward(B const& b, Matrix<const float> x, const float* weight, const float* bias, Matrix<float> y,
                      float* mean, float* rstd, double eps, int offset = 0) {
    parallel_for(b.threads, x.rows(), 1 + 8192 / (x.cols() + 1), [&](int from, int to) {
      for (int r = from; r < to; ++r) {
        float mu, rs;
        statistics(x.row(r), x.cols(), static_cast<float>(eps), mu, rs);
        normalise(x.row(r), {weight, offset}, bias, y.row(r), x.cols(), mu, rs);
        if (mean) mean[r] = mu;
        if (rstd) rstd[r] = rs;
      }
    });
  }

  static void backward(B const& b, Matrix<const float> x, const float* weight, const float* mean, const float* rstd,
                       Matrix<const float> dy, Matrix<float> dx, Matrix<const float> base, float* dweight, float* dbias,
                       int offset = 0) {
    const int rows = x.rows(), cols = x.cols(), n = blocks(rows);
    const bool parameters = dweight != nullptr || dbias != nullptr;
    Scope scope(*b.scratch);
    const std::size_t size = parameters ? static_cast<std::size_t>(n) * static_cast<std::size_t>(cols) : 0;
    float* dw = b.scratch->template take<float>(size);
    float* db = b.scratch->template take<float>(size);
    const int threads = static_cast<long long>(rows) * cols < 16384 ? 1 : b.threads < n ? b.threads : n;
    parallel(threads, [&](Team team) {
      for (int k = team.from(n); k < team.to(n); ++k) {
        const int from = static_cast<int>(static_cast<long long>(rows) * k / n);
        const int to = static_cast<int>(static_cast<long long>(rows) * (k + 1) / n);
        const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(k) * cols;
        block(x, {weight, offset}, mean, rstd, dy, dx, base, from, to, parameters ? dw + at : nullptr,
              parameters ? db + at : nullptr);
      }
      if (!parameters) return;
      team.barrier();
      for (int c = team.from(cols); c < team.to(cols); ++c)
        for (std::ptrdiff_t k = 0; k < n; ++k) {
          if (dweight) dweight[c] += dw[k * cols + c];
          if (dbias) dbias[c] += db[k * cols + c];
        }
    });
  }

 private:
  static constexpr int group = 16;  // rows whose columns are walked together: sums over them stay in registers
  /// Parts of the rows whose sums of dw and db are kept apart: of the number of rows alone.
  static constexpr int blocks(int rows) {
    const int n = (rows + group - 1) / group;
    return n < 1 ? 1 : n > 64 ? 64 : n;
  }

  /// o + w_c.
  struct Gain {
    const float* weight;
    int offset;
    FAUNA_INLINE float operator()(int c) const { return static_cast<float>(offset) + (weight ? weight[c] : 0.0F); }
    FAUNA_INLINE void get(vec& g, int c, int left) const {
      g = vec{};
      if (weight) simd::get<W>(g, weight + c, left);
      if (offset != 0) g += 1.0F;
    }
  };

  static void statistics(const float* x, int cols, float eps, float& mean, float& rstd) {
    const float C = static_cast<float>(cols);
    vec s0{}, s1{}, a, d;
    int c = 0;
    for (; c + 2 * W <= cols; c += 2 * W) {
      simd::load<W>(a, x + c);
      simd::load<W>(d, x + c + W);
      s0 += a;
      s1 += d;
    }
    float sum = simd::sum<W>(s0 + s1);
    for (; c < cols; ++c) sum += x[c];
    mean = sum / C;

    s0 = s1 = vec{};
    for (c = 0; c + 2 * W <= cols; c += 2 * W) {
      simd::load<W>(a, x + c);
      simd::load<W>(d, x + c + W);
      a -= mean;
      d -= mean;
      s0 += a * a;
      s1 += d * d;
    }
    sum = simd::sum<W>(s0 + s1);
    for (; c < cols; ++c) sum += (x[c] - mean) * (x[c] - mean);
    rstd = 1.0F / std::sqrt(sum / C + eps);
  }

  static void normalise(const float* x, Gain w, const float* b, float* y, int cols, float mean, float rstd) {
    int c = 0;
    for (; c + W <= cols; c += W) {
      vec v, t;
      simd::load<W>(v, x + c);
      w.get(t, c, W);
      v = (v - mean) * rstd * t;
      if (b) {
        simd::load<W>(t, b + c);
        v += t;
      }
      simd::store<W>(y + c, v);
    }
    for (; c < cols; ++c) y[c] = (x[c] - mean) * rstd * w(c) + (b ? b[c] : 0.0F);
  }

  /// dx of rows [from, to), and their sums of dw and db (dw null: not wanted).
  static void block(Matrix<const float> x, Gain weight, const float* mean, const float* rstd, Matrix<const float> dy,
                    Matrix<float> dx, Matrix<const float> base, int from, int to, float* dw, float* db) {
    const int cols = x.cols();
    for (int first = from; first < to; first += group) {
      const int n = to - first < group ? to - first : group;
      float g_mean[group], gx_mean[group];
      for (int i = 0; i < n; ++i)
        means(x.row(first + i), weight, dy.row(first + i), cols, mean[first + i], rstd[first + i], g_mean[i],
              gx_mean[i]);
      const bool more = first != from;
      const std::ptrdiff_t xs = x.stride(), dys = dy.stride(), dxs = dx.stride(), bs = base.stride();
      const float *x0 = x.row(first), *dy0 = dy.row(first), *base0 = base ? base.row(first) : nullptr;
      const float *mu = mean + first, *rs = rstd + first;
      float* dx0 = dx.row(first);
      simd::for_lanes<W>(cols, [&, x0, dy0, base0, dx0, dw, db, mu, rs, weight](int c, int left) FAUNA_LANES {
        vec w, sum_w{}, sum_b{};
        weight.get(w, c, left);
        if (more && dw) {
          simd::get<W>(sum_w, dw + c, left);
          simd::get<W>(sum_b, db + c, left);
        }
        for (int i = 0; i < n; ++i) {
          vec xhat, d;
          simd::get<W>(xhat, x0 + i * xs + c, left);
          simd::get<W>(d, dy0 + i * dys + c, left);
          xhat = (xhat - mu[i]) * rs[i];
          sum_w += d * xhat;
          sum_b += d;
          d = rs[i] * (w * d - g_mean[i] - xhat * gx_mean[i]);
          if (base0) {
            simd::get<W>(xhat, base0 + i * bs + c, left);
            d += xhat;
          }
          simd::put<W>(dx0 + i * dxs + c, d, left);
        }
        if (dw) {
          simd::put<W>(dw + c, sum_w, left);
          simd::put<W>(db + c, sum_b, left);
        }
      });
    }
  }

  /// The means over the row of g = w dy and of g x̂.
  static void means(const float* x, Gain w, const float* dy, int cols, float mean, float rstd, float& g_mean,
                    float& gx_mean) {
    vec g{}, gx{};
    int c = 0;
    for (; c + W <= cols; c += W) {
      vec a, d, t;
      simd::load<W>(a, x + c);
      simd::load<W>(d, dy + c);
      w.get(t, c, W);
      d *= t;
      g += d;
      gx += d * (a - mean);
    }
    float g_sum = simd::sum<W>(g), gx_sum = simd::sum<W>(gx);
    for (; c < cols; ++c) {
      g_sum += w(c) * dy[c];
      gx_sum += w(c) * dy[c] * (x[c] - mean);
    }
    g_mean = g_sum / static_cast<float>(cols);
    gx_mean = gx_sum * rstd / static_cast<float>(cols);
  }
};

}  // namespace fauna::inline v0
