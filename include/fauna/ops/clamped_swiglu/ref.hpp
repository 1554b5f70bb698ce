#pragma once
#include <cmath>

#include <fauna/ops/clamped_swiglu/op.hpp>

namespace fauna::inline v0 {

template <class S> struct clamped_swiglu<Ref<S>> {
  static void forward(Ref<S> const&, ClampedGate const& how, Matrix<const S> x, Matrix<S> y) {
    const int C = y.cols();
    for (int r = 0; r < y.rows(); ++r)
      for (int c = 0; c < C; ++c) {
        const Clamped at(how, x(r, c), x(r, C + c));
        y(r, c) = at.g * at.s * (at.u + S(1));
      }
  }
  static void backward(Ref<S> const&, ClampedGate const& how, Matrix<const S> x, Matrix<const S> dy, Matrix<S> dx) {
    const int C = dy.cols();
    for (int r = 0; r < dy.rows(); ++r)
      for (int c = 0; c < C; ++c) {
        const S g = x(r, c), u = x(r, C + c), limit = static_cast<S>(how.limit), slope = static_cast<S>(how.slope);
        const Clamped at(how, g, u);
        const S d_gate = dy(r, c) * (at.u + S(1)) * at.s * (S(1) + slope * at.g * (S(1) - at.s));
        dx(r, C + c) = u > limit || u < -limit ? S(0) : dy(r, c) * at.g * at.s;
        dx(r, c) = g > limit ? S(0) : d_gate;
      }
  }

 private:
  struct Clamped {
    S g, u, s;
    Clamped(ClampedGate const& how, S gate, S up) {
      using std::exp;
      const S limit = static_cast<S>(how.limit), least = -limit;
      g = gate > limit ? limit : gate;
      u = up > limit ? limit : up < least ? least : up;
      s = S(1) / (S(1) + exp(-(static_cast<S>(how.slope) * g)));
    }
  };
};

}  // namespace fauna::inline v0
