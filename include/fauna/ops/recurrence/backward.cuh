// Backward through a recurrence: a block for each head of a sequence, chunk by chunk from the last one. Threads own
// columns: they run a chunk forward again, then back; then warps sum over the columns what they left. The maths is in
// op.hpp.
#pragma once
#include <fauna/ops/recurrence/columns.cuh>

namespace fauna::inline v0 {
namespace kernels {

template <RecurrenceWalk W> struct RecurrenceBackward {
  static constexpr int warps = 4, threads = warps * warp_size;
  static constexpr Recurrence R = W.of;
  using Shared = None;

  RecurrenceColumns<W> all;
  Matrix<const float> kept, dy;
  RecurrenceRows<float> d;  ///< q and k of every head by itself
  Matrix<float> dstate;
  /// States, and their gradients: a slot for each row of a sequence's chunk, and `slots` further on one for what enters
  /// the chunk of each sequence. A tree of rows is one chunk.
  Matrix<float> states, gradients;
  Matrix<float> parts;           ///< [slots heads, columns of each part]
  Matrix<float> divisors, of_n;  ///< [rows, heads], where y is divided: by what, and the gradient of n
  int slots;

  /// What a column leaves behind for the sums over columns.
  enum part : int { u, dv, r, dr, of_fade, of_beta, count };

  /// The rows [begin, end) of a chunk, and whose they are.
  struct Chunk {
    int q, h, begin, end;
  };

  template <class T> FAUNA_KERNEL void operator()(T const& t, Shared&) const {
    Batch const& batch = all.batch;
    const int H = all.n.heads, q = t.block() / H, h = t.block() % H, first = batch.first(q), last = batch.last(q),
              C = all.columns();
    if (first == last) return;
    for (int j = t.index(); j < C; j += threads) all.load(all.own(gradients, slots + q, h, j), dstate, q * H + h, j);
    for (int end = last, begin; end > first; end = begin) {
      const int n = batch.parent ? 0 : (end - 1 - first) / W.chunk;
      begin = first + n * W.chunk;
      const Chunk chunk{q, h, begin, end};
      for (int j = t.index(); j < C; j += threads) {
        all.load(all.own(states, slots + q, h, j), kept, (first / W.chunk + q + n) * H + h, j);
        for (int row = begin; row < end; ++row)
          all.step(row, h, j, before(chunk, row, states, j), at(chunk, row, states, j));
      }
      if constexpr (R.normalised) {
        t.sync();
        divide(t, chunk);
        t.sync();
      }
      for (int j = t.index(); j < C; j += threads) back(chunk, j);
      t.sync();
      sum_keys(t, chunk);
      if constexpr (R.strength || R.fade == fades::by_head) sum_heads(t, chunk);
      t.sync();  // the slots are used again
    }
    for (int j = t.index(); dstate && j < C; j += threads)
      all.store(all.own(gradients, slots + q, h, j), dstate, q * H + h, j);
  }

 private:
  FAUNA_KERNEL int slot(Chunk const& c, int row) const {
    return all.batch.parent ? row : c.q * W.chunk + row - c.begin;
  }
  FAUNA_KERNEL float* at(Chunk const& c, int row, Matrix<float> of, int j) const {
    return all.own(of, slot(c, row), c.h, j);
  }
  /// Of what the row continues; null: of nothing.
  FAUNA_KERNEL float* before(Chunk const& c, int row, Matrix<float> of, int j) const {
    const int p = all.batch.continues(c.q, row);
    if (p >= c.begin) return at(c, p, of, j);
    return p == Batch::nothing ? nullptr : all.own(of, slots + c.q, c.h, j);
  }
  FAUNA_KERNEL float& left(Chunk const& c, int row, part which, int j) const {
    return parts.row(slot(c, row) * all.n.heads + c.h)[which * all.columns() + j];
  }
  /// The gradient of s Sᵀ q.
  FAUNA_KERNEL float of_sum(Chunk const& c, int row, int j) const {
    const int column = c.h * all.n.values + j;
    if constexpr (R.normalised) return j < all.n.values ? dy(row, column) / divisors(row, c.h) : of_n(row, c.h);
    else return dy(row, column);
  }

  /// What y was divided by, and what that gets, row by row in warps.
  template <class T> FAUNA_KERNEL void divide(T const& t, Chunk const& c) const {
    const int C = all.columns();
    for (int row = c.begin + t.warp(); row < c.end; row += warps) {
      float n = 0, along = 0;  // Σ dy ∘ s Sᵀ q
      for (int j = t.lane(); j < C; j += warp_size) {
        const float* s = at(c, row, states, j);
        float sum = 0;
        for (int i = 0; i < all.n.keys; ++i) sum += s[i * C] * all.q(row, c.h, i);
        sum *= all.n.scale;
        if (j == C - 1) n = sum;
        else along += dy(row, c.h * all.n.values + j) * sum;
      }
      n = simt::warp_sum(t, n);  // one lane has it
      along = simt::warp_sum(t, along);
      if (t.lane() != 0) continue;
      const float least = all.in.least(row, c.h), by = recurrence_divisor(n, least), of = -along / (by * by);
      const bool bounded = (n < 0 ? -n : n) < least;
      divisors(row, c.h) = by;
      of_n(row, c.h) = bounded ? 0 : n < 0 ? -of : of;
      if (bounded) d.least(row, c.h) += of;
    }
  }

  /// Column j from the chunk's last row to its first.
  FAUNA_KERNEL void back(Chunk const& c, int j) const {
    const int K = all.n.keys, C = all.columns(), h = c.h;
    float* const entering = all.own(gradients, slots + c.q, h, j);
    for (int row = c.begin; row < c.end; ++row)
      for (int i = 0; i < K; ++i) at(c, row, gradients, j)[i * C] = 0;
    for (int i = 0; i < K; ++i) {  // what leaves the chunk enters the next one
      at(c, c.end - 1, gradients, j)[i * C] = entering[i * C];
      entering[i * C] = 0;
    }
    for (int t = c.end - 1; t >= c.begin; --t) {
      const float* s = before(c, t, states, j);
      float *const g = at(c, t, gradients, j), *const g_before = before(c, t, gradients, j);
      const float dout = all.n.scale * of_sum(c, t, j);
      float du = 0, e = all.v(t, h, j), r_ = 0, dr_ = 0, fading = 0;
      for (int i = 0; i < K; ++i) {
        const float f = s ? s[i * C] : 0;
        if constexpr (!W.reads_before) g[i * C] += all.q(t, h, i) * dout;
        du += g[i * C] * all.k(t, h, i);
        if constexpr (R.erase == erases::delta) e -= all.fade(t, h, i) * f * all.k(t, h, i);
        if constexpr (R.erase == erases::decoupled) {
          r_ += f * all.a(t, h, i);
          dr_ += g[i * C] * all.b(t, h, i);
        }
      }
      const float beta = all.beta(t, h), of_v = beta * du;
      for (int i = 0; i < K; ++i) {
        float of_faded = g[i * C];
        if constexpr (R.erase == erases::delta) of_faded -= all.k(t, h, i) * of_v;
        if (s) fading += of_faded * s[i * C];
        if (g_before == nullptr) continue;
        float more = all.fade(t, h, i) * of_faded;
        if constexpr (R.erase == erases::decoupled) more += all.a(t, h, i) * dr_;
        if constexpr (W.reads_before) more += all.q(t, h, i) * dout;
        g_before[i * C] += more;
      }
      if (j < all.n.values) d.v(t, h * all.n.values + j) += of_v;
      left(c, t, u, j) = beta * e;
      left(c, t, dv, j) = of_v;
      left(c, t, r, j) = r_;
      left(c, t, dr, j) = dr_;
      left(c, t, of_fade, j) = fading;
      left(c, t, of_beta, j) = e * du;
    }
  }

  /// What every key gets, each number by a warp.
  template <class T> FAUNA_KERNEL void sum_keys(T const& t, Chunk const& c) const {
    const int K = all.n.keys, C = all.columns(), h = c.h;
    for (int item = t.warp(); item < (c.end - c.begin) * K; item += warps) {
      const int row = c.begin + item / K, i = item % K;
      float of_q = 0, of_k = 0, of_fading = 0, of_a = 0, of_b = 0;
      for (int j = t.lane(); j < C; j += warp_size) {
        const float *s = before(c, row, states, j), f = s ? s[i * C] : 0, g = at(c, row, gradients, j)[i * C];
        of_q += (W.reads_before ? f : at(c, row, states, j)[i * C]) * of_sum(c, row, j);
        of_k += g * left(c, row, u, j);
        float of_faded = g;
        if constexpr (R.erase == erases::delta) {
          of_k -= all.fade(row, h, i) * f * left(c, row, dv, j);
          of_faded -= all.k(row, h, i) * left(c, row, dv, j);
        }
        if constexpr (R.erase == erases::decoupled) {
          of_b += g * left(c, row, r, j);
          of_a += f * left(c, row, dr, j);
        }
        if constexpr (R.fade == fades::by_key) of_fading += of_faded * f;
      }
      add(t, d.q, row, h * K + i, all.n.scale * of_q);
      add(t, d.k, row, h * K + i, of_k);
      if constexpr (R.fade == fades::by_key) add(t, d.fade, row, h * K + i, of_fading);
      if constexpr (R.erase == erases::decoupled) {
        add(t, d.a, row, h * K + i, of_a);
        add(t, d.b, row, h * K + i, of_b);
      }
    }
  }
  /// What every head has one number of.
  template <class T> FAUNA_KERNEL void sum_heads(T const& t, Chunk const& c) const {
    for (int row = c.begin + t.warp(); row < c.end; row += warps) {
      float fading = 0, of_strength = 0;
      for (int j = t.lane(); j < all.columns(); j += warp_size) {
        fading += left(c, row, of_fade, j);
        of_strength += left(c, row, of_beta, j);
      }
      if constexpr (R.fade == fades::by_head) add(t, d.fade, row, c.h, fading);
      if constexpr (R.strength) add(t, d.beta, row, c.h, of_strength);
    }
  }
  /// The sum over a warp, added to a number of its own.
  template <class T> FAUNA_KERNEL void add(T const& t, Matrix<float> to, int row, int column, float value) const {
    value = simt::warp_sum(t, value);
    if (t.lane() == 0) to(row, column) += value;
  }
};

}  // namespace kernels
}  // namespace fauna::inline v0
