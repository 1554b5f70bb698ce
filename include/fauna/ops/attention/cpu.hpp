// Causal attention on the CPU: blocks of 64 queries meet blocks of 64 keys (tile.hpp), and no more than one block of
// scores exists per thread. Forward is parallel over (sequence, head, query block), backward over (sequence, key head).
// Sums have one shape whatever the thread count: outputs and dq run over the keys in ascending order, dk and dv over
// the query heads of their group in order and in each over the queries in ascending order.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <fauna/backend/cpu.hpp>
#include <fauna/ops/attention/op.hpp>
#include <fauna/ops/attention/tile.hpp>
#include <fauna/ops/dropout/lanes.hpp>

namespace fauna::inline v0 {

template <class P, isa T, unsigned Tag> struct attention<Cpu<P, T, Tag>> {
  using backend = Cpu<P, T, Tag>;

  template <int HeadSize>
  static std::size_t workspace(int /*sequences*/, int longest, AttentionShape const& a, int threads) {
    Arena measure;
    for (int t = 0; t < threads; ++t) Worker<HeadSize>(measure, longest, a);
    return measure.high_water();
  }

  template <int HeadSize>
  static void forward(backend const& b, Batch const& batch, AttentionShape const& a, Heads<const float> q,
                      Heads<const float> k, Heads<const float> v, Heads<float> y, float* lse) {
    const int longest = longest_of(batch), blocks = (longest + block - 1) / block;
    share<HeadSize>(b, batch, a, longest, batch.sequences * a.heads * blocks, [&](Worker<HeadSize>& w, int item) {
      // The blocks of a head follow each other, the longest first: keys are packed once, the short ones even out.
      const int sequence = item / (a.heads * blocks), head = item / blocks % a.heads;
      const int at = (blocks - 1 - item % blocks) * block;
      if (at >= batch.last(sequence) - batch.first(sequence)) return;
      w.enter(sequence, head / (a.heads / a.kv_heads));
      w.pack_keys(k, v, at + block);
      w.forward(head, at, q, y, lse);
    });
  }

  template <int HeadSize>
  static void backward(backend const& b, Batch const& batch, AttentionShape const& a, Heads<const float> q,
                       Heads<const float> k, Heads<const float> v, Heads<const float> y, const float* lse,
                       Heads<const float> dy, Heads<float> dq, Heads<float> dk, Heads<float> dv) {
    const int longest = longest_of(batch);
    share<HeadSize>(b, batch, a, longest, batch.sequences * a.kv_heads, [&](Worker<HeadSize>& w, int item) {
      const int sequence = item / a.kv_heads, kv = item % a.kv_heads, group = a.heads / a.kv_heads;
      const int length = batch.last(sequence) - batch.first(sequence);
      w.enter(sequence, kv);
      for (int panel = 0; panel < length; panel += w.panel) {
        w.open_panel(panel, k, v);
        for (int head = kv * group; head < (kv + 1) * group; ++head)
          for (int at = panel; at < length; at += block) w.backward(head, at, q, y, lse, dy, dq);
        w.close_panel(dk, dv);
      }
    });
  }

 private:
  static constexpr int block = attention_detail::block, W = backend::lanes;

  static int longest_of(Batch const& batch) {
    int longest = batch.length;
    if (batch.offsets != nullptr)
      for (int s = 0; s < batch.sequences; ++s)
        if (batch.last(s) - batch.first(s) > longest) longest = batch.last(s) - batch.first(s);
    return longest;
  }

  /// f(worker, item) for every item, in chunks that go to whichever thread is free: an item's result does not depend
  /// on who computes it.
  template <int HeadSize, class F>
  static void share(backend const& b, Batch const& batch, AttentionShape const& a, int longest, int items, F&& f) {
    Scope scope(*b.scratch);
    if (items == 0) return;
    const int threads = b.threads < items ? b.threads : items;
    Arena measure;
    Worker<HeadSize>(measure, longest, a);
    const std::size_t each = measure.used();
    std::byte* scratch = b.scratch->template take<std::byte>(each * static_cast<std::size_t>(threads));
    const int grab = 1 + 8192 / (longest * HeadSize + 1);
    int next = 0;
    parallel(threads, [&](Team team) {
      Arena own(scratch + each * static_cast<std::size_t>(team.thread), each);
      Worker<HeadSize> worker(own, longest, a);
      worker.batch = &batch;
      for (;;) {
        const int from = __atomic_fetch_add(&next, grab, __ATOMIC_RELAXED);
        if (from >= items) break;
        for (int i = from; i < from + grab && i < items; ++i) f(worker, i);
      }
    });
  }

  /// One thread's memory and position. Rows below are counted from the start of the sequence.
  template <int HeadSize> struct Worker {
    using K = attention_detail::kernels<W, HeadSize, Tag>;
    static constexpr int stride = K::stride, R = K::R;

    Worker(Arena& arena, int longest, AttentionShape const& shape) : a(shape) {
      const auto rows = static_cast<std::size_t>((longest + block - 1) / block * block), wide = std::size_t{stride};
      const std::size_t panel_rows = rows < panel ? rows : panel;
      for (float** p : {&keys, &values}) *p = arena.template take<float>(rows * wide);
      for (float** p : {&dkeys, &dvalues}) *p = arena.template take<float>(panel_rows * wide);
      for (float** p : {&queries, &queries_T, &dy, &dy_T, &sums}) *p = arena.template take<float>(block * wide);
      for (float** p : {&p, &ds}) *p = arena.template take<float>(block * block);
      if (shape.dropout > 0) keep = arena.template take<float>(block * block);
      for (float** p : {&most, &before, &total, &factor}) *p = arena.template take<float>(block);
      seen = arena.template take<std::uint64_t>(rows);
    }

    /// Turns to a sequence and a key head; nothing of it is packed yet unless it is the one of before.
    void enter(int sequence, int key_head) {
      if (sequence == sequence_ && key_head == kv) return;
      sequence_ = sequence;
      kv = key_head;
      first = batch->first(sequence);
      length = batch->last(sequence) - first;
      packed = 0;
    }
    /// Keys and values of the rows before `end`.
    void pack_keys(Heads<const float> k, Heads<const float> v, int end) {
      if (end > length) end = length;
      if (end <= packed) return;
      const int n = end - packed, rows = (end + R - 1) / R * R - packed;
      K::pack(keys + packed * stride, k.at(first + packed, kv), k.row_stride, n, rows, 1);
      K::pack(values + packed * stride, v.at(first + packed, kv), v.row_stride, n, rows, 1);
      packed = end;
    }

    void forward(int head, int at, Heads<const float> q, Heads<float> y, float* lse) {
      load_queries(head, at, q);
      std::memset(sums, 0, sizeof(float) * block * stride);
      for (int i = 0; i < lanes; ++i) before[i] = K::nothing, total[i] = 0;
      for (int j = from; j <= at; j += block) {
        const int n = length - j < block ? length - j : block;
        const std::uint64_t* mask;
        if (!visible(at, j, n, mask)) continue;
        if (a.dropout > 0) fill_keep(head, at, j);
        std::memcpy(most, before, sizeof(float) * block);
        each_score(at, j, n, [&]<int N>(int r, int i) {
          K::template scores<N>(p + r * block, keys + (j + r) * stride, queries_T, mask ? mask + r : nullptr, i, most);
        });
        for (int i = 0; i < lanes; i += W)
          K::softmax(p + i, j == at && i + W < n ? i + W : n, most + i, before + i, total + i, factor + i);
        if (a.dropout > 0) drop(n);
        for (int i = 0; i < rows; i += R)
          K::template product<true>(sums + i * stride, factor + i, p + i, values + j * stride, 0,
                                    j == at && i + R < n ? i + R : n);
      }
      for (int i = 0; i < lanes; i += W) {
        simd::vfloat<W> l, m, s;
        simd::load<W>(s, total + i);
        simd::load<W>(m, before + i);
        attention_detail::log<W>(l, s);
        simd::store<W>(most + i, l + m);
        simd::store<W>(factor + i, 1.0F / s);
      }
      for (int i = 0; i < count; ++i) {
        store_row(y.at(first + at + i, head), sums + i * stride, factor[i]);
        if (lse != nullptr) lse[index(first + at + i, head)] = most[i];
      }
    }

    void backward(int head, int at, Heads<const float> q, Heads<const float> y, const float* lse,
                  Heads<const float> dy_, Heads<float> dq) {
      load_queries(head, at, q);
      const int begin = from > begin_ ? from : begin_, end = at + block < end_ ? at + block : end_;
      if (begin >= end) return;
      K::pack(dy, dy_.at(first + at, head), dy_.row_stride, count, lanes, 1);
      attention_detail::transpose_rows<W, Tag>(dy_T, dy, stride, lanes, stride);
      float *delta = most, *row_lse = before;
      K::row_dots(delta, dy, y.at(first + at, head), y.row_stride, count, lanes);
      for (int i = 0; i < lanes; ++i) row_lse[i] = i < count ? lse[index(first + at + i, head)] : 0;
      // dq lies in its place between panels, still without the factor `scale`
      if (begin == from) std::memset(sums, 0, sizeof(float) * block * stride);
      else K::pack(sums, dq.at(first + at, head), dq.row_stride, count, count, 1);
      for (int j = begin; j < end; j += block) {
        const int n = length - j < block ? length - j : block;
        const std::uint64_t* mask;
        if (!visible(at, j, n, mask)) continue;
        if (a.dropout > 0) fill_keep(head, at, j);
        each_score(at, j, n, [&]<int N>(int r, int i) {
          K::template score_gradients<N>(p + r * block, ds + r * block, keys + (j + r) * stride,
                                         values + (j + r) * stride, queries_T, dy_T, row_lse, delta,
                                         keep ? keep + r * block : nullptr, mask ? mask + r : nullptr, i);
        });
        for (int r = 0; r < n; r += R) {
          const int i = j == at ? r : 0;  // a key's first query
          K::template product<false>(dvalues + (j - begin_ + r) * stride, nullptr, p + r * block, dy, i, count);
          K::template product<false>(dkeys + (j - begin_ + r) * stride, nullptr, ds + r * block, queries, i, count);
        }
        for (int i = 0; i < rows; i += R)
          K::template product<true>(sums + i * stride, nullptr, ds + i, keys + j * stride, 0,
                                    j == at && i + R < n ? i + R : n);
      }
      for (int i = 0; i < count; ++i)
        store_row(dq.at(first + at + i, head), sums + i * stride, end > at ? static_cast<float>(a.scale) : 1.0F);
    }

    /// Backward goes through the keys in panels that stay, with their gradients, in the second-level cache.
    static constexpr int panel = 16384 / stride < 2 * block ? block : 16384 / stride / block * block;
    void open_panel(int begin, Heads<const float> k, Heads<const float> v) {
      begin_ = begin;
      end_ = begin + panel < length ? begin + panel : length;
      pack_keys(k, v, end_);
      const std::size_t bytes = sizeof(float) * static_cast<std::size_t>((end_ - begin + R - 1) / R * R * stride);
      std::memset(dkeys, 0, bytes);
      std::memset(dvalues, 0, bytes);
    }
    void close_panel(Heads<float> dk, Heads<float> dv) {
      for (int j = begin_; j < end_; ++j) {
        store_row(dk.at(first + j, kv), dkeys + (j - begin_) * stride, 1);
        store_row(dv.at(first + j, kv), dvalues + (j - begin_) * stride, 1);
      }
    }

    Batch const* batch = nullptr;

   private:
    /// The query block at row `at`: packed, scaled, transposed; and which keys it sees.
    void load_queries(int head, int at, Heads<const float> q) {
      count = length - at < block ? length - at : block;
      rows = (count + R - 1) / R * R;
      lanes = (count + W - 1) / W * W;
      K::pack(queries, q.at(first + at, head), q.row_stride, count, lanes, static_cast<float>(a.scale));
      attention_detail::transpose_rows<W, Tag>(queries_T, queries, stride, lanes, stride);
      from = 0;
      if (batch->plainly_causal()) {
        for (int j = 0; j < block; ++j) seen[j] = ~std::uint64_t{0} << j;
        return;
      }
      const int end = at + count;
      std::memset(seen, 0, sizeof(std::uint64_t) * static_cast<std::size_t>((end + R - 1) / R * R));
      from = at;
      for (int i = 0; i < count; ++i) {
        const int row = at + i, start = batch->start(sequence_, first + row) - first;
        const std::uint64_t bit = std::uint64_t{1} << i;
        int oldest = start;
        if (batch->parent == nullptr)
          for (int r = start; r <= row; ++r) seen[r] |= bit;
        else
          for (int r = row; r >= start; r = batch->parent[first + r] - first) seen[oldest = r] |= bit;
        if (oldest < from) from = oldest / block * block;
      }
    }
    /// Does any query of the block at `at` see any of the n keys from j? mask: bit i of word r says whether query i
    /// sees key j + r; null where all see all.
    bool visible(int at, int j, int n, const std::uint64_t*& mask) const {
      mask = nullptr;
      if (batch->plainly_causal()) {
        if (j == at) mask = seen;
        return true;
      }
      const std::uint64_t whole = ~std::uint64_t{0} >> (block - count);
      std::uint64_t any = 0, all = whole;
      for (int r = 0; r < n; ++r) any |= seen[j + r], all &= seen[j + r];
      if (all != whole || n < block) mask = seen + j;
      return any != 0;
    }

    /// f<vectors>(key, query) for the register tiles of the block that causality leaves. Two vectors of queries stay in
    /// the first-level cache while the keys pass by.
    template <class F> void each_score(int at, int j, int n, F&& f) const {
      for (int i = 0; i < lanes; i += 2 * W) {
        const bool two = i + W < lanes;
        const int both = j == at && i + W < n ? i + W : n, last = j == at && two && i + 2 * W < n ? i + 2 * W : n;
        int r = 0;
        for (; r < both; r += R) two ? f.template operator()<2>(r, i) : f.template operator()<1>(r, i);
        if (two)
          for (; r < last; r += R) f.template operator()<1>(r, i + W);
      }
    }
    /// keep[key][query] = 0 where attention_drops, else 1 / (1 - dropout), for the block of keys at j.
    void fill_keep(int head, int at, int j) {
      const float kept = 1 / (1 - a.dropout);
      float* drawn = ds;  // [query][key], free until the scores are there
      for (int i = 0; i < lanes; ++i) {
        const auto row = static_cast<std::uint64_t>(index(first + at + i, head));
        for (int c = 0; c < block; c += 4 * W) {
          alignas(64) std::uint32_t words[4 * W];
          simd::philox_words<W>(words, a.key, (row << 30) + static_cast<std::uint64_t>((j + c) / 4));
          FAUNA_UNROLL
          for (int l = 0; l < 4 * W; l += W) {
            simd::vint<W> word;
            std::memcpy(&word, words + l, sizeof word);
            const auto draw =
                __builtin_convertvector((simd::vint<W>)((simd::vuint<W>)word >> 8), simd::vfloat<W>) * 0x1p-24F;
            simd::store<W>(drawn + i * block + c + l, draw < a.dropout ? simd::vfloat<W>{} : simd::vfloat<W>{} + kept);
          }
        }
      }
      attention_detail::transpose_rows<W, Tag>(keep, drawn, block, lanes, block);
    }
    void drop(int n) {
      for (int r = 0; r < n; ++r)
        for (int i = 0; i < lanes; i += W) {
          simd::vfloat<W> x, m;
          simd::load<W>(x, p + r * block + i);
          simd::load<W>(m, keep + r * block + i);
          simd::store<W>(p + r * block + i, x * m);
        }
    }
    static void store_row(float* to, const float* from, float factor) {
      FAUNA_UNROLL
      for (int d = 0; d < HeadSize; d += W) {
        simd::vfloat<W> x;
        simd::load<W>(x, from + d);
        K::store_columns(to, x * factor, d);
      }
    }
    std::ptrdiff_t index(int row, int head) const { return static_cast<std::ptrdiff_t>(row) * a.heads + head; }

    AttentionShape const& a;
    int sequence_ = -1, kv = -1, first = 0, length = 0, packed = 0;
    int begin_ = 0, end_ = 0;                      // of the panel of keys
    int count = 0, rows = 0, lanes = 0, from = 0;  // of the query block; rows and lanes: rounded up to R and W
    float *keys, *values, *dkeys, *dvalues;
    float *queries, *queries_T, *dy, *dy_T, *sums, *p, *ds, *keep = nullptr;
    float *most, *before, *total, *factor;
    std::uint64_t* seen;
  };
};

}  // namespace fauna::inline v0
