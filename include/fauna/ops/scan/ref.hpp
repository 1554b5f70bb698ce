#pragma once
#include <cmath>
#include <vector>

#include <fauna/ops/scan/op.hpp>

namespace fauna::inline v0 {

template <class S> struct selective_scan<Ref<S>> {
  static constexpr std::size_t workspace(int, int, int) { return 0; }

  static void rates(Ref<S> const&, Matrix<const S> A_log, Matrix<S> A) {
    using std::exp;
    for (int n = 0; n < A.rows(); ++n)
      for (int e = 0; e < A.cols(); ++e) A(n, e) = -exp(A_log(e, n));
  }
  static void rates_backward(Ref<S> const&, Matrix<const S> A, Matrix<const S> dA, Matrix<S> dA_log) {
    for (int n = 0; n < A.rows(); ++n)
      for (int e = 0; e < A.cols(); ++e) dA_log(e, n) += dA(n, e) * A(n, e);
  }

  static void forward(Ref<S> const&, Batch const& batch, ScanRows<const S> in, Matrix<const S> A, const S* D,
                      Matrix<S> state, Matrix<S> out, Matrix<S> h) {
    using std::exp;
    const int N = A.rows(), E = A.cols();
    for (int q = 0; q < batch.sequences; ++q)
      for (int e = 0; e < E; ++e) {
        std::vector<S> all;  // the states after each row
        const auto after = [&](int p, int n) {
          if (p >= 0) return all[static_cast<std::size_t>((p - batch.first(q)) * N + n)];
          return p == Batch::the_state && state ? state(q * N + n, e) : S(0);
        };
        for (int t = batch.first(q); t < batch.last(q); ++t) {
          const int p = batch.continues(q, t);
          const S d = softplus(in.dt(t, e));
          S y = D[e] * in.x(t, e);
          for (int n = 0; n < N; ++n) {
            const S s = exp(d * A(n, e)) * after(p, n) + d * in.x(t, e) * in.b(t, n);
            all.push_back(s);
            if (h) h(t * N + n, e) = s;
            y += in.c(t, n) * s;
          }
          out(t, e) = y * in.z(t, e) * sigmoid(in.z(t, e));
        }
        if (state && batch.last(q) > batch.first(q))
          for (int n = 0; n < N; ++n) state(q * N + n, e) = after(batch.last(q) - 1, n);
      }
  }

  static void backward(Ref<S> const&, Batch const& batch, ScanRows<const S> in, Matrix<const S> A, const S* D,
                       Matrix<const S> entering, Matrix<const S> h, Matrix<const S> dout, ScanRows<S> d_in,
                       Matrix<S> dA, S* dD, Matrix<S> dstate) {
    using std::exp;
    const int N = A.rows(), E = A.cols();
    for (int t = 0; t < batch.rows; ++t)
      for (int n = 0; n < N; ++n) d_in.b(t, n) = d_in.c(t, n) = S(0);
    for (int q = 0; q < batch.sequences; ++q) {
      const int first = batch.first(q), last = batch.last(q);
      if (first == last) continue;
      for (int e = 0; e < E; ++e) {
        std::vector<S> g(static_cast<std::size_t>((last - first) * N), S(0)), into(static_cast<std::size_t>(N), S(0));
        const auto at = [&](int t, int n) -> S& { return g[static_cast<std::size_t>((t - first) * N + n)]; };
        for (int n = 0; dstate && n < N; ++n) at(last - 1, n) = dstate(q * N + n, e);
        for (int t = last - 1; t >= first; --t) {
          const int p = batch.continues(q, t);
          const S x = in.x(t, e), z = in.z(t, e), s = sigmoid(z), d = softplus(in.dt(t, e));
          S y = D[e] * x, gB(0), dd(0);
          for (int n = 0; n < N; ++n) y += in.c(t, n) * h(t * N + n, e);
          const S dy = dout(t, e) * z * s;
          d_in.z(t, e) = dout(t, e) * y * s * (S(1) + z * (S(1) - s));
          for (int n = 0; n < N; ++n) {
            const S gn = at(t, n) + dy * in.c(t, n), decay = exp(d * A(n, e));
            const S before = p >= 0                              ? h(p * N + n, e)
                             : p == Batch::the_state && entering ? entering(q * N + n, e)
                                                                 : S(0);
            d_in.c(t, n) += dy * h(t * N + n, e);
            d_in.b(t, n) += d * x * gn;
            gB += gn * in.b(t, n);
            const S u = gn * decay * before;
            dd += u * A(n, e);
            if (dA) dA(n, e) += d * u;
            if (p >= 0) at(p, n) += decay * gn;
            else if (p == Batch::the_state) into[static_cast<std::size_t>(n)] += decay * gn;
          }
          if (dD) dD[e] += dy * x;
          d_in.x(t, e) = D[e] * dy + d * gB;
          d_in.dt(t, e) = (x * gB + dd) * sigmoid(in.dt(t, e));
        }
        for (int n = 0; dstate && n < N; ++n) dstate(q * N + n, e) = into[static_cast<std::size_t>(n)];
      }
    }
  }

 private:
  static S sigmoid(S x) {
    using std::exp;
    return S(1) / (S(1) + exp(-x));
  }
  static S softplus(S x) {
    using std::exp, std::log;
    return x > S(20) ? x : log(S(1) + exp(x));
  }
};

}  // namespace fauna::inline v0
