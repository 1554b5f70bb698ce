#pragma once
#include <cmath>

#include <fauna/ops/activation/ref.hpp>
#include <fauna/ops/gated_norm/op.hpp>

namespace fauna::inline v0 {

template <class S> struct gated_norm<Ref<S>> {
  static constexpr std::size_t workspace(int, int) { return 0; }

  static void forward(Ref<S> const&, GatedNorm const& f, Matrix<const S> y, Matrix<const S> z, const S* weight,
                      Matrix<S> out, Matrix<S> rstd) {
    using std::sqrt;
    const int n = y.cols() / f.groups;
    for (int r = 0; r < y.rows(); ++r)
      for (int g = 0; g < f.groups; ++g) {
        S squares(0);
        const auto u = [&](int c) { return f.gate_first ? y(r, c) * silu(z(r, c)) : y(r, c); };
        for (int c = g * n; c < (g + 1) * n; ++c) squares += u(c) * u(c);
        const S rs = S(1) / sqrt(squares / static_cast<S>(n) + S(f.eps));
        for (int c = g * n; c < (g + 1) * n; ++c)
          out(r, c) = weight[c] * (u(c) * rs) * (f.gate_first ? S(1) : silu(z(r, c)));
        if (rstd) rstd(r, g) = rs;
      }
  }

  static void backward(Ref<S> const&, GatedNorm const& f, Matrix<const S> y, Matrix<const S> z, const S* weight,
                       Matrix<const S> rstd, Matrix<const S> dout, Matrix<S> dy, Matrix<S> dz, S* dweight) {
    const int n = y.cols() / f.groups;
    for (int r = 0; r < y.rows(); ++r)
      for (int g = 0; g < f.groups; ++g) {
        const S rs = rstd(r, g);
        const auto u = [&](int c) { return f.gate_first ? y(r, c) * silu(z(r, c)) : y(r, c); };
        const auto d = [&](int c) { return f.gate_first ? dout(r, c) : dout(r, c) * silu(z(r, c)); };
        S sum(0);
        for (int c = g * n; c < (g + 1) * n; ++c) {
          sum += weight[c] * d(c) * u(c);
          if (dweight) dweight[c] += d(c) * u(c) * rs;
        }
        const S mean = sum * rs * rs / static_cast<S>(n);
        for (int c = g * n; c < (g + 1) * n; ++c) {
          const S du = rs * (weight[c] * d(c) - u(c) * mean), slope = activation_gradient(activation::silu, z(r, c));
          dz(r, c) = f.gate_first ? du * y(r, c) * slope : dout(r, c) * weight[c] * u(c) * rs * slope;
          dy(r, c) = f.gate_first ? du * silu(z(r, c)) : du;
        }
      }
  }

 private:
  static S silu(S x) { return activation_value(activation::silu, x); }
};

}  // namespace fauna::inline v0
