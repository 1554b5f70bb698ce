#pragma once
#include <cmath>
#include <vector>

#include <fauna/ops/wkv4/op.hpp>

namespace fauna::inline v0 {

template <class S> struct wkv4<Ref<S>> {
  using Parameters = const S*;

  static void forward(Ref<S> const&, Batch const& batch, Wkv4Rows<const S> in, Parameters decay, Parameters first,
                      Matrix<S> state, Matrix<S> y, Matrix<S> kept) {
    using std::exp;
    for (int c = 0; c < y.cols(); ++c)
      for (int q = 0; q < batch.sequences; ++q) {
        const int from = batch.first(q), to = batch.last(q);
        std::vector<State> after;
        for (int t = from; t < to; ++t) {
          const int p = batch.continues(q, t);
          const State s = p >= 0                  ? after[static_cast<std::size_t>(p - from)]
                          : p == Batch::the_state ? State(state, q, c)
                                                  : State();
          const S k = in.k(t, c), v = in.v(t, c);
          const Pair now(s.p, first[c] + k), next(s.p - exp(decay[c]), k);
          y(t, c) = (now.old * s.a + now.own * v) / (now.old * s.b + now.own) / (S(1) + exp(-in.r(t, c)));
          after.push_back({next.old * s.a + next.own * v, next.old * s.b + next.own, next.most});
          if (kept) after.back().write(kept, t, c);
        }
        if (state && from < to) after.back().write(state, q, c);
      }
  }

  static void backward(Ref<S> const&, Batch const& batch, Wkv4Rows<const S> in, Parameters decay, Parameters first,
                       Matrix<const S> entering, Matrix<const S> kept, Matrix<const S> dy, Wkv4Rows<S> d, S* ddecay,
                       S* dfirst, Matrix<S> dstate) {
    using std::exp;
    for (int c = 0; c < dy.cols(); ++c)
      for (int q = 0; q < batch.sequences; ++q) {
        const int from = batch.first(q), to = batch.last(q);
        if (from == to) continue;
        std::vector<State> G(static_cast<std::size_t>(to - from), State(0));
        State into(0), nobody(0);
        if (dstate) G.back() = State(dstate, q, c, false);
        for (int t = to - 1; t >= from; --t) {
          const int p = batch.continues(q, t);
          const State s = p >= 0 ? State(kept, p, c) : p == Batch::the_state ? State(entering, q, c) : State();
          State const g = G[static_cast<std::size_t>(t - from)];
          State& to_before = p >= 0 ? G[static_cast<std::size_t>(p - from)] : p == Batch::the_state ? into : nobody;
          const S w = -exp(decay[c]), k = in.k(t, c), v = in.v(t, c), sr = S(1) / (S(1) + exp(-in.r(t, c)));
          const Pair now(s.p, first[c] + k), next(s.p + w, k);
          const S below = now.old * s.b + now.own, mean = (now.old * s.a + now.own * v) / below;
          // Of the mean's numerator and denominator, and of the two exponents in it.
          const S dn = dy(t, c) * sr / below, dm = -dn * mean;
          const S d_old = (dn * s.a + dm * s.b) * now.old, d_own = (dn * v + dm) * now.own;
          // Of the exponents in the state; the larger one is also the leaving p.
          S n_old = (g.a * s.a + g.b * s.b) * next.old, n_own = (g.a * v + g.b) * next.own;
          (next.old_is_most ? n_old : n_own) += g.p - (n_old + n_own);
          d.r(t, c) = dy(t, c) * mean * sr * (S(1) - sr);
          d.k(t, c) = d_own + n_own;
          d.v(t, c) = dn * now.own + g.a * next.own;
          if (dfirst) dfirst[c] += d_own;
          if (ddecay) ddecay[c] += n_old * w;
          to_before.a += dn * now.old + g.a * next.old;
          to_before.b += dm * now.old + g.b * next.old;
          to_before.p += d_old + n_old;
        }
        if (dstate) into.write(dstate, q, c);
      }
  }

 private:
  /// e^{x - q} and e^{y - q} with q the larger of both. (The derivative of q is what cancels in a quotient.)
  struct Pair {
    bool old_is_most;
    S most, old, own;
    Pair(S x, S y) : old_is_most(x > y), most(old_is_most ? x : y), old(power(x)), own(power(y)) {}

   private:
    S power(S x) const {
      using std::exp;
      return exp(x - most);
    }
  };
  struct State {
    S a{}, b{}, p{};
    State() : p(wkv4_nothing) {}
    explicit State(int) {}
    State(S a_, S b_, S p_) : a(a_), b(b_), p(p_) {}
    /// Rows 3 i to 3 i + 2; without memory, what has seen nothing. A gradient is as it is.
    template <class E> State(Matrix<E> m, int i, int c, bool value = true) : State() {
      if (!m) return;
      a = m(3 * i, c), b = m(3 * i + 1, c);
      if (!value || b != S(0)) p = m(3 * i + 2, c);
    }
    void write(Matrix<S> m, int i, int c) const { m(3 * i, c) = a, m(3 * i + 1, c) = b, m(3 * i + 2, c) = p; }
  };
};

}  // namespace fauna::inline v0
