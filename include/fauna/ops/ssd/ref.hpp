#pragma once
#include <cmath>
#include <vector>

#include <fauna/ops/ssd/op.hpp>

namespace fauna::inline v0 {

template <class S> struct ssd<Ref<S>> {
  static constexpr std::size_t workspace(SsdSizes const&, int, int, int, bool) { return 0; }

  static void forward(Ref<S> const&, Batch const& batch, SsdSizes const& z, SsdRows<const S> in, SsdHeads<const S> v,
                      Matrix<S> state, Matrix<S> y, Matrix<S> kept) {
    for (int q = 0; q < batch.sequences; ++q)
      for (int h = 0; h < z.heads; ++h) {
        const int first = batch.first(q), last = batch.last(q), own = (q * z.heads + h) * z.states;
        if (first == last) continue;
        const Numbers entering = read(state, own, z);
        if (kept) write(entering, kept, (ssd_first_kept(batch, q) * z.heads + h) * z.states, z);
        const std::vector<Numbers> after = states(batch, q, h, z, in, v, entering);
        for (int t = first; t < last; ++t)
          for (int p = 0; p < z.size; ++p) {
            y(t, h * z.size + p) = v.D[h] * in.x(t, h * z.size + p);
            for (int n = 0; n < z.states; ++n)
              y(t, h * z.size + p) += in.c(t, column(z, h, n)) * after[at(t - first)][at(n * z.size + p)];
          }
        if (state) write(after.back(), state, own, z);
      }
  }

  static void backward(Ref<S> const&, Batch const& batch, SsdSizes const& z, SsdRows<const S> in, SsdHeads<const S> v,
                       Matrix<const S> kept, Matrix<const S> dy, SsdRows<S> d, SsdHeads<S> dv, Matrix<S> dstate) {
    using std::exp;
    for (int t = 0; t < batch.rows; ++t)
      for (int i = 0; i < z.groups * z.states; ++i) d.b(t, i) = d.c(t, i) = S(0);
    for (int q = 0; q < batch.sequences; ++q)
      for (int h = 0; h < z.heads; ++h) {
        const int first = batch.first(q), last = batch.last(q), own = (q * z.heads + h) * z.states;
        if (first == last) continue;
        const S A = -exp(v.A_log[h]);
        const Numbers entering = read(kept, (ssd_first_kept(batch, q) * z.heads + h) * z.states, z),
                      zeros(entering.size(), S(0));
        const std::vector<Numbers> after = states(batch, q, h, z, in, v, entering);
        std::vector<Numbers> G(after.size(), zeros);
        Numbers into = zeros;  // the gradient of the entering state
        G.back() = read(dstate, own, z);
        for (int t = last - 1; t >= first; --t) {
          const int p = batch.continues(q, t);
          Numbers &g = G[at(t - first)], nobody = zeros;
          Numbers const& now = after[at(t - first)];
          Numbers const& before = p >= 0 ? after[at(p - first)] : p == Batch::the_state ? entering : zeros;
          Numbers& g_before = p >= 0 ? G[at(p - first)] : p == Batch::the_state ? into : nobody;
          const S step = softplus(in.dt(t, h) + v.dt_bias[h]), decay = exp(step * A);
          S d_step(0), d_log(0);  // of δ, and of δ A
          for (int i = 0; i < z.size; ++i) {
            const int I = h * z.size + i;
            S dX(0);
            for (int n = 0; n < z.states; ++n) {
              const int J = column(z, h, n);
              const std::size_t e = at(n * z.size + i);
              g[e] += in.c(t, J) * dy(t, I);
              d.c(t, J) += now[e] * dy(t, I);
              d.b(t, J) += g[e] * step * in.x(t, I);
              dX += g[e] * in.b(t, J);
              d_log += g[e] * decay * before[e];
              g_before[e] += decay * g[e];
            }
            d.x(t, I) = v.D[h] * dy(t, I) + step * dX;
            d_step += dX * in.x(t, I);
            if (dv.D) dv.D[h] += dy(t, I) * in.x(t, I);
          }
          d_step += d_log * A;
          d.dt(t, h) = d_step / (S(1) + exp(-in.dt(t, h) - v.dt_bias[h]));
          if (dv.A_log) dv.A_log[h] += d_log * step * A;
          if (dv.dt_bias) dv.dt_bias[h] += d.dt(t, h);
        }
        if (dstate) write(into, dstate, own, z);
      }
  }

 private:
  using Numbers = std::vector<S>;  ///< a state, N x P, row by row
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }
  /// Where a head's n-th number of B and C is.
  static int column(SsdSizes const& z, int h, int n) { return h / (z.heads / z.groups) * z.states + n; }
  static S softplus(S x) {
    using std::exp, std::log;
    return x > S(20) ? x : log(S(1) + exp(x));
  }

  /// N rows from `row` on; zeros without memory.
  template <class E> static Numbers read(Matrix<E> from, int row, SsdSizes const& z) {
    Numbers s(at(z.states * z.size), S(0));
    for (int n = 0; from && n < z.states; ++n)
      for (int p = 0; p < z.size; ++p) s[at(n * z.size + p)] = from(row + n, p);
    return s;
  }
  static void write(Numbers const& s, Matrix<S> to, int row, SsdSizes const& z) {
    for (int n = 0; n < z.states; ++n)
      for (int p = 0; p < z.size; ++p) to(row + n, p) = s[at(n * z.size + p)];
  }
  /// The states of a head after each row of a sequence.
  static std::vector<Numbers> states(Batch const& batch, int q, int h, SsdSizes const& z, SsdRows<const S> in,
                                     SsdHeads<const S> v, Numbers const& entering) {
    using std::exp;
    std::vector<Numbers> after;
    const Numbers zeros(entering.size(), S(0));
    const int first = batch.first(q);
    for (int t = first; t < batch.last(q); ++t) {
      const int p = batch.continues(q, t);
      Numbers s = p >= 0 ? after[at(p - first)] : p == Batch::the_state ? entering : zeros;
      const S step = softplus(in.dt(t, h) + v.dt_bias[h]), decay = exp(step * -exp(v.A_log[h]));
      for (int n = 0; n < z.states; ++n)
        for (int i = 0; i < z.size; ++i) {
          S& e = s[at(n * z.size + i)];
          e = decay * e + in.b(t, column(z, h, n)) * (step * in.x(t, h * z.size + i));
        }
      after.push_back(s);
    }
    return after;
  }
};

}  // namespace fauna::inline v0
