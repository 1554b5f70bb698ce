#pragma once
#include <cmath>

#include <fauna/ops/prefix_attention/op.hpp>

namespace fauna::inline v0 {

template <class S> struct prefix_attention<Ref<S>> {
  template <int K>
  static void forward(Ref<S> const&, PrefixShape const& a, Matrix<const S> q, Matrix<const S> k, Matrix<const S> v,
                      const S* gate, Matrix<const S> base, Matrix<S> y) {
    const int D = q.cols() / a.heads, group = a.heads / a.kv_heads;
    for (int r = 0; r < q.rows(); ++r)
      for (int h = 0; h < a.heads; ++h) {
        S p[K];
        weights<K>(a.scale, D, q.row(r) + h * D, k, h / group * D, p);
        for (int c = 0; c < D; ++c) {
          S o(0);
          for (int j = 0; j < K; ++j) o += p[j] * v(j, h / group * D + c);
          y(r, h * D + c) = base(r, h * D + c) + gate[h] * o;
        }
      }
  }
  template <int K>
  static void backward(Ref<S> const&, PrefixShape const& a, Matrix<const S> q, Matrix<const S> k, Matrix<const S> v,
                       const S* gate, Matrix<const S> dy, Matrix<S> dq, Matrix<S> dk, Matrix<S> dv, S* dgate) {
    const int D = q.cols() / a.heads, group = a.heads / a.kv_heads;
    for (int j = 0; j < K; ++j)
      for (int c = 0; c < dk.cols(); ++c) dk(j, c) = dv(j, c) = S(0);
    for (int r = 0; r < q.rows(); ++r)
      for (int h = 0; h < a.heads; ++h) {
        const int own = h * D, shared = h / group * D;
        S p[K], along[K], mean(0);  // along_j = dy · v_j
        weights<K>(a.scale, D, q.row(r) + own, k, shared, p);
        for (int j = 0; j < K; ++j) {
          along[j] = S(0);
          for (int c = 0; c < D; ++c) along[j] += dy(r, own + c) * v(j, shared + c);
          mean += p[j] * along[j];
        }
        if (dgate != nullptr) dgate[h] += mean;
        for (int j = 0; j < K; ++j) {
          const S ds = S(a.scale) * gate[h] * p[j] * (along[j] - mean), dv_j = gate[h] * p[j];
          for (int c = 0; c < D; ++c) {
            dq(r, own + c) += ds * k(j, shared + c);
            dk(j, shared + c) += ds * q(r, own + c);
            dv(j, shared + c) += dv_j * dy(r, own + c);
          }
        }
      }
  }

 private:
  /// The softmax of a head's products with the prefix's keys, which stand from column `from` on.
  template <int K> static void weights(double scale, int D, const S* q, Matrix<const S> k, int from, S* p) {
    using std::exp;
    S most{}, sum(0);
    for (int j = 0; j < K; ++j) {
      S s(0);
      for (int c = 0; c < D; ++c) s += q[c] * k(j, from + c);
      p[j] = S(scale) * s;
      if (j == 0 || most < p[j]) most = p[j];
    }
    for (int j = 0; j < K; ++j) {
      p[j] = exp(p[j] - most);
      sum += p[j];
    }
    for (int j = 0; j < K; ++j) p[j] = p[j] / sum;
  }
};

}  // namespace fauna::inline v0
