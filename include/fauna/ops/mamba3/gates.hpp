// The gates of a head of a sequence, in any scalar: numbers by the row, and sums of angles that wait for each other.
// constexpr, so that kernels may call them.
#pragma once
#include <cmath>
#include <type_traits>

#include <fauna/ops/mamba3/op.hpp>

namespace fauna::inline v0::mamba3_detail {

inline constexpr double pi = 3.14159265358979323846;

template <class S> constexpr S softplus(S x) {
  using std::exp, std::log;
  if (x > S(20)) return x + exp(-x);
  if constexpr (std::is_floating_point_v<S>) return std::log1p(exp(x));
  else return log(S(1) + exp(x));
}
template <class S> constexpr S sigmoid(S x) {
  using std::exp;
  return S(1) / (S(1) + exp(-x));
}
/// θ between -π and π, of which it is the same angle.
template <class S> constexpr S wrapped(S theta) {
  if constexpr (std::is_same_v<S, float>) {
    constexpr float magic = 12582912;  // 1.5 * 2^23: adding it rounds to an integer
    const float turns = (theta * static_cast<float>(0.5 / pi) + magic) - magic;
    return theta - turns * static_cast<float>(2 * pi);
  } else {
    return theta - S(2 * pi * std::nearbyint(static_cast<double>(theta) * (0.5 / pi)));
  }
}

/// A row's gates but for what they take from the row before.
template <class S> struct Gate {
  S step, step_slope, rate, rate_slope, fade, share;  ///< δ, dδ/d dt, A, dA/da, fade, λ
  constexpr Gate(S dt, S a, S trap) : step(softplus(dt)), step_slope(sigmoid(dt)), share(sigmoid(trap)) {
    using std::exp;
    rate = a < S(0) ? S(1) / (S(1) - a) : S(1) + a;
    rate_slope = a < S(0) ? rate * rate : S(1);
    if (rate < S(mamba3_floor)) rate = S(mamba3_floor), rate_slope = S(0);
    fade = exp(-step * rate);
  }
};

/// turns [R,K]: π tanh(angle).
template <class S>
constexpr void forward(Batch const& batch, Mamba3Shape const& n, int s, int h, Mamba3GateRows<const S> const& in,
                       Matrix<const S> turns, const S* dt_bias, Mamba3State<S> const& state,
                       Mamba3Gates<S> const& out) {
  const int first = batch.first(s), last = batch.last(s), K = n.angles, from = h * K;
  if (first == last) return;
  for (int t = first; t < last; ++t) {
    const int p = batch.continues(s, t);
    const bool entered = p == Batch::the_state && state.now;
    const Gate<S> g(in.dt(t, h) + dt_bias[h], in.a(t, h), in.trap(t, h));
    const S before = p >= 0 ? out.now(p, h) : entered ? state.now(s, h) : S(0);
    out.fade(t, h) = g.fade;
    out.now(t, h) = g.share * g.step;
    out.beta(t, h) = g.fade * (before + (S(1) - g.share) * g.step);
    S* const theta = out.theta.row(t) + from;
    const S *const turn = turns.row(t), *theta_before = p >= 0 ? out.theta.row(p) + from : nullptr;
    if (entered) theta_before = state.theta.row(s) + from;
    for (int i = 0; i < K; ++i) theta[i] = wrapped(g.step * turn[i] + (theta_before ? theta_before[i] : S(0)));
  }
  if (!state.now) return;
  state.now(s, h) = out.now(last - 1, h);
  for (int i = 0; i < K; ++i) state.theta(s, from + i) = out.theta(last - 1, from + i);
}

/// N [R,H] and T [R, H K]: memory for the gradients of now and θ. T is left as δ T, of which dangle is the sum over
/// heads times π (1 - tanh²).
template <class S>
constexpr void backward(Batch const& batch, Mamba3Shape const& n, int s, int h, Mamba3GateRows<const S> const& in,
                        Matrix<const S> turns, const S* dt_bias, Mamba3State<const S> const& entering,
                        Mamba3Gates<const S> const& out, Mamba3Gates<const S> const& dout, Mamba3GateRows<S> const& d,
                        S* ddt_bias, Mamba3State<S> const& dstate, Matrix<S> N, Matrix<S> T) {
  const int first = batch.first(s), last = batch.last(s), K = n.angles, from = h * K;
  if (first == last) return;
  for (int t = first; t < last; ++t) {
    N(t, h) = dout.now(t, h);
    for (int i = from; i < from + K; ++i) T(t, i) = dout.theta(t, i);
  }
  S into_now(0);
  if (dstate.now) {
    N(last - 1, h) += dstate.now(s, h);
    for (int i = from; i < from + K; ++i) T(last - 1, i) += dstate.theta(s, i), dstate.theta(s, i) = S(0);
  }
  for (int t = last - 1; t >= first; --t) {
    const int p = batch.continues(s, t);
    const Gate<S> g(in.dt(t, h) + dt_bias[h], in.a(t, h), in.trap(t, h));
    const S before = p >= 0 ? out.now(p, h) : p == Batch::the_state && entering.now ? entering.now(s, h) : S(0);
    const S rest = (S(1) - g.share) * g.step, of_rest = g.fade * dout.beta(t, h), of_now = N(t, h);
    const S of_log = g.fade * (dout.fade(t, h) + dout.beta(t, h) * (before + rest));
    if (p >= 0) N(p, h) += of_rest;
    else if (p == Batch::the_state) into_now += of_rest;

    S* const gradient = T.row(t) + from;
    S* const of_before = p >= 0                                  ? T.row(p) + from
                         : p == Batch::the_state && dstate.theta ? dstate.theta.row(s) + from
                                                                 : nullptr;
    const S* const turn = turns.row(t);
    S along(0);
    for (int i = 0; i < K; ++i) {
      along += turn[i] * gradient[i];
      if (of_before) of_before[i] += gradient[i];
      gradient[i] *= g.step;
    }
    const S of_step = g.share * of_now + (S(1) - g.share) * of_rest - g.rate * of_log + along;
    d.dt(t, h) = of_step * g.step_slope;
    d.a(t, h) = -g.step * of_log * g.rate_slope;
    d.trap(t, h) = g.share * (S(1) - g.share) * g.step * (of_now - of_rest);
    if (ddt_bias) ddt_bias[h] += d.dt(t, h);
  }
  if (dstate.now) dstate.now(s, h) = into_now;
}

}  // namespace fauna::inline v0::mamba3_detail
