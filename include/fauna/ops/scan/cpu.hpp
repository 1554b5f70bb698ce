#pragma once
#include <cmath>

#include <fauna/backend/cpu.hpp>
#include <fauna/backend/simd.hpp>
#include <fauna/ops/scan/op.hpp>

namespace fauna::inline v0 {

/// Lanes are channels: no sum runs across lanes in forward. Threads own tiles of W channels, time runs innermost.
template <class P, isa T, unsigned Tag> struct selective_scan<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;
  static constexpr int most_states = 256;

  /// Backward: what each tile adds to dB and dC, and gradients of states that rows out of order continue.
  static constexpr std::size_t workspace(int rows, int E, int N) {
    const std::size_t n = static_cast<std::size_t>(rows) * static_cast<std::size_t>(N);
    return aligned(2 * n * static_cast<std::size_t>(tiles(E)) * sizeof(float)) +
           aligned(n * static_cast<std::size_t>(tiles(E)) * W * sizeof(float));
  }

  static void rates(B const&, Matrix<const float> A_log, Matrix<float> A) {
    for (int n = 0; n < A.rows(); ++n)
      for (int e = 0; e < A.cols(); ++e) A(n, e) = -std::exp(A_log(e, n));
  }
  static void rates_backward(B const&, Matrix<const float> A, Matrix<const float> dA, Matrix<float> dA_log) {
    for (int n = 0; n < A.rows(); ++n)
      for (int e = 0; e < A.cols(); ++e) dA_log(e, n) += dA(n, e) * A(n, e);
  }

  static void forward(B const& b, Batch const& batch, ScanRows<const float> in, Matrix<const float> A, const float* D,
                      Matrix<float> state, Matrix<float> out, Matrix<float> h) {
    const int N = check(batch, A, static_cast<bool>(h)), E = A.cols();
    parallel_for(b.threads, tiles(E), 1, [&](int from, int to) {
      vec S[most_states], a[most_states];
      for (int tile = from; tile < to; ++tile) {
        const int e = tile * W, n_e = E - e < W ? E - e : W;
        vec skip;
        simd::get<W>(skip, D + e, n_e);
        for (int n = 0; n < N; ++n) simd::get<W>(a[n], A.row(n) + e, n_e);
        for (int q = 0; q < batch.sequences; ++q) {
          if (batch.first(q) == batch.last(q)) continue;
          for (int t = batch.first(q); t < batch.last(q); ++t) {
            const int p = batch.continues(q, t);
            if (p != t - 1 || p < batch.first(q))  // else S holds it
              for (int n = 0; n < N; ++n) before(S[n], p, q * N + n, h, p * N + n, state, e, n_e);
            vec x, d, z, y, gate;
            simd::get<W>(x, in.x.row(t) + e, n_e);
            step_size(d, in.dt.row(t) + e, n_e);
            y = skip * x;
            x *= d;
            for (int n = 0; n < N; ++n) {
              vec decay;
              simd::exp<W>(decay, d * a[n]);
              S[n] = decay * S[n] + x * in.b(t, n);
              y += S[n] * in.c(t, n);
            }
            if (h)
              for (int n = 0; n < N; ++n) simd::put<W>(h.row(t * N + n) + e, S[n], n_e);
            simd::get<W>(z, in.z.row(t) + e, n_e);
            sigmoid(gate, z);
            simd::put<W>(out.row(t) + e, y * z * gate, n_e);
          }
          if (state)
            for (int n = 0; n < N; ++n) simd::put<W>(state.row(q * N + n) + e, S[n], n_e);
        }
      }
    });
  }

  static void backward(B const& b, Batch const& batch, ScanRows<const float> in, Matrix<const float> A, const float* D,
                       Matrix<const float> entering, Matrix<const float> h, Matrix<const float> dout,
                       ScanRows<float> d_in, Matrix<float> dA, float* dD, Matrix<float> dstate) {
    const int N = check(batch, A, true), E = A.cols(), R = batch.rows, all = tiles(E);
    const std::size_t each = static_cast<std::size_t>(R) * static_cast<std::size_t>(N);
    Scope scope(*b.scratch);
    float* const parts = b.scratch->template take<float>(2 * each * static_cast<std::size_t>(all));
    float* const waits = b.scratch->template take<float>(each * static_cast<std::size_t>(all) * W);
    parallel_for(b.threads, all, 1, [&](int from, int to) {
      vec G[most_states], a[most_states], da[most_states];
      for (int tile = from; tile < to; ++tile) {
        const int e = tile * W, n_e = E - e < W ? E - e : W;
        float* const db = parts + 2 * each * static_cast<std::size_t>(tile);
        float* const dc = db + each;
        float* const wait = waits + each * static_cast<std::size_t>(tile) * W;  // [R N, W]
        vec skip, d_skip{};
        simd::get<W>(skip, D + e, n_e);
        for (int n = 0; n < N; ++n) {
          simd::get<W>(a[n], A.row(n) + e, n_e);
          da[n] = vec{};
        }
        if (batch.parent)
          for (std::size_t i = 0; i < each * W; ++i) wait[i] = 0;
        for (int q = 0; q < batch.sequences; ++q) {
          const int first = batch.first(q), last = batch.last(q);
          if (first == last) continue;
          vec into[most_states];
          for (int n = 0; n < N; ++n) {
            into[n] = G[n] = vec{};
            if (dstate) simd::get<W>(G[n], dstate.row(q * N + n) + e, n_e);
          }
          for (int t = last - 1; t >= first; --t) {
            const int p = batch.continues(q, t);
            vec x, z, pre, d, s, y, dy, go, gB{}, dd{};
            simd::get<W>(x, in.x.row(t) + e, n_e);
            simd::get<W>(z, in.z.row(t) + e, n_e);
            simd::get<W>(pre, in.dt.row(t) + e, n_e);
            simd::get<W>(go, dout.row(t) + e, n_e);
            step_size(d, in.dt.row(t) + e, n_e);
            sigmoid(s, z);
            y = skip * x;
            dy = go * z * s;
            const vec dx = d * x;
            for (int n = 0; n < N; ++n) {
              const std::ptrdiff_t i = static_cast<std::ptrdiff_t>(t) * N + n;
              vec decay, now, previous, g = G[n];
              if (batch.parent) {
                vec more;
                simd::load<W>(more, wait + i * W);
                g += more;
              }
              simd::get<W>(now, h.row(t * N + n) + e, n_e);
              before(previous, p, q * N + n, h, p * N + n, entering, e, n_e);
              y += now * in.c(t, n);
              g += dy * in.c(t, n);
              dc[i] = simd::sum<W>(dy * now);
              db[i] = simd::sum<W>(dx * g);
              gB += g * in.b(t, n);
              simd::exp<W>(decay, d * a[n]);
              const vec u = g * decay * previous;
              dd += u * a[n];
              da[n] += d * u;
              g *= decay;  // of the row before
              G[n] = vec{};
              if (p == t - 1) {
                G[n] = g;
              } else if (p >= 0) {
                vec more;
                const std::ptrdiff_t j = static_cast<std::ptrdiff_t>(p) * N + n;
                simd::load<W>(more, wait + j * W);
                simd::store<W>(wait + j * W, more + g);
              } else if (p == Batch::the_state) {
                into[n] += g;
              }
            }
            d_skip += dy * x;
            simd::put<W>(d_in.z.row(t) + e, go * y * s * (1.0F + z * (1.0F - s)), n_e);
            simd::put<W>(d_in.x.row(t) + e, skip * dy + d * gB, n_e);
            sigmoid(s, pre);
            simd::put<W>(d_in.dt.row(t) + e, (x * gB + dd) * s, n_e);
          }
          if (dstate)
            for (int n = 0; n < N; ++n) simd::put<W>(dstate.row(q * N + n) + e, into[n], n_e);
        }
        const auto add = [n_e](float* to, vec const& v) {
          vec sum;
          simd::get<W>(sum, to, n_e);
          simd::put<W>(to, sum + v, n_e);
        };
        if (dD) add(dD + e, d_skip);
        for (int n = 0; dA && n < N; ++n) add(dA.row(n) + e, da[n]);
      }
    });
    // dB and dC: the tiles' parts in ascending order.
    parallel_for(b.threads, R, 1 + 4096 / (N * all + 1), [&](int from, int to) {
      for (int t = from; t < to; ++t)
        for (int n = 0; n < N; ++n) {
          float sums[2]{};
          for (int tile = 0; tile < all; ++tile)
            for (int which = 0; which < 2; ++which)
              sums[which] +=
                  parts[(2 * static_cast<std::size_t>(tile) + static_cast<std::size_t>(which)) * each +
                        static_cast<std::size_t>(t) * static_cast<std::size_t>(N) + static_cast<std::size_t>(n)];
          d_in.b(t, n) = sums[0];
          d_in.c(t, n) = sums[1];
        }
    });
  }

 private:
  static constexpr int tiles(int E) { return (E + W - 1) / W; }

  static int check(Batch const& batch, Matrix<const float> A, bool keeps) {
    if (A.rows() < 1 || A.rows() > most_states)
      fail("selective_scan", std::to_string(A.rows()) + " state numbers", "1 to " + std::to_string(most_states));
    if (batch.parent && !keeps)
      fail("selective_scan", "a tree of rows", "rows one after another, or memory for the states after each");
    return A.rows();
  }
  /// The state that a row continues: after row p of this call, what entered, or zeros.
  static void before(vec& v, int p, int state_row, Matrix<const float> h, int h_row, Matrix<const float> state, int e,
                     int n_e) {
    v = vec{};
    if (p >= 0) simd::get<W>(v, h.row(h_row) + e, n_e);
    else if (p == Batch::the_state && state) simd::get<W>(v, state.row(state_row) + e, n_e);
  }
  /// softplus
  static void step_size(vec& d, const float* dt, int n) {
    float each[W]{};
    for (int i = 0; i < n; ++i) each[i] = dt[i] > 20 ? dt[i] : std::log1p(std::exp(dt[i]));
    simd::load<W>(d, each);
  }
  static void sigmoid(vec& y, vec const& x) {
    simd::exp<W>(y, -x);
    y = 1.0F / (1.0F + y);
  }
};

}  // namespace fauna::inline v0
