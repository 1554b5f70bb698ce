#pragma once
#include <vector>

#include <fauna/ops/recurrence/op.hpp>

namespace fauna::inline v0 {

template <Recurrence R, class S> struct recurrence<R, Ref<S>> {
  using Rows = RecurrenceRows<const S>;
  static constexpr std::size_t workspace(RecurrenceShape const&, int) { return 0; }

  static void forward(Ref<S> const&, Batch const& batch, RecurrenceShape const& n, Rows const& in, Matrix<S> state,
                      Matrix<S> y, Matrix<S> kept) {
    over_heads(batch, n, [&](int q, int h) {
      const Head head(n, in, h);
      const State entering = head.read(state, q * n.heads + h);
      if (kept) head.write(entering, kept, recurrence_first_kept(batch, q) * n.heads + h);
      const std::vector<State> after = head.states(batch, q, entering);
      for (int t = batch.first(q); t < batch.last(q); ++t) {
        const std::vector<S> o = head.read_out(after[at(t - batch.first(q))], t);
        const S by = R.normalised ? head.divisor(o.back(), t) : S(1);
        for (int j = 0; j < n.values; ++j) y(t, h * n.values + j) = o[at(j)] / by;
      }
      if (state) head.write(after.back(), state, q * n.heads + h);
    });
  }

  static void backward(Ref<S> const&, Batch const& batch, RecurrenceShape const& n, Rows const& in,
                       Matrix<const S> kept, Matrix<const S> dy, RecurrenceRows<S> const& d, Matrix<S> dstate) {
    over_heads(batch, n, [&](int q, int h) {
      const Head head(n, in, h);
      const int first = batch.first(q), last = batch.last(q), K = n.keys, C = head.columns;
      const State entering = head.read(kept, recurrence_first_kept(batch, q) * n.heads + h), zeros(at(K * C), S(0));
      const std::vector<State> after = head.states(batch, q, entering);
      std::vector<State> G(after.size(), zeros);
      State into = zeros;  // the gradient of the entering state
      G.back() = head.read(dstate, q * n.heads + h);
      for (int t = last - 1; t >= first; --t) {
        const int p = batch.continues(q, t);
        State &g = G[at(t - first)], nobody = zeros;
        State const& now = after[at(t - first)];
        State const& before = p >= 0 ? after[at(p - first)] : p == Batch::the_state ? entering : zeros;
        State& g_before = p >= 0 ? G[at(p - first)] : p == Batch::the_state ? into : nobody;
        const std::vector<S> dout = head.gradient_of_sums(now, t, dy, d);
        const S scale = S(static_cast<double>(n.scale)), beta = head.beta(t);
        for (int i = 0; i < K; ++i)
          for (int j = 0; j < C; ++j) {
            g[at(i * C + j)] += scale * head.q(t, i) * dout[at(j)];
            d.q(t, head.key + i) += scale * now[at(i * C + j)] * dout[at(j)];
          }
        State dF = g;
        for (int j = 0; j < C; ++j) {  // column by column: no sum crosses them but those into drows
          const auto column = [&](State& s, int i) -> S& { return s[at(i * C + j)]; };
          const auto s_before = [&](int i) { return before[at(i * C + j)]; };
          S du(0), e = head.v(t, j), r(0), dr(0);
          for (int i = 0; i < K; ++i) {
            du += column(g, i) * head.k(t, i);
            if (takes) e -= head.fade(t, i, j) * s_before(i) * head.taken(t, i);
            if (R.erase == erases::decoupled) r += s_before(i) * head.a(t, i), dr += column(g, i) * head.b(t, i);
          }
          const S dv = beta * du;
          if (j < n.values) d.v(t, h * n.values + j) += dv;
          if (R.strength) d.beta(t, h) += e * du;
          for (int i = 0; i < K; ++i) {
            S& of_k = d.k(t, head.key + i);
            of_k += column(g, i) * beta * e;
            if (takes) {
              S& of_taken = R.erase == erases::delta ? of_k : d.a(t, h * K + i);
              of_taken -= head.fade(t, i, j) * s_before(i) * dv;
              column(dF, i) -= head.taken(t, i) * dv;
            }
            if (R.erase == erases::decoupled) {
              d.b(t, h * K + i) += column(g, i) * r;
              d.a(t, h * K + i) += s_before(i) * dr;
              column(g_before, i) += head.a(t, i) * dr;
            }
            if (R.fade == fades::by_head) d.fade(t, h) += column(dF, i) * s_before(i);
            if (R.fade == fades::by_key) d.fade(t, h * K + i) += column(dF, i) * s_before(i);
            if (R.fade == fades::by_value) d.fade(t, h * n.values + j) += column(dF, i) * s_before(i);
            column(g_before, i) += head.fade(t, i, j) * column(dF, i);
          }
        }
      }
      if (dstate) head.write(into, dstate, q * n.heads + h);
    });
  }

 private:
  using State = std::vector<S>;  ///< K x columns, row by row
  /// Is something taken out of what has faded?
  static constexpr bool takes = R.erase == erases::delta || R.erase == erases::apart;
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }

  /// f(sequence, head) for each sequence with rows.
  template <class F> static void over_heads(Batch const& batch, RecurrenceShape const& n, F&& f) {
    for (int q = 0; q < batch.sequences; ++q)
      for (int h = 0; h < n.heads && batch.last(q) > batch.first(q); ++h) f(q, h);
  }

  struct Head {
    RecurrenceShape const& n;
    Rows const& in;
    int h, key, columns = recurrence_columns(R, n.values);  ///< key: the first column of its keys
    Head(RecurrenceShape const& shape, Rows const& rows, int head)
        : n(shape), in(rows), h(head), key(head / (shape.heads / shape.key_heads) * shape.keys) {}

    S q(int t, int i) const { return in.q(t, key + i); }
    S k(int t, int i) const { return in.k(t, key + i); }
    S v(int t, int j) const { return j < n.values ? in.v(t, h * n.values + j) : S(1); }
    S a(int t, int i) const { return in.a(t, h * n.keys + i); }
    S b(int t, int i) const { return in.b(t, h * n.keys + i); }
    S beta(int t) const { return R.strength ? in.beta(t, h) : S(1); }
    /// What is taken out stands under it.
    S taken(int t, int i) const { return R.erase == erases::delta ? k(t, i) : a(t, i); }
    S fade(int t, int i, int j) const {
      if (R.fade == fades::by_value) return in.fade(t, h * n.values + j);
      if (R.fade == fades::by_head) return in.fade(t, h);
      if (R.fade == fades::by_key) return in.fade(t, h * n.keys + i);
      return R.fade == fades::fixed ? S(static_cast<double>(n.fixed[h])) : S(1);
    }

    /// The state that stands there; zeros without memory.
    template <class E> State read(Matrix<E> from, int place) const {
      State s(at(n.keys * columns), S(0));
      for (int i = 0; from && i < n.keys; ++i)
        for (int j = 0; j < columns; ++j) s[at(i * columns + j)] = from(place * n.keys + i, j);
      return s;
    }
    void write(State const& s, Matrix<S> to, int place) const {
      for (int i = 0; i < n.keys; ++i)
        for (int j = 0; j < columns; ++j) to(place * n.keys + i, j) = s[at(i * columns + j)];
    }
    /// The states after each row of a sequence.
    std::vector<State> states(Batch const& batch, int sequence, State const& entering) const {
      std::vector<State> after;
      const int first = batch.first(sequence), K = n.keys;
      for (int t = first; t < batch.last(sequence); ++t) {
        const int p = batch.continues(sequence, t);
        const State before = p >= 0                  ? after[at(p - first)]
                             : p == Batch::the_state ? entering
                                                     : State(at(K * columns), S(0));
        State s = before;
        for (int j = 0; j < columns; ++j) {
          S e = v(t, j), r(0);
          for (int i = 0; i < K; ++i) {
            S& f = s[at(i * columns + j)];
            if (R.erase == erases::decoupled) r += f * a(t, i);
            f = fade(t, i, j) * f;
            if (takes) e -= f * taken(t, i);
          }
          for (int i = 0; i < K; ++i) {
            s[at(i * columns + j)] += k(t, i) * beta(t) * e;
            if (R.erase == erases::decoupled) s[at(i * columns + j)] += b(t, i) * r;
          }
        }
        after.push_back(s);
      }
      return after;
    }
    /// s Sᵀ q, the normaliser's column last.
    std::vector<S> read_out(State const& s, int t) const {
      std::vector<S> o(at(columns), S(0));
      for (int i = 0; i < n.keys; ++i)
        for (int j = 0; j < columns; ++j)
          o[at(j)] += S(static_cast<double>(n.scale)) * s[at(i * columns + j)] * q(t, i);
      return o;
    }
    bool bounded(S sum, int t) const { return (sum < S(0) ? -sum : sum) < in.least(t, h); }
    S divisor(S sum, int t) const { return bounded(sum, t) ? in.least(t, h) : sum < S(0) ? -sum : sum; }
    /// The gradient of s Sᵀ q; with that of what else divides.
    std::vector<S> gradient_of_sums(State const& s, int t, Matrix<const S> dy, RecurrenceRows<S> const& d) const {
      std::vector<S> g(at(columns), S(0));
      for (int j = 0; j < n.values; ++j) g[at(j)] = dy(t, h * n.values + j);
      if constexpr (R.normalised) {
        const std::vector<S> o = read_out(s, t);
        const S sum = o.back(), by = divisor(sum, t);
        S of_divisor(0);
        for (int j = 0; j < n.values; ++j) {
          of_divisor -= g[at(j)] * o[at(j)] / (by * by);
          g[at(j)] = g[at(j)] / by;
        }
        if (bounded(sum, t)) d.least(t, h) += of_divisor;
        else g.back() = sum < S(0) ? -of_divisor : of_divisor;
      }
      return g;
    }
  };
};

}  // namespace fauna::inline v0
