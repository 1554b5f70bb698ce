#pragma once
#include <vector>

#include <fauna/backend/cpu.hpp>
#include <fauna/backend/simd.hpp>
#include <fauna/ops/wkv4/op.hpp>

namespace fauna::inline v0 {

/// Lanes are columns, and time is innermost, so that a tile of the state stays in registers. Threads own columns.
template <class P, isa T, unsigned Tag> struct wkv4<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  using number = typename B::scalar;  ///< float: a name that costs no instantiation before it is used
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;

  static void forward(B const& b, Batch const& batch, Wkv4Rows<const number> in, const float* decay, const float* first,
                      Matrix<float> state, Matrix<float> y, Matrix<float> kept) {
    over_columns(b, in.k, [&](At at) {
      vec w, u;
      at.get(u, first);
      rate(w, at, decay);
      for (int q = 0; q < batch.sequences; ++q) {
        const int from = batch.first(q), to = batch.last(q);
        if (from == to) continue;
        // Only in a tree does a row continue another one than the last.
        std::vector<State> own(batch.parent && !kept ? static_cast<std::size_t>(to - from) : 0);
        State s;
        for (int t = from; t < to; ++t) {
          const int p = batch.continues(q, t);
          if (p == Batch::nothing) s = State{};
          else if (p == Batch::the_state) s = at.state(reading(state), q);
          else if (p != t - 1) s = kept ? at.state(reading(kept), p) : own[static_cast<std::size_t>(p - from)];
          vec r, k, v, mean;
          at.get(r, in.r.row(t)), at.get(k, in.k.row(t)), at.get(v, in.v.row(t));
          Pair now, next;
          now.of(s.p, u + k);
          next.of(s.p + w, k);
          mean = (now.old * s.a + now.own * v) / (now.old * s.b + now.own);
          sigmoid(r);
          at.put(y.row(t), mean * r);
          s.a = next.old * s.a + next.own * v;
          s.b = next.old * s.b + next.own;
          s.p = next.most;
          if (kept) at.put(kept, t, s);
          else if (batch.parent) own[static_cast<std::size_t>(t - from)] = s;
        }
        if (state) at.put(state, q, s);
      }
    });
  }

  static void backward(B const& b, Batch const& batch, Wkv4Rows<const number> in, const float* decay,
                       const float* first, Matrix<const float> entering, Matrix<const float> kept,
                       Matrix<const float> dy, Wkv4Rows<number> d, float* ddecay, float* dfirst, Matrix<float> dstate) {
    const State none{vec{}, vec{}, vec{}};
    over_columns(b, in.k, [&](At at) {
      vec w, u, of_decay{}, of_first{};
      at.get(u, first);
      rate(w, at, decay);
      for (int q = 0; q < batch.sequences; ++q) {
        const int from = batch.first(q), to = batch.last(q);
        if (from == to) continue;
        // The gradients of the states after a row; but for a tree, each takes the place of the one after.
        std::vector<State> all(batch.parent ? static_cast<std::size_t>(to - from) : 1, none);
        const auto of = [&](int t) -> State& { return all[batch.parent ? static_cast<std::size_t>(t - from) : 0]; };
        State into = none;
        if (dstate) of(to - 1) = at.plain(reading(dstate), q);
        for (int t = to - 1; t >= from; --t) {
          const int p = batch.continues(q, t);
          const State g = of(t), s = p >= 0                  ? at.state(kept, p)
                                     : p == Batch::the_state ? at.state(entering, q)
                                                             : State{};
          vec r, k, v, dout;
          at.get(r, in.r.row(t)), at.get(k, in.k.row(t)), at.get(v, in.v.row(t)), at.get(dout, dy.row(t));
          Pair now, next;
          now.of(s.p, u + k);
          next.of(s.p + w, k);
          sigmoid(r);
          const vec below = now.old * s.b + now.own, mean = (now.old * s.a + now.own * v) / below;
          // Of the mean's numerator and denominator, and of the two exponents in it.
          const vec dn = dout * r / below, dm = -dn * mean;
          const vec d_old = (dn * s.a + dm * s.b) * now.old, d_own = (dn * v + dm) * now.own;
          // Of the exponents in the state; the larger one is also the leaving p.
          const vec m_old = (g.a * s.a + g.b * s.b) * next.old, m_own = (g.a * v + g.b) * next.own,
                    rest = g.p - (m_old + m_own);
          const vec n_old = next.difference > 0 ? m_old + rest : m_old,
                    n_own = next.difference > 0 ? m_own : m_own + rest;
          at.put(d.r.row(t), dout * mean * r * (1.0F - r));
          at.put(d.k.row(t), d_own + n_own);
          at.put(d.v.row(t), dn * now.own + g.a * next.own);
          of_first += d_own;
          of_decay += n_old * w;
          const State before{dn * now.old + g.a * next.old, dm * now.old + g.b * next.old, d_old + n_old};
          if (p == Batch::the_state) into.add(before);
          else if (batch.parent && p >= 0) of(p).add(before);
          else if (!batch.parent) of(t) = p >= 0 ? before : none;
        }
        if (dstate) at.put(dstate, q, into);
      }
      if (ddecay) at.add(ddecay, of_decay);
      if (dfirst) at.add(dfirst, of_first);
    });
  }

 private:
  struct State {
    vec a{}, b{}, p = vec{} + wkv4_nothing;
    void add(State const& s) { a += s.a, b += s.b, p += s.p; }
  };
  /// e^{x - q} and e^{y - q} with q the larger of both: one of them is 1.
  struct Pair {
    vec difference, most, old, own;
    void of(vec const& x, vec const& y) {
      const vec one = vec{} + 1.0F;
      difference = x - y;
      most = difference > 0 ? x : y;
      vec e;
      simd::exp<W>(e, difference > 0 ? -difference : difference);
      old = difference > 0 ? one : e;
      own = difference > 0 ? e : one;
    }
  };
  /// Up to W columns.
  struct At {
    int c, lanes;
    void get(vec& v, const float* row) const { simd::get<W>(v, row + c, lanes); }
    void put(float* row, vec const& v) const { simd::put<W>(row + c, v, lanes); }
    void add(float* row, vec const& v) const {
      vec sum;
      get(sum, row);
      put(row, sum + v);
    }
    /// Rows 3 i to 3 i + 2.
    State plain(Matrix<const float> m, int i) const {
      State s;
      get(s.a, m.row(3 * i)), get(s.b, m.row(3 * i + 1)), get(s.p, m.row(3 * i + 2));
      return s;
    }
    /// The same as a state: without memory, or where b is 0, it has seen nothing.
    State state(Matrix<const float> m, int i) const {
      State s;
      if (!m) return s;
      s = plain(m, i);
      s.p = s.b == 0.0F ? vec{} + wkv4_nothing : s.p;
      return s;
    }
    void put(Matrix<float> m, int i, State const& s) const {
      put(m.row(3 * i), s.a), put(m.row(3 * i + 1), s.b), put(m.row(3 * i + 2), s.p);
    }
  };
  static void sigmoid(vec& x) {
    simd::exp<W>(x, -x);
    x = 1.0F / (1.0F + x);
  }
  /// w = -e^{decay}
  static void rate(vec& w, At at, const float* decay) {
    at.get(w, decay);
    simd::exp<W>(w, w);
    w = -w;
  }
  template <class F> static void over_columns(B const& b, Matrix<const float> rows, F&& f) {
    const int tiles = (rows.cols() + W - 1) / W;
    parallel_for(b.threads, tiles, 1 + 256 / (rows.rows() + 1), [&](int from, int to) {
      for (int c = from * W; c < rows.cols() && c < to * W; c += W) f(At{c, rows.cols() - c < W ? rows.cols() - c : W});
    });
  }
};

}  // namespace fauna::inline v0
