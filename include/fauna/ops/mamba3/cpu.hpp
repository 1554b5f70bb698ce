#pragma once
#include <fauna/backend/cpu.hpp>
#include <fauna/backend/simd.hpp>
#include <fauna/ops/add/cpu.hpp>
#include <fauna/ops/mamba3/gates.hpp>

namespace fauna::inline v0 {

/// Threads own heads: of sequences forward; of all of them backward, which sums over rows.
template <class P, isa I, unsigned Tag> struct mamba3_gates<Cpu<P, I, Tag>> {
  using B = Cpu<P, I, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;
  using Rows = Mamba3GateRows<const typename B::scalar>;

  static constexpr std::size_t workspace(Mamba3Shape const& n, int rows) {
    return bytes(rows, n.angles) + bytes(rows, n.heads) + bytes(rows, n.heads * n.angles);
  }

  static void forward(B const& b, Batch const& batch, Mamba3Shape const& n, Rows const& in, const float* dt_bias,
                      Mamba3State<float> const& state, Mamba3Gates<float> const& out) {
    Scope scope(*b.scratch);
    const Matrix<const float> turns = turns_of(b, in.angle);
    parallel_for(b.threads, batch.sequences * n.heads, grain(batch, 1), [&](int from, int to) {
      for (int i = from; i < to; ++i)
        mamba3_detail::forward<float>(batch, n, i / n.heads, i % n.heads, in, turns, dt_bias, state, out);
    });
  }
  static void backward(B const& b, Batch const& batch, Mamba3Shape const& n, Rows const& in, const float* dt_bias,
                       Mamba3State<const float> const& entering, Mamba3Gates<const float> const& out,
                       Mamba3Gates<const float> const& dout, Mamba3GateRows<typename B::scalar> const& d,
                       float* ddt_bias, Mamba3State<float> const& dstate) {
    Scope scope(*b.scratch);
    const Matrix<const float> turns = turns_of(b, in.angle);
    const Matrix<float> N = b.scratch->template take_view<float, dyn, dyn>(batch.rows, n.heads),
                        T = b.scratch->template take_view<float, dyn, dyn>(batch.rows, n.heads * n.angles);
    parallel_for(b.threads, n.heads, grain(batch, batch.sequences), [&](int from, int to) {
      for (int h = from; h < to; ++h)
        for (int s = 0; s < batch.sequences; ++s)
          mamba3_detail::backward<float>(batch, n, s, h, in, turns, dt_bias, entering, out, dout, d, ddt_bias, dstate,
                                         N, T);
    });
    parallel_for(b.threads, batch.rows, 1 + 4096 / (n.heads * n.angles + 1), [&](int from, int to) {
      for (int t = from; t < to; ++t)
        simd::for_lanes<W>(n.angles, [&](int i, int left) FAUNA_LANES {
          vec sum{}, v;
          for (int h = 0; h < n.heads; ++h) {
            simd::get<W>(v, T.row(t) + h * n.angles + i, left);
            sum += v;
          }
          simd::get<W>(v, turns.row(t) + i, left);
          v *= static_cast<float>(1 / mamba3_detail::pi);
          simd::put<W>(d.angle.row(t) + i, sum * static_cast<float>(mamba3_detail::pi) * (1.0F - v * v), left);
        });
    });
  }

 private:
  static constexpr std::size_t bytes(int rows, int cols) {
    return aligned(static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols) * sizeof(float));
  }
  /// Heads of so many sequences that a thread takes at least.
  static int grain(Batch const& batch, int sequences) {
    return 1 + 1024 / (batch.rows * sequences / batch.sequences + 1);
  }
  static Matrix<const float> turns_of(B const& b, Matrix<const float> angle) {
    const Matrix<float> turns = b.scratch->template take_view<float, dyn, dyn>(angle.rows(), angle.cols());
    parallel_for(b.threads, angle.rows(), 1 + 4096 / (angle.cols() + 1), [&](int from, int to) {
      for (int t = from; t < to; ++t)
        simd::for_lanes<W>(angle.cols(), [&](int i, int left) FAUNA_LANES {
          vec v;
          simd::get<W>(v, angle.row(t) + i, left);
          simd::tanh<W>(v, v);
          simd::put<W>(turns.row(t) + i, v * static_cast<float>(mamba3_detail::pi), left);
        });
    });
    return turns;
  }
};

/// Threads own rows; for the gradients of biases, columns.
template <class P, isa I, unsigned Tag> struct mamba3_heads<Cpu<P, I, Tag>> {
  using B = Cpu<P, I, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;
  using Side = Mamba3Side<typename B::scalar>;
  using ReadSide = Mamba3Side<const typename B::scalar>;

  static void forward(B const& b, Mamba3Shape const& n, ReadSide const& keys, ReadSide const& queries,
                      Matrix<const float> theta, Matrix<float> k, Matrix<float> q) {
    over_heads(b, n, theta.rows(), [&](int t, int h) {
      const int N = n.states, from = h / (n.heads / n.groups) * N;
      const auto biased = [&](ReadSide const& side, float* y) {
        simd::for_lanes<W>(N, [&, x = side.x.row(t) + from, bias = side.bias + h * N](int i, int left) FAUNA_LANES {
          vec v, w;
          simd::get<W>(v, x + i, left);
          simd::get<W>(w, bias + i, left);
          simd::put<W>(y + i, v + w, left);
        });
      };
      float *const kh = k.row(t) + h * N, *const qh = q.row(t) + h * N;
      biased(keys, kh);
      biased(queries, qh);
      each_turn(n, theta.row(t) + h * n.angles, [&](int from_pair, int pairs, Turn const& turn) {
        turn_pairs(turn, 1.0F, kh + 2 * from_pair, pairs);
        turn_pairs(turn, 1.0F, qh + 2 * from_pair, pairs);
      });
    });
  }
  static void backward(B const& b, Mamba3Shape const& n, Matrix<const float> k, Matrix<const float> q,
                       Matrix<const float> theta, Matrix<float> dk, Matrix<float> dq, Side const& dkeys,
                       Side const& dqueries, Matrix<float> dtheta) {
    const int N = n.states, each = n.heads / n.groups;
    over_heads(b, n, theta.rows(), [&](int t, int h) {
      float *const dkh = dk.row(t) + h * N, *const dqh = dq.row(t) + h * N;
      const float *const kh = k.row(t) + h * N, *const qh = q.row(t) + h * N;
      each_turn(n, theta.row(t) + h * n.angles, [&](int from_pair, int pairs, Turn const& turn) {
        const int at = 2 * from_pair;
        float* const to = dtheta.row(t) + h * n.angles + from_pair;
        for (int i = 0; i < pairs; ++i)
          to[i] = (kh[at + 2 * i] * dkh[at + 2 * i + 1] - kh[at + 2 * i + 1] * dkh[at + 2 * i]) +
                  (qh[at + 2 * i] * dqh[at + 2 * i + 1] - qh[at + 2 * i + 1] * dqh[at + 2 * i]);
        turn_pairs(turn, -1.0F, dkh + at, pairs);
        turn_pairs(turn, -1.0F, dqh + at, pairs);
      });
      if (h % each != each - 1) return;  // a group is complete
      sum_heads(n, dk.row(t) + (h - each + 1) * N, each, dkeys.x.row(t) + h / each * N);
      sum_heads(n, dq.row(t) + (h - each + 1) * N, each, dqueries.x.row(t) + h / each * N);
    });
    if (dkeys.bias) add<B>::column_sums(b, dk, dkeys.bias);
    if (dqueries.bias) add<B>::column_sums(b, dq, dqueries.bias);
  }

 private:
  static constexpr int span = 64;  // pairs whose cosines and sines are held at once
  struct Turn {
    alignas(64) float cos[span], sin[span];
  };

  /// f(row, head), the heads of a row in order and by one thread.
  template <class F> static void over_heads(B const& b, Mamba3Shape const& n, int rows, F&& f) {
    parallel_for(b.threads, rows, 1 + 4096 / (n.heads * n.states + 1), [&](int from, int to) {
      for (int t = from; t < to; ++t)
        for (int h = 0; h < n.heads; ++h) f(t, h);
    });
  }
  template <class F> static void each_turn(Mamba3Shape const& n, const float* theta, F&& f) {
    Turn turn;
    for (int from = 0; from < n.angles; from += span) {
      const int pairs = n.angles - from < span ? n.angles - from : span;
      simd::for_lanes<W>(pairs, [&](int i, int left) FAUNA_LANES {
        vec v, c, s;
        simd::get<W>(v, theta + from + i, left);
        simd::sin_cos<W>(s, c, v);
        simd::put<W>(turn.cos + i, c, left);
        simd::put<W>(turn.sin + i, s, left);
      });
      f(from, pairs, turn);
    }
  }
  static void turn_pairs(Turn const& turn, float direction, float* x, int pairs) {
    for (int i = 0; i < pairs; ++i) {
      const float x0 = x[2 * i], x1 = x[2 * i + 1], c = turn.cos[i], s = direction * turn.sin[i];
      x[2 * i] = x0 * c - x1 * s;
      x[2 * i + 1] = x0 * s + x1 * c;
    }
  }
  static void sum_heads(Mamba3Shape const& n, const float* heads, int count, float* to) {
    simd::for_lanes<W>(n.states, [&](int i, int left) FAUNA_LANES {
      vec sum{}, v;
      for (int h = 0; h < count; ++h) {
        simd::get<W>(v, heads + h * n.states + i, left);
        sum += v;
      }
      simd::put<W>(to + i, sum, left);
    });
  }
};

/// Threads own heads, whose D gathers from all rows.
template <class P, isa I, unsigned Tag> struct mamba3_skip<Cpu<P, I, Tag>> {
  using B = Cpu<P, I, Tag>;
  static constexpr int W = B::lanes;
  using vec = simd::vfloat<W>;
  using Rows = Mamba3SkipRows<const typename B::scalar>;

  static void forward(B const& b, Mamba3Shape const& n, Rows const& in, const float* D, Matrix<float> y) {
    over_heads(b, n, y.rows(), [&](int t, int h) {
      const int N = n.states, P_ = n.size;
      const float by = in.now(t, h) * dot(in.k.row(t) + h * N, in.q.row(t) + h * N, N) + D[h];
      add(y.row(t) + h * P_, in.v.row(t) + h * P_, by, P_);
    });
  }
  static void backward(B const& b, Mamba3Shape const& n, Rows const& in, const float* D, Matrix<const float> dy,
                       Mamba3SkipRows<typename B::scalar> const& d, float* dD) {
    over_heads(b, n, dy.rows(), [&](int t, int h) {
      const int k = h * n.states, v = h * n.size;
      const float kq = dot(in.k.row(t) + k, in.q.row(t) + k, n.states),
                  sum = dot(dy.row(t) + v, in.v.row(t) + v, n.size), now = in.now(t, h);
      add(d.v.row(t) + v, dy.row(t) + v, now * kq + D[h], n.size);
      add(d.k.row(t) + k, in.q.row(t) + k, now * sum, n.states);
      add(d.q.row(t) + k, in.k.row(t) + k, now * sum, n.states);
      d.now(t, h) = sum * kq;
      if (dD) dD[h] += sum;
    });
  }

 private:
  template <class F> static void over_heads(B const& b, Mamba3Shape const& n, int rows, F&& f) {
    parallel_for(b.threads, n.heads, 1 + 4096 / (rows * (n.states + n.size) + 1), [&](int from, int to) {
      for (int t = 0; t < rows; ++t)
        for (int h = from; h < to; ++h) f(t, h);
    });
  }
  static float dot(const float* a, const float* b, int n) {
    vec sums{};
    simd::for_lanes<W>(n, [&](int c, int left) FAUNA_LANES {
      vec v, w;
      simd::get<W>(v, a + c, left);
      simd::get<W>(w, b + c, left);
      sums += v * w;
    });
    return simd::sum<W>(sums);
  }
  /// y += x times a number.
  static void add(float* y, const float* x, float by, int n) {
    simd::for_lanes<W>(n, [&](int c, int left) FAUNA_LANES {
      vec v, w;
      simd::get<W>(v, x + c, left);
      simd::get<W>(w, y + c, left);
      simd::put<W>(y + c, w + v * by, left);
    });
  }
};

}  // namespace fauna::inline v0
