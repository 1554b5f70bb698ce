#pragma once
#include <cmath>

#include <fauna/backend/cpu.hpp>
#include <fauna/backend/simd.hpp>
#include <fauna/ops/cross_entropy/op.hpp>
#include <fauna/ops/gemm/cpu.hpp>

namespace fauna::inline v0 {

template <class P, isa T, unsigned Tag> struct cross_entropy<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;

  static constexpr int chunk_rows(int vocab) { return logits_rows(padded(vocab), 32LL << 20); }
  static constexpr std::size_t workspace(int rows, int cols, int vocab, int threads) {
    const int n = rows < chunk_rows(vocab) ? rows : chunk_rows(vocab);
    return logits_workspace<gemm<B>>(n, cols, vocab, padded(vocab), threads);
  }

  /// w: a view, or what a storage of its own has products with (ops/gemm/blocks.hpp).
  template <class T2>
  static void loss(B const& b, Matrix<const float> x, T2 const& w, const float* bias, const int* targets, int ignore,
                   float* losses, double cap = 0) {
    check_targets("cross_entropy.loss", targets, ignore, x.rows(), w.rows());
    over_chunks(b, x, w, bias, [&](int first, Matrix<float> z) {
      rows(b, z, [&](int r, float* row) {
        float most, sum;
        const int t = targets[first + r];
        losses[first + r] = 0;
        if (t == ignore) return;
        if (cap > 0) bend(row, z.cols(), static_cast<float>(cap));
        reduce<false>(row, z.stride(), most, sum);
        losses[first + r] = nats(sum, most, row[t]);
      });
    });
  }

  template <class E, int V, int C>
  static void loss_and_gradient(B const& b, Matrix<const float> x, View<E, V, C> w, const float* bias,
                                const int* targets, int ignore, float scale, float* losses, Matrix<float> dx,
                                Matrix<float> dw, float* dbias, double cap = 0) {
    check_targets("cross_entropy.loss_and_gradient", targets, ignore, x.rows(), w.rows());
    const Matrix<const std::remove_const_t<E>> table(w);
    over_chunks(b, x, table, bias, [&](int first, Matrix<float> z) {
      rows(b, z, [&](int r, float* row) {
        float most, sum;
        const int t = targets[first + r];
        losses[first + r] = 0;
        if (t == ignore) {
          for (int c = 0; c < z.cols(); ++c) row[c] = 0;
          return;
        }
        if (cap > 0) {
          bend(row, z.cols(), static_cast<float>(cap));
          reduce<false>(row, z.stride(), most, sum);
          losses[first + r] = nats(sum, most, row[t]);
          return bend_gradients(row, z.cols(), t, most, scale / sum, scale, static_cast<float>(cap));
        }
        const float z_t = row[t];
        reduce<true>(row, z.stride(), most, sum);
        losses[first + r] = nats(sum, most, z_t);
        const float factor = scale / sum;  // row holds exp(z - most): times factor it is scale · softmax
        for (int c = 0; c < z.stride(); c += W) {
          vec v;
          simd::load<W>(v, row + c);
          simd::store<W>(row + c, v * factor);
        }
        row[t] -= scale;
      });
      const Matrix<const float> dz(z);
      const int n = z.rows();
      if (dbias) add_columns(b, dz, dbias);
      if (dw) gemm<B>::tn(b, dz, x.middle_rows(first, n), dw, {.base = dw.data(), .base_stride = dw.stride()});
      gemm<B>::nn(b, dz, table, dx.middle_rows(first, n));
    });
  }

 private:
  static float nats(float sum, float most, float z_t) {
    return static_cast<float>(std::log(static_cast<double>(sum)) + static_cast<double>(most) -
                              static_cast<double>(z_t));
  }
  static constexpr int padded(int vocab) { return (vocab + 15) / 16 * 16; }

  /// f(first row, logits of the rows from there) for each chunk; columns that pad a row hold -∞.
  template <class T2, class F>
  static void over_chunks(B const& b, Matrix<const float> x, T2 const& w, const float* bias, F&& f) {
    const int vocab = w.rows(), stride = padded(vocab), chunk = chunk_rows(vocab);
    Scope scope(*b.scratch);
    const int most = x.rows() < chunk ? x.rows() : chunk;
    float* logits = b.scratch->template take<float>(static_cast<std::size_t>(most) * static_cast<std::size_t>(stride));
    for (int first = 0; first < x.rows(); first += chunk) {
      const int n = x.rows() - first < chunk ? x.rows() - first : chunk;
      const Matrix<float> z(logits, n, vocab, stride);
      gemm<B>::nt(b, x.middle_rows(first, n), w, z, {.bias = bias});
      f(first, z);
    }
  }

  /// f(row index, row) for each row of logits, its padding set to -∞, over the threads.
  template <class F> static void rows(B const& b, Matrix<float> z, F&& f) {
    parallel_for(b.threads, z.rows(), 1 + 2048 / z.cols(), [&](int from, int to) {
      for (int r = from; r < to; ++r) {
        float* row = z.row(r);
        for (int c = z.cols(); c < z.stride(); ++c) row[c] = -__builtin_inff();
        f(r, row);
      }
    });
  }

  /// The largest element and Σ exp(z - most); with Keep the row becomes exp(z - most).
  template <bool Keep> static void reduce(float* z, int n, float& most, float& sum) {
    vec m = vec{} - __builtin_inff(), s{};
    for (int c = 0; c < n; c += W) {
      vec v;
      simd::load<W>(v, z + c);
      m = v > m ? v : m;
    }
    most = simd::max<W>(m);
    // in parts of 64 vectors: one long sum of a whole vocabulary would lose small terms
    for (int first = 0; first < n; first += 64 * W) {
      const int last = n - first < 64 * W ? n : first + 64 * W;
      vec part{};
      for (int c = first; c < last; c += W) {
        vec v;
        simd::load<W>(v, z + c);
        simd::exp<W>(v, v - most);
        part += v;
        if constexpr (Keep) simd::store<W>(z + c, v);
      }
      s += part;
    }
    sum = simd::sum<W>(s);
  }

  /// z'_v of a row.
  static void bend(float* z, int n, float cap) {
    simd::for_lanes<W>(n, [=](int c, int left) FAUNA_LANES {
      vec v, t;
      simd::get<W>(v, z + c, left);
      simd::tanh<W>(t, v / cap);
      simd::put<W>(z + c, cap * t, left);
    });
  }
  /// z'_v to scale · dloss/dz_v.
  static void bend_gradients(float* z, int n, int target, float most, float factor, float scale, float cap) {
    const float t = z[target] / cap, of_target = scale * (1.0F - t * t);
    simd::for_lanes<W>(n, [=](int c, int left) FAUNA_LANES {
      vec v, e, u;
      simd::get<W>(v, z + c, left);
      simd::exp<W>(e, v - most);
      u = v / cap;
      simd::put<W>(z + c, e * factor * (1.0F - u * u), left);
    });
    z[target] -= of_target;
  }

  /// dbias[v] += Σ_r dz(r, v), rows ascending; threads own columns.
  static void add_columns(B const& b, Matrix<const float> dz, float* dbias) {
    parallel_for(b.threads, (dz.cols() + 15) / 16, 1 + 1024 / (dz.rows() + 1), [&](int from, int to) {
      const int last = to * 16 < dz.cols() ? to * 16 : dz.cols();
      for (int c = from * 16; c < last; c += W) {
        vec s{}, v;
        for (int r = 0; r < dz.rows(); ++r) {
          simd::get<W>(v, dz.row(r) + c, last - c);
          s += v;
        }
        simd::get<W>(v, dbias + c, last - c);
        s += v;
        simd::put<W>(dbias + c, s, last - c);
      }
    });
  }
};

}  // namespace fauna::inline v0
