#pragma once
#include <cmath>

#include <fauna/ops/fade/op.hpp>

namespace fauna::inline v0 {

template <class S> struct fade_gate<Ref<S>> {
  static void forward(Ref<S> const&, FadeShape const& n, Matrix<const S> x, const S* A_log, const S* bias,
                      Matrix<S> y) {
    using std::exp;
    for (int t = 0; t < x.rows(); ++t)
      for (int c = 0; c < x.cols(); ++c)
        y(t, c) = exp(-rate(n, A_log, c) * softplus(S(static_cast<double>(n.sign)) * (x(t, c) + at(bias, c))));
  }
  static void backward(Ref<S> const&, FadeShape const& n, Matrix<const S> x, const S* A_log, const S* bias,
                       Matrix<const S> dy, Matrix<S> dx, S* dA_log, S* dbias) {
    using std::exp;
    for (int t = 0; t < x.rows(); ++t)
      for (int c = 0; c < x.cols(); ++c) {
        const S sign = S(static_cast<double>(n.sign)), z = sign * (x(t, c) + at(bias, c)), rho = rate(n, A_log, c);
        const S l = -rho * softplus(z), dl = dy(t, c) * exp(l);
        if (dA_log) dA_log[c / n.head] += dl * l;
        dx(t, c) = -dl * rho * sign / (S(1) + exp(-z));
        if (dbias) dbias[c] += dx(t, c);
      }
  }

 private:
  static S at(const S* bias, int c) { return bias ? bias[c] : S(0); }
  static S rate(FadeShape const& n, const S* A_log, int c) {
    using std::exp;
    return A_log ? exp(A_log[c / n.head]) : S(static_cast<double>(n.rate));
  }
  static S softplus(S z) {
    using std::exp, std::log;
    return z > S(20) ? z + exp(-z) : log(S(1) + exp(z));
  }
};

}  // namespace fauna::inline v0
