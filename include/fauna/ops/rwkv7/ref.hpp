#pragma once
#include <cmath>

#include <fauna/ops/rwkv7/op.hpp>

namespace fauna::inline v0 {

template <class S> struct rwkv7_mix<Ref<S>> {
  using B = Ref<S>;

  static void inputs(B const&, int N, Matrix<const S> w, Matrix<const S> k, Matrix<const S> a, const S* k_k,
                     const S* k_a, Wkv7Rows<S> out) {
    using std::exp;
    for (int t = 0; t < k.rows(); ++t)
      for (int h = 0; h < k.cols(); h += N) {
        const S length = length_of(k, t, h, N, k_k);
        for (int c = h; c < h + N; ++c) {
          const S alpha = sigmoid(a(t, c)), kappa = k(t, c) * k_k[c] / length;
          out.w(t, c) = exp(-S(rwkv7_slowest) * sigmoid(w(t, c)));
          out.k(t, c) = k(t, c) * (S(1) + (alpha - S(1)) * k_a[c]);
          out.a(t, c) = -kappa;
          out.b(t, c) = kappa * alpha;
        }
      }
  }
  static void inputs_backward(B const&, int N, Matrix<const S> w, Matrix<const S> k, Matrix<const S> a, const S* k_k,
                              const S* k_a, Wkv7Rows<const S> d, Matrix<S> dw, Matrix<S> dk, Matrix<S> da, S* dk_k,
                              S* dk_a) {
    using std::exp;
    for (int t = 0; t < k.rows(); ++t)
      for (int h = 0; h < k.cols(); h += N) {
        const S length = length_of(k, t, h, N, k_k);
        S along(0);  // κ · dκ; where the length is held at its least value, it has no gradient
        for (int c = h; length > S(shortest) && c < h + N; ++c)
          along += k(t, c) * k_k[c] / length * (d.b(t, c) * sigmoid(a(t, c)) - d.a(t, c));
        for (int c = h; c < h + N; ++c) {
          const S alpha = sigmoid(a(t, c)), s = sigmoid(w(t, c)), x = k(t, c), kappa = x * k_k[c] / length,
                  du = (d.b(t, c) * alpha - d.a(t, c) - kappa * along) / length, of_k = d.k(t, c), of_b = d.b(t, c);
          if (dk_k) dk_k[c] += du * x;
          if (dk_a) dk_a[c] += of_k * x * (alpha - S(1));
          dw(t, c) = -S(rwkv7_slowest) * d.w(t, c) * exp(-S(rwkv7_slowest) * s) * s * (S(1) - s);
          dk(t, c) = du * k_k[c] + of_k * (S(1) + (alpha - S(1)) * k_a[c]);
          da(t, c) = (of_b * kappa + of_k * x * k_a[c]) * alpha * (S(1) - alpha);
        }
      }
  }

  static void value(B const&, Matrix<const S> v, Matrix<const S> first, Matrix<const S> gate, Matrix<S> y) {
    for (int t = 0; t < v.rows(); ++t)
      for (int c = 0; c < v.cols(); ++c) y(t, c) = v(t, c) + (first(t, c) - v(t, c)) * sigmoid(gate(t, c));
  }
  static void value_backward(B const&, Matrix<const S> v, Matrix<const S> first, Matrix<const S> gate,
                             Matrix<const S> dy, Matrix<S> dv, Matrix<S> dfirst, Matrix<S> dgate) {
    for (int t = 0; t < v.rows(); ++t)
      for (int c = 0; c < v.cols(); ++c) {
        const S s = sigmoid(gate(t, c)), d = dy(t, c);
        dgate(t, c) = d * (first(t, c) - v(t, c)) * s * (S(1) - s);
        dfirst(t, c) += d * s;
        dv(t, c) = d * (S(1) - s);
      }
  }

  static void outputs(B const&, int N, Matrix<const S> y, Wkv7Rows<const S> rows, Matrix<const S> g, const S* r_k,
                      const S* weight, const S* bias, double eps, Matrix<S> out) {
    for (int t = 0; t < y.rows(); ++t)
      for (int h = 0; h < y.cols(); h += N) {
        const Head head(y, rows, r_k, t, h, N, eps);
        for (int c = h; c < h + N; ++c)
          out(t, c) = ((y(t, c) - head.mean) * head.rstd * weight[c] + bias[c] + head.bonus * rows.v(t, c)) * g(t, c);
      }
  }
  static void outputs_backward(B const&, int N, Matrix<const S> y, Wkv7Rows<const S> rows, Matrix<const S> g,
                               const S* r_k, const S* weight, const S* bias, double eps, Matrix<const S> dout,
                               Matrix<S> dy, Wkv7Rows<S> d, Matrix<S> dg, S* dr_k, S* dweight, S* dbias) {
    for (int t = 0; t < y.rows(); ++t)
      for (int h = 0; h < y.cols(); h += N) {
        const Head head(y, rows, r_k, t, h, N, eps);
        S sum(0), along(0), d_bonus(0);
        for (int c = h; c < h + N; ++c) {
          const S dz = dout(t, c) * g(t, c), normal = (y(t, c) - head.mean) * head.rstd;
          sum += dz * weight[c];
          along += dz * weight[c] * normal;
          d_bonus += dz * rows.v(t, c);
        }
        for (int c = h; c < h + N; ++c) {
          const S o = dout(t, c), dz = o * g(t, c), normal = (y(t, c) - head.mean) * head.rstd, v = rows.v(t, c),
                  r = rows.r(t, c), k = rows.k(t, c);
          dg(t, c) = o * (normal * weight[c] + bias[c] + head.bonus * v);
          dy(t, c) = head.rstd * (dz * weight[c] - sum / S(N) - normal * (along / S(N)));
          d.v(t, c) += head.bonus * dz;
          d.r(t, c) += d_bonus * k * r_k[c];
          d.k(t, c) += d_bonus * r * r_k[c];
          if (dr_k) dr_k[c] += d_bonus * r * k;
          if (dweight) dweight[c] += dz * normal;
          if (dbias) dbias[c] += dz;
        }
      }
  }

 private:
  static constexpr double shortest = 1e-12;

  static S sigmoid(S x) {
    using std::exp;
    return S(1) / (S(1) + exp(-x));
  }
  static S length_of(Matrix<const S> k, int t, int h, int N, const S* k_k) {
    using std::sqrt;
    S squares(0);
    for (int c = h; c < h + N; ++c) squares += k(t, c) * k_k[c] * k(t, c) * k_k[c];
    return squares > S(shortest * shortest) ? sqrt(squares) : S(shortest);
  }
  struct Head {
    S mean{}, rstd{}, bonus{};
    Head(Matrix<const S> y, Wkv7Rows<const S> const& rows, const S* r_k, int t, int h, int N, double eps) {
      using std::sqrt;
      S variance(0);
      for (int c = h; c < h + N; ++c) mean += y(t, c) / S(N);
      for (int c = h; c < h + N; ++c) {
        variance += (y(t, c) - mean) * (y(t, c) - mean) / S(N);
        bonus += rows.r(t, c) * rows.k(t, c) * r_k[c];
      }
      rstd = S(1) / sqrt(variance + S(eps));
    }
  };
};

}  // namespace fauna::inline v0
