// Causal attention as kernels (op.hpp has the maths). A block owns some rows of one head, a few for each of its warps,
// and meets the others 32 at a time in shared memory: the lanes of a warp compute the 32 scores of a row, each with one
// of the others, then add up results with each lane at its own columns. No score outlives its tile.
//   forward and dq   own queries, meet keys, in ascending order
//   dk and dv        own keys, meet queries, in ascending order, for each query head of the group in order
// Tiles of keys begin at multiples of 32 from the start of the sequence, so that a row's bits do not depend on the rows
// beside it.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>

#include <fauna/backend/simt.cuh>
#include <fauna/ops/attention/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

/// How a block is cut for a head size: fewer rows where more columns fill the registers and 48 KiB of shared memory.
template <int D> struct AttentionTile {
  static_assert(D <= 256, "fauna: attention kernels hold heads of at most 256 columns");
  static constexpr int warps = 4, threads = warps * warp_size, keys = warp_size;
  static constexpr int rows_of_warp = D <= 64 ? 4 : D <= 192 ? 2 : 1, rows = warps * rows_of_warp;
  static constexpr int of_lane = (D + warp_size - 1) / warp_size;  ///< columns of a lane: lane, lane + 32, ...
  static constexpr int stride = D | 1;                             ///< odd, so that lanes read different banks
};

/// Where the rows of one sequence lie; rows are counted from the start of the sequence, those before the batch
/// included.
struct AttentionSequence {
  Batch batch;
  AttentionShape shape;
  int sequence;
  FAUNA_KERNEL int past() const { return batch.before(sequence); }
  FAUNA_KERNEL int length() const { return past() + batch.last(sequence) - batch.first(sequence); }
  /// Row of q and y, a row of the batch.
  FAUNA_KERNEL int query(int i) const { return batch.first(sequence) + i - past(); }
  /// The first row that a row of the batch from i on may see, but for documents. In a tree a branch may be as short as
  /// the past's next row.
  FAUNA_KERNEL int oldest(int i) const {
    const int from = batch.plainly_causal() ? i : past();
    const int own = shape.reach(from);
    return from < own ? 0 : from - own + 1;
  }
  /// The ancestors of row i of a tree, itself included, as a mask (Miao et al. 2024, "SpecInfer", section 4.2): bit k
  /// is the k-th row of the sequence in the batch. 0: no tree, or one of more rows than a word has bits, where who asks
  /// of a key walks the path to it.
  FAUNA_KERNEL std::uint64_t ancestors(int i) const {
    const int first = batch.first(sequence);
    if (batch.parent == nullptr || batch.last(sequence) - first > 64) return 0;
    std::uint64_t mask = 0;
    for (int r = query(i); r >= first; r = batch.continues(sequence, r)) mask |= std::uint64_t{1} << (r - first);
    return mask;
  }
  /// Of row j, which i sees. mask: ancestors(i), or 0.
  FAUNA_KERNEL int steps_back(int i, int j, std::uint64_t mask) const {
    if (mask == 0) return batch.steps_back(sequence, query(i), query(j));
    const int own = j - past();
    return own < 0 ? std::popcount(mask) - 1 - own : std::popcount(mask >> own) - 1;
  }
  FAUNA_KERNEL bool sees(int i, int j, std::uint64_t mask = 0) const {
    if (j > i) return false;
    if (shape.bounded()) {
      const int back = steps_back(i, j, mask);
      if (back >= shape.window) return false;
      if (shape.chunk < unbounded && back >= shape.reach(batch.rows_before(sequence, query(i)))) return false;
    }
    if (batch.plainly_causal()) return true;
    if (j < past()) return batch.sees_past(sequence, query(i));
    return mask != 0 ? (mask >> (j - past()) & 1) != 0 : batch.sees(sequence, query(i), query(j));
  }
  /// s_ij, or s'_ij, of a product q_i · k_j, which i sees. tilt: the head's slope, 0 without alibi.
  FAUNA_KERNEL float score(float product, float tilt, int i, int j, std::uint64_t mask = 0) const {
    float s = product * static_cast<float>(shape.scale);
    if (tilt > 0) s -= tilt * static_cast<float>(steps_back(i, j, mask));
    return shape.cap > 0 ? shape.cap * std::tanh(s / shape.cap) : s;
  }
  FAUNA_KERNEL float tilt(int head) const { return shape.alibi > 0 ? alibi_slope(shape, head) : 0; }
  /// What a score's gradient is multiplied by on its way to the product's.
  FAUNA_KERNEL float slope(float score) const {
    const float t = shape.cap > 0 ? score / shape.cap : 0;
    return static_cast<float>(shape.scale) * (1 - t * t);
  }
  /// m_ij of op.hpp.
  FAUNA_KERNEL float keep(int i, int head, int j) const {
    if (shape.dropout <= 0) return 1;
    return attention_drops(shape, query(i), head, j) ? 0 : 1 / (1 - shape.dropout);
  }
};

/// Copies the rows row(from), row(from + 1), ... of a head to shared memory, zeros past the end. All threads of the
/// block.
template <int D, class T, class Row>
FAUNA_KERNEL void load_rows(T const& t, float* to, int stride, int rows, int from, int end, Row row) {
  for (int e = t.index(); e < rows * D; e += AttentionTile<D>::threads) {
    const int r = e / D, d = e % D;
    to[r * stride + d] = from + r < end ? row(from + r)[d] : 0;
  }
}

template <int D> struct AttentionForward : AttentionTile<D> {
  using Tile = AttentionTile<D>;
  struct Shared {
    float q[Tile::rows * D], other[warp_size * Tile::stride];  ///< other: keys, then values
  };
  Batch batch;
  AttentionShape shape;
  int tiles;  ///< of queries, for each sequence and head
  Heads<const float> q;
  KeyValues<const float> cached, fresh;  ///< fresh: of the batch's rows, where they are not in the cache
  Heads<float> y;
  float* lse;
  const float* sinks;

  template <class T> FAUNA_KERNEL void operator()(T const& t, Shared& s) const {
    const int item = t.block() / tiles, head = item % shape.heads, kv = head / (shape.heads / shape.kv_heads);
    const AttentionSequence seq{batch, shape, item / shape.heads};
    const int past = seq.past(), length = seq.length(), begin = past + t.block() % tiles * Tile::rows;
    if (begin >= length) return;  // the same for the whole block
    const int end = begin + Tile::rows < length ? begin + Tile::rows : length;
    const bool apart = fresh.k.data != nullptr;
    load_rows<D>(t, s.q, D, Tile::rows, begin, end, [&](int i) { return q.at(seq.query(i), head); });
    const auto rows_of = [&](Heads<const float> const& in, Heads<const float> const& of_batch) {
      return [&](int j) {
        const KeyPlace place = key_place(shape, batch, seq.sequence, j, apart);
        return (apart && place.own ? of_batch : in).at(place.row, kv);
      };
    };

    const int own = t.warp() * Tile::rows_of_warp;
    const float tilt = seq.tilt(head);
    float m[Tile::rows_of_warp], sum[Tile::rows_of_warp], out[Tile::rows_of_warp][Tile::of_lane];
    std::uint64_t mask[Tile::rows_of_warp];
    for (int r = 0; r < Tile::rows_of_warp; ++r) {
      mask[r] = begin + own + r < end ? seq.ancestors(begin + own + r) : 0;
      m[r] = sinks != nullptr ? sinks[head] : -INFINITY;
      sum[r] = sinks != nullptr ? 1 : 0;
      for (int i = 0; i < Tile::of_lane; ++i) out[r][i] = 0;
    }
    for (int at = seq.oldest(begin) / warp_size * warp_size; at < end; at += warp_size) {
      const int j = at + t.lane();
      t.sync();  // everyone is done with the values before
      load_rows<D>(t, s.other, Tile::stride, warp_size, at, end, rows_of(cached.k, fresh.k));
      t.sync();
      float p[Tile::rows_of_warp] = {};
      for (int d = 0; d < D; ++d) {
        const float k_jd = s.other[t.lane() * Tile::stride + d];
        for (int r = 0; r < Tile::rows_of_warp; ++r) p[r] += s.q[(own + r) * D + d] * k_jd;
      }
      for (int r = 0; r < Tile::rows_of_warp; ++r) {
        const int i = begin + own + r;
        const bool seen = i < end && seq.sees(i, j, mask[r]);
        const float score = seen ? seq.score(p[r], tilt, i, j, mask[r]) : -INFINITY;
        const float before = m[r], tile_most = simt::warp_max(t, score);
        m[r] = tile_most > before ? tile_most : before;
        p[r] = seen ? std::exp(score - m[r]) : 0;
        // What was summed with the old maximum; nothing was where that is still -∞.
        const float rescale = before == m[r] ? 1 : std::exp(before - m[r]);
        sum[r] = sum[r] * rescale + simt::warp_sum(t, p[r]);
        for (int c = 0; c < Tile::of_lane; ++c) out[r][c] *= rescale;
        if (seen) p[r] *= seq.keep(i, head, j);
      }
      t.sync();  // everyone is done with the keys
      load_rows<D>(t, s.other, Tile::stride, warp_size, at, end, rows_of(cached.v, fresh.v));
      t.sync();
      for (int l = 0; l < warp_size; ++l)
        for (int r = 0; r < Tile::rows_of_warp; ++r) {
          const float p_l = t.from_lane(p[r], l);
          for (int c = 0; c < Tile::of_lane; ++c) {
            const int d = t.lane() + c * warp_size;
            if (d < D) out[r][c] += p_l * s.other[l * Tile::stride + d];
          }
        }
    }
    for (int r = 0; r < Tile::rows_of_warp; ++r) {
      const int i = begin + own + r;
      if (i >= end) continue;
      for (int c = 0; c < Tile::of_lane; ++c) {
        const int d = t.lane() + c * warp_size;
        if (d < D) y.at(seq.query(i), head)[d] = out[r][c] / sum[r];
      }
      if (lse && t.lane() == 0) lse[seq.query(i) * shape.heads + head] = m[r] + std::log(sum[r]);
    }
  }
};

/// delta_i = dy_i · y_i, for each row and head.
template <int D> struct AttentionDelta {
  int heads;
  Heads<const float> y, dy;
  float* delta;  ///< [rows, heads]
  template <class T> FAUNA_KERNEL void operator()(T const& t, int item) const {
    const int row = item / heads, head = item % heads;
    float sum = 0;
    for (int d = t.lane(); d < D; d += warp_size) sum += dy.at(row, head)[d] * y.at(row, head)[d];
    sum = simt::warp_sum(t, sum);
    if (t.lane() == 0) delta[item] = sum;
  }
};

/// dsink_h -= Σ_i exp(sink_h - lse_i) dy_i · y_i: a warp for each head, whose lanes have every 32nd row.
template <int D> struct SinkGradients {
  int rows, heads;
  Heads<const float> y, dy;
  const float *lse, *sinks;
  float* dsinks;
  template <class T> FAUNA_KERNEL void operator()(T const& t, int head) const {
    float sum = 0;
    for (int r = t.lane(); r < rows; r += warp_size) {
      float delta = 0;
      for (int d = 0; d < D; ++d) delta += dy.at(r, head)[d] * y.at(r, head)[d];
      sum += delta * std::exp(sinks[head] - lse[r * heads + head]);
    }
    sum = simt::warp_sum(t, sum);
    if (t.lane() == 0) dsinks[head] -= sum;
  }
};

/// Both halves of the backward pass: with ByKey the block owns keys and meets queries, otherwise the other way round. A
/// tile is loaded for s = q·k, then for the product with dy, then again for what the scores multiply.
template <int D, bool ByKey> struct AttentionBackward : AttentionTile<D> {
  using Tile = AttentionTile<D>;
  struct Shared {
    float own[Tile::rows * D], own2[Tile::rows * D];  ///< q and dy, or k and v
    float other[warp_size * Tile::stride];            ///< k or v, or q or dy
  };
  Batch batch;
  AttentionShape shape;
  int tiles;  ///< of own rows, for each sequence and head
  Heads<const float> q, k, v, dy;
  const float *lse, *delta;
  Heads<float> dq, dk, dv;

  template <class T> FAUNA_KERNEL void operator()(T const& t, Shared& s) const {
    const int heads = ByKey ? shape.kv_heads : shape.heads, group = shape.heads / shape.kv_heads;
    const int item = t.block() / tiles, own_head = item % heads;
    const AttentionSequence seq{batch, shape, item / heads};
    const int length = seq.length(), begin = t.block() % tiles * Tile::rows;
    if (begin >= length) return;
    const int end = begin + Tile::rows < length ? begin + Tile::rows : length;
    const auto row = [&](int i) { return seq.query(i); };
    const auto mine = [&](Heads<const float> const& in) { return [&](int i) { return in.at(row(i), own_head); }; };
    load_rows<D>(t, s.own, D, Tile::rows, begin, end, mine(ByKey ? k : q));
    load_rows<D>(t, s.own2, D, Tile::rows, begin, end, mine(ByKey ? v : dy));

    const int own = t.warp() * Tile::rows_of_warp;
    float sum[Tile::rows_of_warp][Tile::of_lane] = {};   // dq or dk
    float sum2[Tile::rows_of_warp][Tile::of_lane] = {};  // dv
    const int first_head = ByKey ? own_head * group : own_head, last_head = ByKey ? first_head + group : own_head + 1;
    const int from = ByKey ? begin / warp_size * warp_size : 0, to = ByKey ? length : end;
    for (int head = first_head; head < last_head; ++head) {
      const int other_head = ByKey ? head : head / group;
      const float tilt = seq.tilt(head);
      for (int at = from; at < to; at += warp_size) {
        float p[Tile::rows_of_warp], ds[Tile::rows_of_warp];
        dot(t, s, s.own, at, to, ByKey ? q : k, other_head, row, p);
        dot(t, s, s.own2, at, to, ByKey ? dy : v, other_head, row, ds);
        const int there = at + t.lane();
        for (int r = 0; r < Tile::rows_of_warp; ++r) {
          const int here = begin + own + r, i = ByKey ? there : here, j = ByKey ? here : there;
          const bool seen = here < end && there < to && seq.sees(i, j);
          const int stat = seen ? seq.query(i) * shape.heads + head : 0;
          const float keep = seen ? seq.keep(i, head, j) : 0;
          const float score = seen ? seq.score(p[r], tilt, i, j) : 0, weight = seen ? std::exp(score - lse[stat]) : 0;
          ds[r] = seen ? seq.slope(score) * weight * (keep * ds[r] - delta[stat]) : 0;
          p[r] = keep * weight;
        }
        if constexpr (ByKey) collect(t, s, p, sum2);  // dv: the tile is still dy
        load(t, s, at, to, ByKey ? q : k, other_head, row);
        collect(t, s, ds, sum);
      }
    }
    for (int r = 0; r < Tile::rows_of_warp; ++r) {
      const int here = begin + own + r;
      if (here >= end) continue;
      for (int c = 0; c < Tile::of_lane; ++c) {
        const int d = t.lane() + c * warp_size;
        if (d >= D) continue;
        if constexpr (ByKey) {
          dk.at(row(here), own_head)[d] = sum[r][c];
          dv.at(row(here), own_head)[d] = sum2[r][c];
        } else {
          dq.at(row(here), own_head)[d] = sum[r][c];
        }
      }
    }
  }

 private:
  template <class T, class Row>
  static FAUNA_KERNEL void load(T const& t, Shared& s, int at, int to, Heads<const float> in, int head, Row row) {
    t.sync();  // everyone is done with the tile before
    load_rows<D>(t, s.other, Tile::stride, warp_size, at, to, [&](int i) { return in.at(row(i), head); });
    t.sync();
  }
  /// y[r] = own row r · the lane's row of the tile
  template <class T, class Row>
  static FAUNA_KERNEL void dot(T const& t, Shared& s, const float* rows, int at, int to, Heads<const float> in,
                               int head, Row row, float (&y)[Tile::rows_of_warp]) {
    load(t, s, at, to, in, head, row);
    const int own = t.warp() * Tile::rows_of_warp;
    for (int r = 0; r < Tile::rows_of_warp; ++r) y[r] = 0;
    for (int d = 0; d < D; ++d) {
      const float x = s.other[t.lane() * Tile::stride + d];
      for (int r = 0; r < Tile::rows_of_warp; ++r) y[r] += rows[(own + r) * D + d] * x;
    }
  }
  /// sum[r] += Σ over the tile's rows l of w[r] (of lane l) · row l
  template <class T>
  static FAUNA_KERNEL void collect(T const& t, Shared const& s, float const (&w)[Tile::rows_of_warp],
                                   float (&sum)[Tile::rows_of_warp][Tile::of_lane]) {
    for (int l = 0; l < warp_size; ++l)
      for (int r = 0; r < Tile::rows_of_warp; ++r) {
        const float w_l = t.from_lane(w[r], l);
        for (int c = 0; c < Tile::of_lane; ++c) {
          const int d = t.lane() + c * warp_size;
          if (d < D) sum[r][c] += w_l * s.other[l * Tile::stride + d];
        }
      }
  }
};

}  // namespace kernels

template <Device B> struct attention<B> {
  template <int HeadSize>
  static constexpr std::size_t workspace(int sequences, int longest, AttentionShape const& a, int /*threads*/) {
    return aligned(static_cast<std::size_t>(sequences) * static_cast<std::size_t>(longest) *
                   static_cast<std::size_t>(a.heads) * sizeof(float));
  }

  template <int HeadSize>
  static void forward(B const& b, Batch const& batch, AttentionShape const& a, Heads<const float> q,
                      Heads<const float> k, Heads<const float> v, Heads<float> y, float* lse,
                      const float* sinks = nullptr, KeyValues<const float> own = {}) {
    using Kernel = kernels::AttentionForward<HeadSize>;
    const simt::BatchOnDevice<B> on_device(b, batch);
    const int tiles = simt::parts(longest(batch), Kernel::rows);
    b.launch(Kernel{{}, on_device.get(), a, tiles, q, {k, v}, own, y, lse, sinks},
             static_cast<long long>(batch.sequences) * a.heads * tiles);
  }

  template <int HeadSize>
  static void backward(B const& b, Batch const& batch, AttentionShape const& a, Heads<const float> q,
                       Heads<const float> k, Heads<const float> v, Heads<const float> y, const float* lse,
                       Heads<const float> dy, Heads<float> dq, Heads<float> dk, Heads<float> dv) {
    using Queries = kernels::AttentionBackward<HeadSize, false>;
    using Keys = kernels::AttentionBackward<HeadSize, true>;
    const simt::BatchOnDevice<B> on_device(b, batch);
    const Scope scope(*b.scratch);
    const int items = batch.rows * a.heads, tiles = simt::parts(longest(batch), Queries::rows);
    float* const delta = b.scratch->template take<float>(static_cast<std::size_t>(items));
    simt::each_row(b, items, kernels::AttentionDelta<HeadSize>{a.heads, y, dy, delta});
    b.launch(Queries{{}, on_device.get(), a, tiles, q, k, v, dy, lse, delta, dq, dk, dv},
             static_cast<long long>(batch.sequences) * a.heads * tiles);
    b.launch(Keys{{}, on_device.get(), a, tiles, q, k, v, dy, lse, delta, dq, dk, dv},
             static_cast<long long>(batch.sequences) * a.kv_heads * tiles);
  }

  template <int HeadSize>
  static void sink_gradients(B const& b, Batch const& batch, AttentionShape const& a, Heads<const float> y,
                             const float* lse, Heads<const float> dy, const float* sinks, float* dsinks) {
    simt::each_row(b, a.heads, kernels::SinkGradients<HeadSize>{batch.rows, a.heads, y, dy, lse, sinks, dsinks});
  }

 private:
  /// Rows of the longest sequence, without those before the batch.
  static int longest(Batch const& batch) {
    int most = 0;
    for (int s = 0; s < batch.sequences; ++s) {
      const int n = batch.last(s) - batch.first(s);
      most = n > most ? n : most;
    }
    return most;
  }
};

}  // namespace fauna::inline v0
