// A column of a head's state through the rows of a sequence, for the kernels of ops/recurrence and of what is one of
// its kin by other names (ops/ssd, wkv6, wkv7). All that is computed row by row stays within a column, so that columns
// are what threads own; what sums over columns comes after. The maths is in op.hpp.
#pragma once
#include <fauna/backend/simt.cuh>
#include <fauna/ops/recurrence/op.hpp>

namespace fauna::inline v0 {

/// One of the kin, and how a kernel meets it.
struct RecurrenceWalk {
  Recurrence of;
  bool reads_before = false;  ///< y = s S_pᵀ q: of the state that a row continues (ops/wkv6)
  bool transposed = false;    ///< states that come and go have a row for each value (ops/wkv7)
  int chunk = recurrence_chunk;
  constexpr bool operator==(RecurrenceWalk const&) const = default;
};

namespace kernels {

/// The numbers of a call. n.fixed is in the device's memory.
template <RecurrenceWalk W> struct RecurrenceColumns {
  static constexpr Recurrence R = W.of;
  Batch batch;
  RecurrenceShape n;
  RecurrenceRows<const float> in;

  FAUNA_KERNEL int columns() const { return recurrence_columns(R, n.values); }
  FAUNA_KERNEL int key(int h, int i) const { return h / (n.heads / n.key_heads) * n.keys + i; }
  FAUNA_KERNEL float q(int t, int h, int i) const { return in.q(t, key(h, i)); }
  FAUNA_KERNEL float k(int t, int h, int i) const { return in.k(t, key(h, i)); }
  FAUNA_KERNEL float a(int t, int h, int i) const { return in.a(t, h * n.keys + i); }
  FAUNA_KERNEL float b(int t, int h, int i) const { return in.b(t, h * n.keys + i); }
  FAUNA_KERNEL float v(int t, int h, int j) const {
    return !R.normalised || j < n.values ? in.v(t, h * n.values + j) : 1;
  }
  FAUNA_KERNEL float beta(int t, int h) const {
    if constexpr (R.strength) return in.beta(t, h);
    else return 1;
  }
  FAUNA_KERNEL float fade(int t, int h, int i) const {
    if constexpr (R.fade == fades::by_head) return in.fade(t, h);
    else if constexpr (R.fade == fades::by_key) return in.fade(t, h * n.keys + i);
    else if constexpr (R.fade == fades::fixed) return n.fixed[h];
    else return 1;
  }

  /// Number i of column j of a state that comes or goes: `place` counts sequences or chunks, and heads.
  template <class E> FAUNA_KERNEL E& outside(Matrix<E> states, int place, int i, int j) const {
    return W.transposed ? states(place * columns() + j, i) : states(place * n.keys + i, j);
  }
  /// Column j of a head's state in the kernels' own memory: its numbers are columns() apart.
  FAUNA_KERNEL float* own(Matrix<float> states, int slot, int h, int j) const {
    return states.row((slot * n.heads + h) * n.keys) + j;
  }
  template <class E> FAUNA_KERNEL void load(float* column, Matrix<E> from, int place, int j) const {
    for (int i = 0; i < n.keys; ++i) column[i * columns()] = from ? outside(from, place, i, j) : 0;
  }
  FAUNA_KERNEL void store(const float* column, Matrix<float> to, int place, int j) const {
    for (int i = 0; i < n.keys; ++i) outside(to, place, i, j) = column[i * columns()];
  }

  /// Column j after row t, of what the row continues (null: zeros; it may be the same). Returns that of s Sᵀ q.
  FAUNA_KERNEL float step(int t, int h, int j, const float* before, float* now) const {
    const int C = columns();
    float e = v(t, h, j), r = 0, y = 0;
    for (int i = 0; R.erase != erases::nothing && before && i < n.keys; ++i) {
      if constexpr (R.erase == erases::delta) e -= fade(t, h, i) * before[i * C] * k(t, h, i);
      else if constexpr (R.erase == erases::decoupled) r += before[i * C] * a(t, h, i);
    }
    const float u = beta(t, h) * e;
    for (int i = 0; i < n.keys; ++i) {
      const float f = before ? before[i * C] : 0;
      float s = fade(t, h, i) * f + k(t, h, i) * u;
      if constexpr (R.erase == erases::decoupled) s += b(t, h, i) * r;
      now[i * C] = s;
      y += (W.reads_before ? f : s) * q(t, h, i);
    }
    return n.scale * y;
  }
};

/// Column c % columns of head c / columns through sequence q. `states` has a slot for each sequence, in which a column
/// goes from row to row; where rows form a tree, it keeps what entered, and behind them are slots for the rows.
template <RecurrenceWalk W> struct RecurrenceForward {
  RecurrenceColumns<W> all;
  Matrix<float> states, state, y, kept, sums;  ///< sums [rows, heads]: what normalises

  FAUNA_KERNEL void operator()(int q, int c) const {
    Batch const& batch = all.batch;
    const int first = batch.first(q), last = batch.last(q), C = all.columns(), h = c / C, j = c % C, H = all.n.heads;
    const bool tree = batch.parent != nullptr;
    if (first == last) return;
    float *const entering = all.own(states, q, h, j), *now = entering;
    all.load(entering, state, q * H + h, j);
    for (int t = first; t < last; ++t) {
      if (const int n = (t - first) / W.chunk; kept && t == first + n * W.chunk && (n == 0 || !tree))
        all.store(entering, kept, (batch.first(q) / W.chunk + q + n) * H + h, j);
      const int p = batch.continues(q, t);
      const float* before = tree && p >= 0 ? all.own(states, batch.sequences + p, h, j) : entering;
      if (tree) now = all.own(states, batch.sequences + t, h, j);
      const float sum = all.step(t, h, j, p == Batch::nothing ? nullptr : before, now);
      if (j < all.n.values) y(t, h * all.n.values + j) = sum;
      else sums(t, h) = sum;
    }
    if (state) all.store(now, state, q * H + h, j);
  }
};

/// max(|n|, e) of a row: what y is divided by.
FAUNA_KERNEL inline float recurrence_divisor(float n, float least) {
  const float size = n < 0 ? -n : n;
  return size < least ? least : size;
}
struct RecurrenceDivide {
  Matrix<const float> sums, least;
  Matrix<float> y;
  FAUNA_KERNEL void operator()(int t, int c) const {
    const int h = c / (y.cols() / sums.cols());
    y(t, c) /= recurrence_divisor(sums(t, h), least(t, h));
  }
};

/// What heads that share keys make of them, together.
struct RecurrenceSharing {
  Matrix<const float> of_heads;
  Matrix<float> shared;
  int keys, sharing;
  FAUNA_KERNEL void operator()(int t, int c) const {
    float sum = 0;
    for (int s = 0; s < sharing; ++s) sum += of_heads(t, (c / keys * sharing + s) * keys + c % keys);
    shared(t, c) += sum;
  }
};

}  // namespace kernels
}  // namespace fauna::inline v0
