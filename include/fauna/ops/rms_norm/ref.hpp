#pragma once
#include <cmath>

#include <fauna/ops/rms_norm/op.hpp>

namespace fauna::inline v0 {

template <class S> struct rms_norm<Ref<S>> {
  using B = Ref<S>;

  static constexpr std::size_t workspace(int, int, int) { return 0; }

  static void forward(B const&, Matrix<const S> x, const S* weight, int offset, Matrix<S> y, S* rstd, double eps) {
    using std::sqrt;
    for (int r = 0; r < x.rows(); ++r) {
      S squares(0);
      for (int c = 0; c < x.cols(); ++c) squares += x(r, c) * x(r, c);
      const S rs = S(1) / sqrt(squares / static_cast<S>(x.cols()) + S(eps));
      for (int c = 0; c < x.cols(); ++c) y(r, c) = (S(offset) + weight[c]) * (x(r, c) * rs);
      if (rstd) rstd[r] = rs;
    }
  }

  static void backward(B const&, Matrix<const S> x, const S* weight, int offset, const S* rstd, Matrix<const S> dy,
                       Matrix<S> dx, Matrix<const S> base, S* dweight) {
    for (int r = 0; r < x.rows(); ++r) {
      const S rs = rstd[r];
      S gx(0);
      for (int c = 0; c < x.cols(); ++c) {
        gx += (S(offset) + weight[c]) * dy(r, c) * x(r, c);
        if (dweight) dweight[c] += dy(r, c) * x(r, c) * rs;
      }
      const S mean = gx * rs * rs / static_cast<S>(x.cols());
      for (int c = 0; c < x.cols(); ++c) {
        const S d = rs * ((S(offset) + weight[c]) * dy(r, c) - x(r, c) * mean);
        dx(r, c) = base ? base(r, c) + d : d;
      }
    }
  }
};

}  // namespace fauna::inline v0
