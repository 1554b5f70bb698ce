#pragma once
#include <cmath>
#include <vector>

#include <fauna/ops/wkv6/op.hpp>

namespace fauna::inline v0 {

template <class S> struct wkv6<Ref<S>> {
  static constexpr std::size_t workspace(int, int) { return 0; }

  static void forward(Ref<S> const&, Batch const& batch, int N, Wkv6Rows<const S> in, const S* u, Matrix<S> state,
                      Matrix<S> y, Matrix<S> kept) {
    const int H = in.r.cols() / N;
    for (int q = 0; q < batch.sequences; ++q)
      for (int h = 0; h < H; ++h) {
        const int first = batch.first(q), last = batch.last(q);
        if (first == last) continue;
        const Square entering(state, (q * H + h) * N, N);
        if (kept) entering.write(kept, (wkv7_first_kept(batch, q) * H + h) * N);
        const std::vector<Square> after = states(batch, q, h, N, in, entering);
        for (int t = first; t < last; ++t) {
          Square const before = before_of(batch, q, t, N, entering, after);
          for (int j = 0; j < N; ++j) {
            y(t, h * N + j) = S(0);
            for (int i = 0; i < N; ++i) {
              const int I = h * N + i;
              y(t, h * N + j) += (before(i, j) + u[I] * in.k(t, I) * in.v(t, h * N + j)) * in.r(t, I);
            }
          }
        }
        if (state) after.back().write(state, (q * H + h) * N);
      }
  }

  static void backward(Ref<S> const&, Batch const& batch, int N, Wkv6Rows<const S> in, const S* u, Matrix<const S> kept,
                       Matrix<const S> dy, Wkv6Rows<S> d, S* du, Matrix<S> dstate) {
    using std::exp;
    const int H = in.r.cols() / N;
    for (int q = 0; q < batch.sequences; ++q)
      for (int h = 0; h < H; ++h) {
        const int first = batch.first(q), last = batch.last(q);
        if (first == last) continue;
        const Square entering(kept, (wkv7_first_kept(batch, q) * H + h) * N, N);
        const std::vector<Square> after = states(batch, q, h, N, in, entering);
        std::vector<Square> G(after.size(), Square(N));
        Square into(N);  // the gradient of the entering state
        G.back() = Square(dstate, (q * H + h) * N, N);
        for (int t = last - 1; t >= first; --t) {
          const int p = batch.continues(q, t);
          Square nobody(N);
          Square const before = before_of(batch, q, t, N, entering, after), g = G[at(t - first)];
          Square& g_before = p >= 0 ? G[at(p - first)] : p == Batch::the_state ? into : nobody;
          S beta(0), bonus(0);
          for (int j = h * N; j < (h + 1) * N; ++j) {
            beta += in.v(t, j) * dy(t, j);
            bonus += u[j] * in.r(t, j) * in.k(t, j);
          }
          for (int j = h * N; j < (h + 1) * N; ++j) d.v(t, j) = bonus * dy(t, j);
          for (int i = 0; i < N; ++i) {
            const int I = h * N + i;
            const S r = in.r(t, I), k = in.k(t, I), e = exp(decay(in, t, I)), w = exp(-e);
            S dr = beta * u[I] * k, dk = beta * u[I] * r, dw(0);
            for (int j = 0; j < N; ++j) {
              const int J = h * N + j;
              dr += before(i, j) * dy(t, J);
              dk += g(i, j) * in.v(t, J);
              dw += g(i, j) * before(i, j);
              d.v(t, J) += g(i, j) * k;
              g_before(i, j) += w * g(i, j) + r * dy(t, J);
            }
            d.r(t, I) = dr;
            d.k(t, I) = dk;
            if (!in.constant) d.d(t, I) = -e * w * dw;
            else if (d.d) d.d(0, I) += -e * w * dw;
            if (du) du[I] += beta * r * k;
          }
        }
        if (dstate) into.write(dstate, (q * H + h) * N);
      }
  }

 private:
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }
  static S decay(Wkv6Rows<const S> const& in, int t, int c) { return in.d(in.constant ? 0 : t, c); }

  class Square {
   public:
    explicit Square(int N) : N_(N), s_(at(N * N), S(0)) {}
    /// N rows from `row` on; zeros without memory.
    template <class E> Square(Matrix<E> from, int row, int N) : Square(N) {
      for (int i = 0; from && i < N; ++i)
        for (int j = 0; j < N; ++j) (*this)(i, j) = from(row + i, j);
    }
    void write(Matrix<S> to, int row) const {
      for (int i = 0; i < N_; ++i)
        for (int j = 0; j < N_; ++j) to(row + i, j) = (*this)(i, j);
    }
    S& operator()(int i, int j) { return s_[at(i * N_ + j)]; }
    S operator()(int i, int j) const { return s_[at(i * N_ + j)]; }

   private:
    int N_;
    std::vector<S> s_;
  };
  static Square before_of(Batch const& batch, int q, int t, int N, Square const& entering,
                          std::vector<Square> const& after) {
    const int p = batch.continues(q, t);
    return p >= 0 ? after[at(p - batch.first(q))] : p == Batch::the_state ? entering : Square(N);
  }
  /// The states of a head after each row of a sequence.
  static std::vector<Square> states(Batch const& batch, int q, int h, int N, Wkv6Rows<const S> in,
                                    Square const& entering) {
    using std::exp;
    std::vector<Square> after;
    for (int t = batch.first(q); t < batch.last(q); ++t) {
      Square s = before_of(batch, q, t, N, entering, after);
      for (int i = 0; i < N; ++i)
        for (int j = 0; j < N; ++j)
          s(i, j) = exp(-exp(decay(in, t, h * N + i))) * s(i, j) + in.k(t, h * N + i) * in.v(t, h * N + j);
      after.push_back(s);
    }
    return after;
  }
};

}  // namespace fauna::inline v0
