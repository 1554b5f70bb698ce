#pragma once
#include <vector>

#include <fauna/ops/wkv7/op.hpp>

namespace fauna::inline v0 {

template <class S> struct wkv7<Ref<S>> {
  static constexpr std::size_t workspace(int, int) { return 0; }

  static void forward(Ref<S> const&, Batch const& batch, int N, Wkv7Rows<const S> in, Matrix<S> state, Matrix<S> y,
                      Matrix<S> kept) {
    const int H = in.r.cols() / N;
    for (int q = 0; q < batch.sequences; ++q)
      for (int h = 0; h < H; ++h) {
        const int first = batch.first(q), last = batch.last(q);
        if (first == last) continue;
        const Square entering = read(state, (q * H + h) * N, N);
        if (kept) write(entering, kept, (wkv7_first_kept(batch, q) * H + h) * N, N);
        const std::vector<Square> after = states(batch, q, h, N, in, entering);
        for (int t = first; t < last; ++t)
          for (int i = 0; i < N; ++i) {
            y(t, h * N + i) = S(0);
            for (int j = 0; j < N; ++j) y(t, h * N + i) += after[at(t - first)][at(i * N + j)] * in.r(t, h * N + j);
          }
        if (state) write(after.back(), state, (q * H + h) * N, N);
      }
  }

  static void backward(Ref<S> const&, Batch const& batch, int N, Wkv7Rows<const S> in, Matrix<const S> kept,
                       Matrix<const S> dy, Wkv7Rows<S> d, Matrix<S> dstate) {
    const int H = in.r.cols() / N;
    for (int q = 0; q < batch.sequences; ++q)
      for (int h = 0; h < H; ++h) {
        const int first = batch.first(q), last = batch.last(q);
        if (first == last) continue;
        const Square entering = read(kept, (wkv7_first_kept(batch, q) * H + h) * N, N), zeros(at(N * N), S(0));
        const std::vector<Square> after = states(batch, q, h, N, in, entering);
        std::vector<Square> G(after.size(), zeros);
        Square into = zeros;  // the gradient of the entering state
        G.back() = read(dstate, (q * H + h) * N, N);
        for (int t = last - 1; t >= first; --t) {
          const int p = batch.continues(q, t);
          Square &g = G[at(t - first)], nobody = zeros;
          Square const& now = after[at(t - first)];
          Square const& before = p >= 0 ? after[at(p - first)] : p == Batch::the_state ? entering : zeros;
          Square& g_before = p >= 0 ? G[at(p - first)] : p == Batch::the_state ? into : nobody;
          for (int i = 0; i < N; ++i) {
            const int I = h * N + i;
            S sa(0), gb(0);
            for (int j = 0; j < N; ++j) {
              const std::size_t e = at(i * N + j);
              const int J = h * N + j;
              g[e] += dy(t, I) * in.r(t, J);
              sa += before[e] * in.a(t, J);
              gb += g[e] * in.b(t, J);
            }
            for (int j = 0; j < N; ++j) {
              const std::size_t e = at(i * N + j);
              const int J = h * N + j;
              d.r(t, J) += now[e] * dy(t, I);
              d.w(t, J) += g[e] * before[e];
              d.k(t, J) += g[e] * in.v(t, I);
              d.v(t, I) += g[e] * in.k(t, J);
              d.b(t, J) += g[e] * sa;
              d.a(t, J) += before[e] * gb;
              g_before[e] += g[e] * in.w(t, J) + gb * in.a(t, J);
            }
          }
        }
        if (dstate) write(into, dstate, (q * H + h) * N, N);
      }
  }

 private:
  using Square = std::vector<S>;  ///< N x N, row by row
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }

  /// N rows from `row` on; zeros without memory.
  template <class E> static Square read(Matrix<E> from, int row, int N) {
    Square s(at(N * N), S(0));
    for (int i = 0; from && i < N; ++i)
      for (int j = 0; j < N; ++j) s[at(i * N + j)] = from(row + i, j);
    return s;
  }
  static void write(Square const& s, Matrix<S> to, int row, int N) {
    for (int i = 0; i < N; ++i)
      for (int j = 0; j < N; ++j) to(row + i, j) = s[at(i * N + j)];
  }
  /// The states of a head after each row of a sequence.
  static std::vector<Square> states(Batch const& batch, int q, int h, int N, Wkv7Rows<const S> in,
                                    Square const& entering) {
    std::vector<Square> after;
    const Square zeros(at(N * N), S(0));
    const int first = batch.first(q);
    for (int t = first; t < batch.last(q); ++t) {
      const int p = batch.continues(q, t);
      Square s = p >= 0 ? after[at(p - first)] : p == Batch::the_state ? entering : zeros;
      for (int i = 0; i < N; ++i) {
        S sa(0);
        for (int j = 0; j < N; ++j) sa += s[at(i * N + j)] * in.a(t, h * N + j);
        for (int j = 0; j < N; ++j) {
          const int J = h * N + j;
          S& e = s[at(i * N + j)];
          e = e * in.w(t, J) + sa * in.b(t, J) + in.v(t, h * N + i) * in.k(t, J);
        }
      }
      after.push_back(s);
    }
    return after;
  }
};

}  // namespace fauna::inline v0
