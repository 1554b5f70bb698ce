#pragma once
#include <cmath>
#include <vector>

#include <fauna/backend/cpu.hpp>
#include <fauna/backend/simd.hpp>
#include <fauna/ops/scan/op.hpp>

namespace fauna::inline v0 {

/// Lanes are channels: no sum runs across lanes in forward. Threads own blocks of channels, whose states stay in the
/// first cache while time runs; in a block, a few exponentials are under way at once.
template <class P, isa T, unsigned Tag> struct selective_scan<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;
  using number = typename B::scalar;  ///< float: a name that costs no instantiation before it is used
  static constexpr int W = B::lanes, V = 4, wide = V * W;
  using vec = simd::vfloat<W>;
  static constexpr int most_states = 256;

  /// Backward: what each block adds to dB and dC. A tree takes memory of its own, in inference too: trees are short.
  static constexpr std::size_t workspace(int rows, int E, int N) {
    return aligned(2 * static_cast<std::size_t>(rows) * static_cast<std::size_t>(N) *
                   static_cast<std::size_t>(blocks(E)) * sizeof(float));
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
    check(A);
    std::vector<float> own;  // the states of a tree's rows, which others may go on from
    if (batch.parent && !h) {
      own.resize(static_cast<std::size_t>(batch.rows * A.rows()) * static_cast<std::size_t>(A.cols()));
      h = Matrix<float>(own.data(), batch.rows * A.rows(), A.cols());
    }
    parallel_for(b.threads, blocks(A.cols()), 1, [&](int from, int to) {
      for (int i = from; i < to; ++i) {
        const int e = i * wide;
        if (A.cols() - e >= wide) scan(Lanes<true>{e}, batch, in, A, D, state, out, h);
        else scan(Lanes<false>{e, A.cols() - e}, batch, in, A, D, state, out, h);
      }
    });
  }

  static void backward(B const& b, Batch const& batch, ScanRows<const float> in, Matrix<const float> A, const float* D,
                       Matrix<const float> entering, Matrix<const float> h, Matrix<const float> dout,
                       ScanRows<float> d_in, Matrix<float> dA, float* dD, Matrix<float> dstate) {
    check(A);
    const int N = A.rows(), R = batch.rows, all = blocks(A.cols());
    const std::size_t each = static_cast<std::size_t>(R) * static_cast<std::size_t>(N);
    Scope scope(*b.scratch);
    float* const parts = b.scratch->template take<float>(2 * each * static_cast<std::size_t>(all));
    parallel_for(b.threads, all, 1, [&](int from, int to) {
      for (int i = from; i < to; ++i) {
        const int e = i * wide;
        float* const part = parts + 2 * each * static_cast<std::size_t>(i);
        if (A.cols() - e >= wide)
          scan_back(Lanes<true>{e}, batch, in, A, D, entering, h, dout, d_in, part, dA, dD, dstate);
        else scan_back(Lanes<false>{e, A.cols() - e}, batch, in, A, D, entering, h, dout, d_in, part, dA, dD, dstate);
      }
    });
    // dB and dC: the blocks' parts in ascending order.
    parallel_for(b.threads, R, 1 + 4096 / (N * all + 1), [&](int from, int to) {
      for (int t = from; t < to; ++t) {
        const std::size_t at = static_cast<std::size_t>(t) * static_cast<std::size_t>(N);
        for (int n = 0; n < N; ++n) d_in.b(t, n) = d_in.c(t, n) = 0;
        for (int i = 0; i < all; ++i) {
          const float* const db = parts + 2 * each * static_cast<std::size_t>(i) + at;
          for (int n = 0; n < N; ++n) {
            d_in.b(t, n) += db[n];
            d_in.c(t, n) += db[each + static_cast<std::size_t>(n)];
          }
        }
      }
    });
  }

 private:
  static constexpr int blocks(int E) { return (E + wide - 1) / wide; }
  static constexpr float log2_e = 1.44269504F, ln_2 = 0.693147181F;

  static void check(Matrix<const float> A) {
    if (A.rows() < 1 || A.rows() > most_states)
      fail("selective_scan", std::to_string(A.rows()) + " state numbers", "1 to " + std::to_string(most_states));
  }

  /// Channels [e, e + wide), or the first `left` of them: a block's V vectors in a row.
  template <bool Whole> struct Lanes {
    int e, left = wide;
    int count(int v) const {
      const int n = left - v * W;
      return n < 0 ? 0 : n < W ? n : W;
    }
    void get(vec& x, const float* row, int v) const {
      if constexpr (Whole) simd::load<W>(x, row + e + v * W);
      else simd::load_first<W>(x, count(v) > 0 ? row + e + v * W : row, count(v));
    }
    void put(float* row, vec const& x, int v) const {
      if constexpr (Whole) simd::store<W>(row + e + v * W, x);
      else if (count(v) > 0) simd::store_first<W>(row + e + v * W, x, count(v));
    }
    void add(float* row, vec const& x, int v) const {
      vec sum;
      get(sum, row, v);
      put(row, sum + x, v);
    }
    /// Asks for what stands in a row: the rows of a block are far apart, where no processor looks ahead.
    void soon(const float* row) const {
      for (int v = 0; v < V; v += 64 / static_cast<int>(sizeof(vec))) __builtin_prefetch(row + e + v * W);
    }
    /// The state that a row continues, after row p of this call, what entered, or zeros: its n-th numbers.
    void before(vec& x, int p, int q, int N, int n, Matrix<const float> h, Matrix<const float> state, int v) const {
      x = vec{};
      if (p >= 0) get(x, h.row(p * N + n), v);
      else if (p == Batch::the_state && state) get(x, state.row(q * N + n), v);
    }
  };

  template <bool Whole>
  static void scan(Lanes<Whole> const& lanes, Batch const& batch, ScanRows<const number> const& in,
                   Matrix<const float> A, const float* D, Matrix<float> state, Matrix<float> out, Matrix<float> h) {
    const int N = A.rows();
    vec S[most_states * V], a[most_states * V], skip[V];
    for (int v = 0; v < V; ++v) {
      lanes.get(skip[v], D, v);
      for (int n = 0; n < N; ++n) {
        lanes.get(a[n * V + v], A.row(n), v);
        a[n * V + v] *= log2_e;
      }
    }
    for (int q = 0; q < batch.sequences; ++q) {
      const int first = batch.first(q);
      for (int t = first; t < batch.last(q); ++t) {
        const int p = batch.continues(q, t);
        if (p != t - 1 || p < first)  // else S holds it
          for (int n = 0; n < N; ++n)
            for (int v = 0; v < V; ++v) lanes.before(S[n * V + v], p, q, N, n, h, state, v);
        if (const int next = t + 4; next < batch.last(q))
          for (auto const& rows : {in.x, in.dt, in.z}) lanes.soon(rows.row(next));
        vec x[V], d[V], y[V];
        FAUNA_UNROLL
        for (int v = 0; v < V; ++v) {
          lanes.get(x[v], in.x.row(t), v);
          lanes.get(d[v], in.dt.row(t), v);
          simd::softplus<W>(d[v], d[v]);
          y[v] = skip[v] * x[v];
          x[v] *= d[v];
        }
        const float *const B_ = in.b.row(t), *const C = in.c.row(t);
        for (int n = 0; n < N; ++n) {
          FAUNA_UNROLL
          for (int v = 0; v < V; ++v) {
            vec decay;
            simd::exp2_fading<W>(decay, d[v] * a[n * V + v]);
            const vec s = decay * S[n * V + v] + x[v] * B_[n];
            S[n * V + v] = s;
            y[v] += s * C[n];
          }
        }
        if (h)
          for (int n = 0; n < N; ++n)
            for (int v = 0; v < V; ++v) lanes.put(h.row(t * N + n), S[n * V + v], v);
        for (int v = 0; v < V; ++v) {
          vec z, gate;
          lanes.get(z, in.z.row(t), v);
          sigmoid(gate, z);
          lanes.put(out.row(t), y[v] * z * gate, v);
        }
      }
      if (state && batch.last(q) > first)
        for (int n = 0; n < N; ++n)
          for (int v = 0; v < V; ++v) lanes.put(state.row(q * N + n), S[n * V + v], v);
    }
  }

  /// part: what the block adds to dB [R, N], and behind it to dC.
  template <bool Whole>
  static void scan_back(Lanes<Whole> const& lanes, Batch const& batch, ScanRows<const number> const& in,
                        Matrix<const float> A, const float* D, Matrix<const float> entering, Matrix<const float> h,
                        Matrix<const float> dout, ScanRows<number> const& d_in, float* part, Matrix<float> dA,
                        float* dD, Matrix<float> dstate) {
    const int N = A.rows();
    float *const db = part, *const dc = part + static_cast<std::ptrdiff_t>(batch.rows) * N;
    // Gradients that wait for rows which others continue, [R N, wide].
    std::vector<number> waits(batch.parent ? static_cast<std::size_t>(batch.rows * N) * wide : 0);
    const auto waiting = [&](int t, int n, int v) {
      return &waits[(static_cast<std::size_t>(t * N + n) * V + static_cast<std::size_t>(v)) * W];
    };
    vec G[most_states * V], a[most_states * V], da[most_states * V], into[most_states * V], skip[V], d_skip[V]{};
    for (int v = 0; v < V; ++v) {
      lanes.get(skip[v], D, v);
      for (int n = 0; n < N; ++n) {
        lanes.get(a[n * V + v], A.row(n), v);
        a[n * V + v] *= log2_e;
        da[n * V + v] = vec{};
      }
    }
    for (int q = 0; q < batch.sequences; ++q) {
      const int first = batch.first(q), last = batch.last(q);
      if (first == last) continue;
      for (int n = 0; n < N; ++n)
        for (int v = 0; v < V; ++v) {
          into[n * V + v] = G[n * V + v] = vec{};
          if (dstate) lanes.get(G[n * V + v], dstate.row(q * N + n), v);
        }
      for (int t = last - 1; t >= first; --t) {
        const int p = batch.continues(q, t);
        const bool follows = p == t - 1 && p >= first && !batch.parent;
        if (const int next = t - 2; next >= first) {
          for (auto const& rows : {in.x, in.dt, in.z, dout}) lanes.soon(rows.row(next));
          for (int n = 0; n < N; ++n) lanes.soon(h.row(next * N + n));
        }
        vec x[V], d[V], dy[V], dx[V], y[V], gB[V], dd[V];
        FAUNA_UNROLL
        for (int v = 0; v < V; ++v) {
          vec z, s, go;
          lanes.get(x[v], in.x.row(t), v);
          lanes.get(z, in.z.row(t), v);
          lanes.get(d[v], in.dt.row(t), v);
          lanes.get(go, dout.row(t), v);
          simd::softplus<W>(d[v], d[v]);
          sigmoid(s, z);
          dy[v] = go * z * s;
          dx[v] = d[v] * x[v];
          y[v] = skip[v] * x[v];
          gB[v] = dd[v] = vec{};
        }
        const float *const B_ = in.b.row(t), *const C = in.c.row(t);
        for (int n = 0; n < N; ++n) {
          vec of_b{}, of_c{};
          FAUNA_UNROLL
          for (int v = 0; v < V; ++v) {
            const int i = n * V + v;
            vec decay, now, previous, g = G[i];
            if (batch.parent) {
              simd::load<W>(now, waiting(t, n, v));
              g += now;
            }
            lanes.get(now, h.row(t * N + n), v);
            if (follows) lanes.get(previous, h.row(p * N + n), v);
            else lanes.before(previous, p, q, N, n, h, entering, v);
            y[v] += now * C[n];
            g += dy[v] * C[n];
            of_c += dy[v] * now;
            of_b += dx[v] * g;
            gB[v] += g * B_[n];
            simd::exp2_fading<W>(decay, d[v] * a[i]);
            g *= decay;  // of the row before
            const vec u = g * previous;
            dd[v] += u * a[i];
            da[i] += d[v] * u;
            G[i] = g;
          }
          db[t * N + n] = simd::sum<W>(of_b);
          dc[t * N + n] = simd::sum<W>(of_c);
        }
        if (!follows)
          for (int i = 0; i < N * V; ++i) {
            vec more;
            if (p >= 0) {
              float* const to = waiting(p, i / V, i % V);
              simd::load<W>(more, to);
              simd::store<W>(to, more + G[i]);
            } else if (p == Batch::the_state) {
              into[i] += G[i];
            }
            G[i] = vec{};
          }
        for (int v = 0; v < V; ++v) {
          vec z, s, go, pre;
          lanes.get(z, in.z.row(t), v);
          lanes.get(go, dout.row(t), v);
          lanes.get(pre, in.dt.row(t), v);
          d_skip[v] += dy[v] * x[v];
          sigmoid(s, z);
          lanes.put(d_in.z.row(t), go * y[v] * s * (1.0F + z * (1.0F - s)), v);
          lanes.put(d_in.x.row(t), skip[v] * dy[v] + d[v] * gB[v], v);
          sigmoid(s, pre);
          lanes.put(d_in.dt.row(t), (x[v] * gB[v] + dd[v] * ln_2) * s, v);
        }
      }
      for (int n = 0; dstate && n < N; ++n)
        for (int v = 0; v < V; ++v) lanes.put(dstate.row(q * N + n), into[n * V + v], v);
    }
    for (int v = 0; v < V; ++v) {
      if (dD) lanes.add(dD, d_skip[v], v);
      for (int n = 0; dA && n < N; ++n) lanes.add(dA.row(n), da[n * V + v], v);
    }
  }

  static void sigmoid(vec& y, vec const& x) {
    simd::exp<W>(y, -x);
    y = 1.0F / (1.0F + y);
  }
};

}  // namespace fauna::inline v0
