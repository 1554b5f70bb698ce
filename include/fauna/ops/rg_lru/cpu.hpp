#pragma once
#include <cmath>

#include <fauna/backend/cpu.hpp>
#include <fauna/backend/simd.hpp>
#include <fauna/ops/rg_lru/op.hpp>

namespace fauna::inline v0 {

/// Lanes are channels, which never meet. Threads own blocks of them, time runs innermost.
template <class P, isa T, unsigned Tag> struct rg_lru<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;
  using Rows = RgLruRows<const typename B::scalar>;

  /// The gradients of all h.
  static constexpr std::size_t workspace(int rows, int cols) {
    return aligned(static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols) * sizeof(float));
  }

  static void forward(B const& b, Batch const& batch, Rows const& in, const float* lambda, Matrix<float> state,
                      Matrix<float> h) {
    over(b, batch, h.cols(), [&](int q, int c, int n) {
      vec rates, x, before{}, now{};
      rates_of(rates, lambda + c, n);
      for (int t = batch.first(q); t < batch.last(q); ++t) {
        const Gates g(batch, q, t, in, rates, c, n);
        simd::get<W>(x, in.x.row(t) + c, n);
        load(before, batch.continues(q, t), q, c, n, h, state);
        now = g.a * before + g.g * g.i * x;
        simd::put<W>(h.row(t) + c, now, n);
      }
      if (state) simd::put<W>(state.row(q) + c, now, n);
    });
  }
  static void backward(B const& b, Batch const& batch, Rows const& in, const float* lambda,
                       Matrix<const float> entering, Matrix<const float> h, Matrix<const float> dh,
                       RgLruRows<typename B::scalar> const& d, float* dlambda, Matrix<float> dstate) {
    Scope scope(*b.scratch);
    const Matrix<float> H = b.scratch->template take_view<float, dyn, dyn>(h.rows(), h.cols());
    over(b, batch, h.cols(), [&](int q, int c, int n) {
      vec rates, slope, sum{}, v, x, before, into{};
      rates_of(rates, lambda + c, n);
      const int first = batch.first(q), last = batch.last(q);
      for (int t = first; t < last; ++t) {
        simd::get<W>(v, dh.row(t) + c, n);
        if (t == last - 1 && dstate) {
          simd::get<W>(x, dstate.row(q) + c, n);
          v += x;
        }
        simd::put<W>(H.row(t) + c, v, n);
      }
      for (int t = last - 1; t >= first; --t) {
        const Gates g(batch, q, t, in, rates, c, n);
        const int p = batch.continues(q, t);
        simd::get<W>(v, H.row(t) + c, n);
        simd::get<W>(x, in.x.row(t) + c, n);
        simd::put<W>(d.x.row(t) + c, v * g.g * g.i, n);
        simd::put<W>(d.i.row(t) + c, v * g.g * x * g.i * (1.0F - g.i), n);
        load(before, p, q, c, n, h, entering);
        // 1 / g; where a text begins a is 0, and so is all that follows
        vec steep = g.g * rg_lru_steepest < 1.0F ? vec{} + rg_lru_steepest : 1.0F / g.g;
        const vec dl = g.a * v * (before - g.i * x * g.a * steep);
        simd::put<W>(d.r.row(t) + c, dl * rates * g.r * (1.0F - g.r), n);
        sum += dl * g.r;
        if (p >= 0) {
          simd::get<W>(before, H.row(p) + c, n);
          simd::put<W>(H.row(p) + c, before + g.a * v, n);
        } else if (p == Batch::the_state) {
          into += g.a * v;
        }
      }
      if (dstate) simd::put<W>(dstate.row(q) + c, into, n);
      if (dlambda == nullptr) return;
      simd::get<W>(slope, lambda + c, n);
      sigmoid(slope);
      simd::get<W>(v, dlambda + c, n);
      simd::put<W>(dlambda + c, v - rg_lru_sharpness * sum * slope, n);
    });
  }

 private:
  /// f(sequence, first channel, channels) for sequences with rows; those of a channel by one thread, in order.
  template <class F> static void over(B const& b, Batch const& batch, int cols, F&& f) {
    parallel_for(b.threads, (cols + W - 1) / W, 1 + 512 / (batch.rows + 1), [&](int from, int to) {
      for (int i = from; i < to; ++i)
        for (int q = 0; q < batch.sequences; ++q)
          if (batch.last(q) > batch.first(q)) f(q, i * W, cols - i * W < W ? cols - i * W : W);
    });
  }
  static void sigmoid(vec& x) {
    simd::exp<W>(x, -x);
    x = 1.0F / (1.0F + x);
  }
  /// -8 softplus(Λ)
  static void rates_of(vec& rates, const float* lambda, int n) {
    float each[W]{};
    for (int i = 0; i < n; ++i)
      each[i] = -rg_lru_sharpness * (lambda[i] > 20 ? lambda[i] : std::log1p(std::exp(lambda[i])));
    simd::load<W>(rates, each);
  }
  struct Gates {
    vec i, r, a{}, g;
    Gates(Batch const& batch, int q, int t, Rows const& in, vec const& rates, int c, int n) : g(vec{} + 1.0F) {
      simd::get<W>(i, in.i.row(t) + c, n);
      simd::get<W>(r, in.r.row(t) + c, n);
      sigmoid(i);
      sigmoid(r);
      if (rg_lru_begins(batch, q, t)) return;
      const vec l = rates * r;
      simd::exp<W>(a, l);
      simd::exp<W>(g, l + l);
      simd::sqrt<W>(g, 1.0F - g);
    }
  };
  static void load(vec& v, int p, int q, int c, int n, Matrix<const float> h, Matrix<const float> state) {
    v = vec{};
    if (p >= 0) simd::get<W>(v, h.row(p) + c, n);
    else if (p == Batch::the_state && state) simd::get<W>(v, state.row(q) + c, n);
  }
};

}  // namespace fauna::inline v0
