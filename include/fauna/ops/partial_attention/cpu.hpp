// Partial attention on the CPU: blocks of 64 queries meet blocks of 64 keys, with the kernels of ops/attention. What a
// row has seen before goes on as an online softmax does: its maximum is lse, its sum 1, its weighted values y.
// Sums have one shape for any number of threads: forward is parallel over (sequence, head, query block), backward over
// (sequence, key head).
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <fauna/backend/cpu.hpp>
#include <fauna/ops/attention/tile.hpp>
#include <fauna/ops/partial_attention/op.hpp>

namespace fauna::inline v0 {

namespace partial_attention_detail {

using attention_detail::block, attention_detail::transpose_rows;

/// One thread's scratch, and what it does with one block of queries.
template <int W, int Size, unsigned Tag> class Worker {
  using K = attention_detail::kernels<W, Size, Tag>;
  static constexpr int stride = K::stride, R = K::R;

 public:
  constexpr explicit Worker(Arena& arena) {
    const auto take = [&arena](int n) { return arena.template take<float>(static_cast<std::size_t>(n)); };
    for (float** x : {&keys_, &values_, &dkeys_, &dvalues_, &queries_, &dy_, &queries_T_, &dy_T_, &sums_})
      *x = take(block * stride);
    for (float** x : {&p_, &ds_}) *x = take(block * block);
    for (float** x : {&most_, &before_, &total_, &factor_, &lse_, &delta_}) *x = take(block);
    seen_ = arena.template take<std::uint64_t>(block);
  }

  /// Queries [at, at + 64) of the stretch, of one head and sequence.
  void forward(AttentionShape const& a, int sequence, int head, int at, RowStretch const& queries,
               RowStretch const& keys, Heads<const float> q, Heads<const float> k, Heads<const float> v, Heads<float> y,
               float* lse) {
    load(a, sequence, head, at, queries, q);
    const int kv = head / (a.heads / a.kv_heads);
    K::pack(sums_, y.at(row_, head), y.row_stride, count_, block, 1);
    for (int i = 0; i < lanes_; ++i) {
      const float before = i < count_ ? lse[index(a, i, head)] : K::nothing;
      const bool none = before < K::nothing;
      before_[i] = none ? K::nothing : before;
      total_[i] = none || i >= count_ ? 0.0F : 1.0F;
    }
    bool any = false;
    for (int j = 0; j < keys.rows; j += block) {
      if (!see(a, keys, j)) continue;
      any = true;
      const int first = keys.row + sequence * keys.step + j;
      K::pack(keys_, k.at(first, kv), k.row_stride, found_, round_up(found_, R), 1);
      K::pack(values_, v.at(first, kv), v.row_stride, found_, found_, 1);
      std::memcpy(most_, before_, sizeof(float) * block);
      for (int i = 0; i < lanes_; i += W)
        for (int r = 0; r < found_; r += R)
          K::template scores<1>(p_ + r * block, keys_ + r * stride, queries_T_, seen_ + r, i, most_);
      if (a.alibi > 0) tilt(a, head, keys.position + j);
      for (int r = 0; a.cap > 0 && r < found_; ++r) K::bend(p_ + r * block, lanes_, a.cap);
      for (int i = 0; i < lanes_; i += W) {
        if (a.alibi > 0 || a.cap > 0) K::largest(most_ + i, before_ + i, p_ + i, found_);
        K::softmax(p_ + i, found_, most_ + i, before_ + i, total_ + i, factor_ + i);
      }
      for (int i = 0; i < count_; i += R)
        K::template product<true>(sums_ + i * stride, factor_ + i, p_ + i, values_, 0, found_);
    }
    if (!any) return;
    for (int i = 0; i < lanes_; i += W) K::finish(lse_ + i, factor_ + i, before_ + i, total_ + i);
    for (int i = 0; i < count_; ++i) {
      if (!(total_[i] > 0)) continue;  // nothing is seen yet
      K::store(y.at(row_ + i, head), sums_ + i * stride, factor_[i]);
      lse[index(a, i, head)] = lse_[i];
    }
  }

  /// Keys [at, at + 64) of the stretch, with the sums that their gradients have come to.
  void open(int sequence, int kv, int at, RowStretch const& keys, Heads<const float> k, Heads<const float> v,
            Heads<float> dk, Heads<float> dv) {
    found_ = keys.rows - at < block ? keys.rows - at : block;
    const int first = keys.row + sequence * keys.step + at, rows = round_up(found_, R);
    K::pack(keys_, k.at(first, kv), k.row_stride, found_, rows, 1);
    K::pack(values_, v.at(first, kv), v.row_stride, found_, rows, 1);
    K::pack(dkeys_, dk.at(first, kv), dk.row_stride, found_, rows, 1);
    K::pack(dvalues_, dv.at(first, kv), dv.row_stride, found_, rows, 1);
  }
  void close(int sequence, int kv, int at, RowStretch const& keys, Heads<float> dk, Heads<float> dv) {
    const int first = keys.row + sequence * keys.step + at, rows = keys.rows - at < block ? keys.rows - at : block;
    for (int j = 0; j < rows; ++j) {
      K::store(dk.at(first + j, kv), dkeys_ + j * stride, 1);
      K::store(dv.at(first + j, kv), dvalues_ + j * stride, 1);
    }
  }
  /// Queries [at, at + 64) of one head against the open keys, those from `key` on.
  void backward(AttentionShape const& a, int sequence, int head, int at, RowStretch const& queries, int key,
                RowStretch const& keys, Heads<const float> q, Heads<const float> y, const float* lse,
                Heads<const float> gradient, Heads<float> dq) {
    load(a, sequence, head, at, queries, q);
    if (!see(a, keys, key)) return;
    K::pack(dy_, gradient.at(row_, head), gradient.row_stride, count_, lanes_, 1);
    transpose_rows<W, Tag>(dy_T_, block, dy_, stride, lanes_, stride);
    K::row_dots(delta_, dy_, y.at(row_, head), y.row_stride, count_, lanes_);
    for (int i = 0; i < lanes_; ++i) lse_[i] = i < count_ ? lse[index(a, i, head)] : 0;
    for (int i = 0; i < lanes_; i += W)
      for (int r = 0; r < found_; r += R) {
        if (a.alibi > 0 || a.cap > 0) {
          K::template scores<1>(p_ + r * block, keys_ + r * stride, queries_T_, seen_ + r, i, most_);
          K::template scores<1>(ds_ + r * block, values_ + r * stride, dy_T_, nullptr, i, most_);
        } else {
          K::template score_gradients<1>(p_ + r * block, ds_ + r * block, keys_ + r * stride, values_ + r * stride,
                                         queries_T_, dy_T_, lse_, delta_, nullptr, seen_ + r, i);
        }
      }
    if (a.alibi > 0) tilt(a, head, keys.position + key);
    for (int r = 0; (a.alibi > 0 || a.cap > 0) && r < round_up(found_, R); ++r)
      K::bend_gradients(p_ + r * block, ds_ + r * block, lse_, delta_, nullptr, lanes_, a.cap);
    for (int r = 0; r < found_; r += R) {
      K::template product<false>(dvalues_ + r * stride, nullptr, p_ + r * block, dy_, 0, count_);
      K::template product<false>(dkeys_ + r * stride, nullptr, ds_ + r * block, queries_, 0, count_);
    }
    std::memset(sums_, 0, sizeof(float) * block * stride);
    for (int i = 0; i < count_; i += R)
      K::template product<true>(sums_ + i * stride, nullptr, ds_ + i, keys_, 0, found_);
    for (int i = 0; i < count_; ++i)
      for (int d = 0; d < Size; ++d) dq.at(row_ + i, head)[d] += static_cast<float>(a.scale) * sums_[i * stride + d];
  }

 private:
  static constexpr int round_up(int n, int to) { return (n + to - 1) / to * to; }
  std::ptrdiff_t index(AttentionShape const& a, int i, int head) const {
    return static_cast<std::ptrdiff_t>(row_ + i) * a.heads + head;
  }
  void load(AttentionShape const& a, int sequence, int head, int at, RowStretch const& queries, Heads<const float> q) {
    row_ = queries.row + sequence * queries.step + at;
    position_ = queries.position + at;
    count_ = queries.rows - at < block ? queries.rows - at : block;
    lanes_ = round_up(count_, W);
    K::pack(queries_, q.at(row_, head), q.row_stride, count_, lanes_, static_cast<float>(a.scale));
    transpose_rows<W, Tag>(queries_T_, block, queries_, stride, lanes_, stride);
  }
  /// Which of the loaded queries see the keys from j on, 64 at most; false: none does.
  bool see(AttentionShape const& a, RowStretch const& keys, int j) {
    found_ = keys.rows - j < block ? keys.rows - j : block;
    if (!any_sees(a, {0, position_, count_, 0}, {0, keys.position + j, found_, 0})) return false;
    for (int r = 0; r < round_up(found_, R); ++r) {
      seen_[r] = 0;
      for (int i = 0; r < found_ && i < count_; ++i)
        seen_[r] |= std::uint64_t{sees_position(a, position_ + i, keys.position + j + r)} << i;
    }
    return true;
  }
  /// Biases the scores of the found keys, the first of which is at `position`.
  void tilt(AttentionShape const& a, int head, int position) {
    const float slope = alibi_slope(a, head);
    for (int r = 0; r < found_; ++r)
      for (int i = 0; i < lanes_; ++i) p_[r * block + i] += slope * static_cast<float>(position + r - position_ - i);
  }

  int row_ = 0, position_ = 0, count_ = 0, lanes_ = 0;  ///< queries: the first one's row and position; rounded up
  int found_ = 0;                                       ///< keys of the block
  float *keys_ = nullptr, *values_ = nullptr, *dkeys_ = nullptr, *dvalues_ = nullptr;  ///< [key][stride]
  float *queries_ = nullptr, *dy_ = nullptr, *sums_ = nullptr;                         ///< [query][stride]
  float *queries_T_ = nullptr, *dy_T_ = nullptr;                                       ///< [stride][query]
  float *p_ = nullptr, *ds_ = nullptr;                                                 ///< [key][query]
  float *most_ = nullptr, *before_ = nullptr, *total_ = nullptr, *factor_ = nullptr;   ///< [query]
  float *lse_ = nullptr, *delta_ = nullptr;                                            ///< [query]
  std::uint64_t* seen_ = nullptr;                                                      ///< [key] bit i: query i sees it
};

}  // namespace partial_attention_detail

template <class P, isa T, unsigned Tag> struct partial_attention<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;

  template <int HeadSize> static constexpr std::size_t workspace(int threads) {
    return static_cast<std::size_t>(threads) * of_one_thread<HeadSize>();
  }

  template <int HeadSize> static void clear(B const&, int rows, AttentionShape const& a, Heads<float> y, float* lse) {
    for (int r = 0; r < rows; ++r)
      for (int h = 0; h < a.heads; ++h) {
        lse[static_cast<std::ptrdiff_t>(r) * a.heads + h] = -__builtin_inff();
        std::memset(y.at(r, h), 0, sizeof(float) * HeadSize);
      }
  }

  template <int HeadSize>
  static void forward(B const& b, int sequences, AttentionShape const& a, RowStretch const& queries,
                      RowStretch const& keys, Heads<const float> q, Heads<const float> k, Heads<const float> v,
                      Heads<float> y, float* lse) {
    if (!any_sees(a, queries, keys)) return;
    const int blocks = (queries.rows + block - 1) / block;
    share<HeadSize>(b, sequences * a.heads * blocks, [&](auto& worker, int item) {
      worker.forward(a, item / (a.heads * blocks), item / blocks % a.heads, item % blocks * block, queries, keys, q, k,
                     v, y, lse);
    });
  }

  template <int HeadSize>
  static void backward(B const& b, int sequences, AttentionShape const& a, RowStretch const& queries,
                       RowStretch const& keys, Heads<const float> q, Heads<const float> k, Heads<const float> v,
                       Heads<const float> y, const float* lse, Heads<const float> dy, Heads<float> dq, Heads<float> dk,
                       Heads<float> dv) {
    if (!any_sees(a, queries, keys)) return;
    const int group = a.heads / a.kv_heads;
    share<HeadSize>(b, sequences * a.kv_heads, [&](auto& worker, int item) {
      const int sequence = item / a.kv_heads, kv = item % a.kv_heads;
      for (int j = 0; j < keys.rows; j += block) {
        worker.open(sequence, kv, j, keys, k, v, dk, dv);
        for (int head = kv * group; head < (kv + 1) * group; ++head)
          for (int at = 0; at < queries.rows; at += block)
            worker.backward(a, sequence, head, at, queries, j, keys, q, y, lse, dy, dq);
        worker.close(sequence, kv, j, keys, dk, dv);
      }
    });
  }

 private:
  static constexpr int block = attention_detail::block;
  template <int HeadSize> using Worker = partial_attention_detail::Worker<B::lanes, HeadSize, Tag>;

  template <int HeadSize> static constexpr std::size_t of_one_thread() {
    Arena measure;
    const Worker<HeadSize> worker(measure);
    return measure.used();
  }
  /// f(worker, item) for every item.
  template <int HeadSize, class F> static void share(B const& b, int items, F&& f) {
    const Scope scope(*b.scratch);
    const int threads = b.threads < items ? b.threads : items;
    const std::size_t each = of_one_thread<HeadSize>();
    std::byte* const scratch = b.scratch->template take<std::byte>(each * static_cast<std::size_t>(threads));
    int next = 0;
    parallel(threads, [&](Team team) {
      Arena own(scratch + each * static_cast<std::size_t>(team.thread), each);
      Worker<HeadSize> worker(own);
      for (;;) {
        const int item = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED);
        if (item >= items) break;
        f(worker, item);
      }
    });
  }
};

}  // namespace fauna::inline v0
