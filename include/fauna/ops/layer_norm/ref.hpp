#pragma once
#include <cmath>

#include <fauna/ops/layer_norm/op.hpp>

namespace fauna::inline v0 {

template <class S> struct layer_norm<Ref<S>> {
  using B = Ref<S>;

  static constexpr std::size_t workspace(int, int, int) { return 0; }

  static void forward(B const&, Matrix<const S> x, const S* weight, const S* bias, Matrix<S> y, S* mean, S* rstd,
                      double eps, int offset = 0) {
    using std::sqrt;
    const S C = static_cast<S>(x.cols());
    for (int r = 0; r < x.rows(); ++r) {
      S mu(0), var(0);
      for (int c = 0; c < x.cols(); ++c) mu += x(r, c);
      mu /= C;
      for (int c = 0; c < x.cols(); ++c) var += (x(r, c) - mu) * (x(r, c) - mu);
      const S rs = S(1) / sqrt(var / C + S(eps));
      for (int c = 0; c < x.cols(); ++c)
        y(r, c) = (x(r, c) - mu) * rs * gain(weight, offset, c) + (bias ? bias[c] : S(0));
      if (mean) mean[r] = mu;
      if (rstd) rstd[r] = rs;
    }
  }

  static void backward(B const&, Matrix<const S> x, const S* weight, const S* mean, const S* rstd, Matrix<const S> dy,
                       Matrix<S> dx, Matrix<const S> base, S* dweight, S* dbias, int offset = 0) {
    const S C = static_cast<S>(x.cols());
    for (int r = 0; r < x.rows(); ++r) {
      const S mu = mean[r], rs = rstd[r];
      S g_sum(0), gx_sum(0);
      for (int c = 0; c < x.cols(); ++c) {
        const S xhat = (x(r, c) - mu) * rs, g = gain(weight, offset, c) * dy(r, c);
        g_sum += g;
        gx_sum += g * xhat;
        if (dweight) dweight[c] += dy(r, c) * xhat;
        if (dbias) dbias[c] += dy(r, c);
      }
      for (int c = 0; c < x.cols(); ++c) {
        const S xhat = (x(r, c) - mu) * rs, g = gain(weight, offset, c) * dy(r, c);
        const S d = rs * (g - g_sum / C - xhat * (gx_sum / C));
        dx(r, c) = base ? base(r, c) + d : d;
      }
    }
  }

 private:
  static S gain(const S* weight, int offset, int c) { return S(offset) + (weight ? weight[c] : S(0)); }
};

}  // namespace fauna::inline v0
