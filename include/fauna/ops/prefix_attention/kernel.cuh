// Attention to a prefix as kernels: a warp for each head of a row, whose lanes have the head's columns; for the
// gradients of keys and values a warp for each row of the prefix and head of keys, which goes through the text's rows
// in order and computes their softmax again. The maths is in op.hpp.
#pragma once
#include <cmath>

#include <fauna/backend/simt.cuh>
#include <fauna/ops/prefix_attention/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

template <int K> struct Prefix {
  PrefixShape shape;
  Matrix<const float> q, k, v;
  const float* gate;

  FAUNA_KERNEL int columns() const { return q.cols() / shape.heads; }
  FAUNA_KERNEL int group() const { return shape.heads / shape.kv_heads; }

  template <class T> FAUNA_KERNEL float dot(T const& t, const float* a, const float* b) const {
    float sum = 0;
    for (int c = t.lane(); c < columns(); c += warp_size) sum += a[c] * b[c];
    return simt::warp_sum(t, sum);
  }
  /// The softmax of a head of a row, in every lane.
  template <class T> FAUNA_KERNEL void weights(T const& t, int r, int h, float (&p)[K]) const {
    const int own = h * columns(), shared = h / group() * columns();
    float most = 0, sum = 0;
    for (int j = 0; j < K; ++j) {
      p[j] = static_cast<float>(shape.scale) * dot(t, q.row(r) + own, k.row(j) + shared);
      if (j == 0 || p[j] > most) most = p[j];
    }
    for (int j = 0; j < K; ++j) sum += p[j] = std::exp(p[j] - most);
    for (int j = 0; j < K; ++j) p[j] /= sum;
  }
  /// dy · v_j of all rows of the prefix, and their mean by p.
  template <class T>
  FAUNA_KERNEL float along(T const& t, const float* dy, int h, const float (&p)[K], float (&all)[K]) const {
    float mean = 0;
    for (int j = 0; j < K; ++j) {
      all[j] = dot(t, dy, v.row(j) + h / group() * columns());
      mean += p[j] * all[j];
    }
    return mean;
  }
};

template <int K> struct PrefixForward {
  Prefix<K> of;
  Matrix<const float> base;
  Matrix<float> y;
  template <class T> FAUNA_KERNEL void operator()(T const& t, int row) const {
    const int r = row / of.shape.heads, h = row % of.shape.heads, D = of.columns(), shared = h / of.group() * D;
    float p[K];
    of.weights(t, r, h, p);
    for (int c = t.lane(); c < D; c += warp_size) {
      float o = 0;
      for (int j = 0; j < K; ++j) o += p[j] * of.v(j, shared + c);
      y(r, h * D + c) = base(r, h * D + c) + of.gate[h] * o;
    }
  }
};
template <int K> struct PrefixQueries {
  Prefix<K> of;
  Matrix<const float> dy;
  Matrix<float> dq;
  template <class T> FAUNA_KERNEL void operator()(T const& t, int row) const {
    const int r = row / of.shape.heads, h = row % of.shape.heads, D = of.columns(), shared = h / of.group() * D;
    float p[K], along[K];
    of.weights(t, r, h, p);
    const float mean = of.along(t, dy.row(r) + h * D, h, p, along);
    for (int c = t.lane(); c < D; c += warp_size) {
      float sum = 0;
      for (int j = 0; j < K; ++j) sum += p[j] * (along[j] - mean) * of.k(j, shared + c);
      dq(r, h * D + c) += static_cast<float>(of.shape.scale) * of.gate[h] * sum;
    }
  }
};
template <int K> struct PrefixKeys {
  Prefix<K> of;
  Matrix<const float> dy;
  Matrix<float> dk, dv;
  float* dgate;
  template <class T> FAUNA_KERNEL void operator()(T const& t, int row) const {
    const int g = row / K, j = row % K, D = of.columns(), shared = g * D;
    for (int c = t.lane(); c < D; c += warp_size) dk(j, shared + c) = dv(j, shared + c) = 0;
    for (int r = 0; r < of.q.rows(); ++r)
      for (int h = g * of.group(); h < (g + 1) * of.group(); ++h) {
        float p[K], along[K];
        of.weights(t, r, h, p);
        const float mean = of.along(t, dy.row(r) + h * D, h, p, along);
        if (dgate != nullptr && j == 0 && t.lane() == 0) dgate[h] += mean;
        const float ds = static_cast<float>(of.shape.scale) * of.gate[h] * p[j] * (along[j] - mean);
        for (int c = t.lane(); c < D; c += warp_size) {
          dk(j, shared + c) += ds * of.q(r, h * D + c);
          dv(j, shared + c) += of.gate[h] * p[j] * dy(r, h * D + c);
        }
      }
  }
};

}  // namespace kernels

template <Device B> struct prefix_attention<B> {
  template <int K>
  static void forward(B const& b, PrefixShape const& a, Matrix<const float> q, Matrix<const float> k,
                      Matrix<const float> v, const float* gate, Matrix<const float> base, Matrix<float> y) {
    simt::each_row(b, q.rows() * a.heads, kernels::PrefixForward<K>{{a, q, k, v, gate}, base, y});
  }
  template <int K>
  static void backward(B const& b, PrefixShape const& a, Matrix<const float> q, Matrix<const float> k,
                       Matrix<const float> v, const float* gate, Matrix<const float> dy, Matrix<float> dq,
                       Matrix<float> dk, Matrix<float> dv, float* dgate) {
    const kernels::Prefix<K> of{a, q, k, v, gate};
    simt::each_row(b, q.rows() * a.heads, kernels::PrefixQueries<K>{of, dy, dq});
    simt::each_row(b, K * a.kv_heads, kernels::PrefixKeys<K>{of, dy, dk, dv, dgate});
  }
};

}  // namespace fauna::inline v0
