#pragma once
#include <cmath>

#include <fauna/backend/cpu.hpp>
#include <fauna/backend/simd.hpp>
#include <fauna/ops/prefix_attention/op.hpp>

namespace fauna::inline v0 {

/// Threads own rows of forward, and key heads of backward.
template <class P, isa T, unsigned Tag> struct prefix_attention<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;

  template <int K>
  static void forward(B const& b, PrefixShape const& a, Matrix<const float> q, Matrix<const float> k,
                      Matrix<const float> v, const float* gate, Matrix<const float> base, Matrix<float> y) {
    const int D = q.cols() / a.heads, group = a.heads / a.kv_heads;
    parallel_for(b.threads, q.rows(), 1 + 4096 / (K * q.cols() + 1), [&](int from, int to) {
      for (int r = from; r < to; ++r)
        for (int h = 0; h < a.heads; ++h) {
          const int shared = h / group * D;
          float p[K];
          weights<K>(a.scale, D, q.row(r) + h * D, k, shared, p);
          const float *in = base.row(r) + h * D, open = gate[h];
          float* out = y.row(r) + h * D;
          simd::for_lanes<W>(D, [&p, &v, in, out, shared, open](int c, int n) FAUNA_LANES {
            vec sum{}, x;
            for (int j = 0; j < K; ++j) {
              simd::get<W>(x, v.row(j) + shared + c, n);
              sum += p[j] * x;
            }
            simd::get<W>(x, in + c, n);
            simd::put<W>(out + c, x + open * sum, n);
          });
        }
    });
  }
  template <int K>
  static void backward(B const& b, PrefixShape const& a, Matrix<const float> q, Matrix<const float> k,
                       Matrix<const float> v, const float* gate, Matrix<const float> dy, Matrix<float> dq,
                       Matrix<float> dk, Matrix<float> dv, float* dgate) {
    const int D = q.cols() / a.heads, group = a.heads / a.kv_heads;
    parallel_for(b.threads, a.kv_heads, 1, [&](int first, int last) {
      for (int j = 0; j < K; ++j)
        for (int c = first * D; c < last * D; ++c) dk(j, c) = dv(j, c) = 0;
      for (int r = 0; r < q.rows(); ++r)
        for (int h = first * group; h < last * group; ++h) {
          const int shared = h / group * D;
          const float *query = q.row(r) + h * D, *up = dy.row(r) + h * D, open = gate[h];
          float *to_query = dq.row(r) + h * D, p[K], along[K], mean = 0;  // along_j = dy · v_j
          weights<K>(a.scale, D, query, k, shared, p);
          for (int j = 0; j < K; ++j) {
            along[j] = dot(up, v.row(j) + shared, D);
            mean += p[j] * along[j];
          }
          if (dgate != nullptr) dgate[h] += mean;
          for (int j = 0; j < K; ++j) {
            const float ds = static_cast<float>(a.scale) * open * p[j] * (along[j] - mean);
            add_to(to_query, ds, k.row(j) + shared, D);
            add_to(dk.row(j) + shared, ds, query, D);
            add_to(dv.row(j) + shared, open * p[j], up, D);
          }
        }
    });
  }

 private:
  static float dot(const float* a, const float* b, int n) {
    vec sums{};
    simd::for_lanes<W>(n, [&sums, a, b](int c, int count) FAUNA_LANES {
      vec v, w;
      simd::get<W>(v, a + c, count);
      simd::get<W>(w, b + c, count);
      sums += v * w;
    });
    return simd::sum<W>(sums);
  }
  /// y += f x
  static void add_to(float* y, float f, const float* x, int n) {
    simd::for_lanes<W>(n, [y, f, x](int c, int count) FAUNA_LANES {
      vec v, w;
      simd::get<W>(v, x + c, count);
      simd::get<W>(w, y + c, count);
      simd::put<W>(y + c, w + f * v, count);
    });
  }
  /// The softmax of a head's products with the prefix's keys, which stand from column `from` on.
  template <int K> static void weights(double scale, int D, const float* q, Matrix<const float> k, int from, float* p) {
    float most = 0, sum = 0;
    for (int j = 0; j < K; ++j) {
      p[j] = static_cast<float>(scale) * dot(q, k.row(j) + from, D);
      if (j == 0 || p[j] > most) most = p[j];
    }
    for (int j = 0; j < K; ++j) sum += p[j] = std::exp(p[j] - most);
    for (int j = 0; j < K; ++j) p[j] /= sum;
  }
};

}  // namespace fauna::inline v0
