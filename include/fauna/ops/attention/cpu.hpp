// Causal attention on the CPU: blocks of 64 queries meet blocks of 64 keys (tile.hpp), and no more than one block of
// scores exists per thread. Products are f32 whatever the policy says of matrix products. Forward is parallel over
// (sequence, head, query block), backward over (sequence, key head).
// Sums have one shape for any number of threads: y and dq run over the keys in ascending order, dk and dv over the
// query heads of their group in order and in each over the queries in ascending order.
#pragma once
#include <cstddef>

#include <fauna/backend/cpu.hpp>
#include <fauna/ops/attention/decode.hpp>
#include <fauna/ops/attention/op.hpp>
#include <fauna/ops/attention/worker.hpp>

namespace fauna::inline v0 {

template <class P, isa T, unsigned Tag> struct attention<Cpu<P, T, Tag>> {
  using B = Cpu<P, T, Tag>;

  template <int HeadSize>
  static constexpr std::size_t workspace(int /*sequences*/, int longest, AttentionShape const& a, int threads) {
    const std::size_t many = of_one_thread<HeadSize>(longest, a), one = of_one_row<HeadSize>(a);
    return static_cast<std::size_t>(threads) * (many > one ? many : one) + SharedLoop::bytes(threads);
  }

  template <int HeadSize>
  static void forward(B const& b, Batch const& batch, AttentionShape const& a, Heads<const float> q,
                      Heads<const float> k, Heads<const float> v, Heads<float> y, float* lse,
                      const float* sinks = nullptr, KeyValues<const float> own = {}) {
    if constexpr (Row<HeadSize>::fits) {
      if (a.capacity > 0 && lse == nullptr && own.k.data == nullptr && one_row_each(batch))
        return forward_rows<HeadSize>(b, batch, a, q, k, v, y, sinks);
    }
    if (a.capacity > 0 && decodes(batch, a)) {
      share<HeadSize>(b, batch, a, sinks, longest(batch, a), batch.sequences * a.kv_heads, [&](auto& worker, int item) {
        const int sequence = item / a.kv_heads;
        if (batch.first(sequence) == batch.last(sequence)) return;
        worker.enter(sequence, item % a.kv_heads);
        worker.pack_keys(k, v, own, length(batch, a, sequence));
        worker.forward_group(a.heads / a.kv_heads, q, y, lse);
      });
      return;
    }
    const int most = longest(batch, a), blocks = (most + block - 1) / block, group = a.heads / a.kv_heads;
    share<HeadSize>(b, batch, a, sinks, most, batch.sequences * a.heads * blocks, [&](auto& worker, int item) {
      // The blocks of a head follow each other, the longest first: keys are packed once, the short ones even out.
      const int sequence = item / (a.heads * blocks), head = item / blocks % a.heads;
      const int at = (blocks - 1 - item % blocks) * block;
      const int end = length(batch, a, sequence), past = end - (batch.last(sequence) - batch.first(sequence));
      if (at >= end || at + block <= past) return;
      worker.enter(sequence, head / group);
      worker.pack_keys(k, v, own, at + block);
      worker.forward(head, at, q, y, lse);
    });
  }

  template <int HeadSize>
  static void backward(B const& b, Batch const& batch, AttentionShape const& a, Heads<const float> q,
                       Heads<const float> k, Heads<const float> v, Heads<const float> y, const float* lse,
                       Heads<const float> dy, Heads<float> dq, Heads<float> dk, Heads<float> dv) {
    const int group = a.heads / a.kv_heads;
    share<HeadSize>(b, batch, a, nullptr, batch.longest(), batch.sequences * a.kv_heads, [&](auto& worker, int item) {
      const int sequence = item / a.kv_heads, kv_head = item % a.kv_heads;
      const int length = batch.last(sequence) - batch.first(sequence);
      worker.enter(sequence, kv_head);
      for (int begin = 0; begin < length; begin += worker.panel) {
        worker.open_panel(begin, k, v);
        for (int head = kv_head * group; head < (kv_head + 1) * group; ++head)
          for (int at = begin; at < length; at += block) worker.backward(head, at, q, y, lse, dy, dq);
        worker.close_panel(dk, dv);
      }
    });
  }

  /// Threads own heads, each of which sums over the rows in ascending order.
  template <int HeadSize>
  static void sink_gradients(B const& b, Batch const& batch, AttentionShape const& a, Heads<const float> y,
                             const float* lse, Heads<const float> dy, const float* sinks, float* dsinks) {
    parallel_for(b.threads, a.heads, 1 + 4096 / (batch.rows * HeadSize + 1), [&](int from, int to) {
      for (int h = from; h < to; ++h) {
        double sum = 0;
        for (int r = 0; r < batch.rows; ++r) {
          double delta = 0;
          for (int d = 0; d < HeadSize; ++d)
            delta += static_cast<double>(dy.at(r, h)[d]) * static_cast<double>(y.at(r, h)[d]);
          sum += delta * std::exp(static_cast<double>(sinks[h]) - static_cast<double>(lse[r * a.heads + h]));
        }
        dsinks[h] -= static_cast<float>(sum);
      }
    });
  }

 private:
  static constexpr int block = attention_detail::block;
  template <int HeadSize> using Worker = attention_detail::Worker<B::lanes, HeadSize, Tag>;

  template <int HeadSize> using Row = attention_detail::RowWorker<B::lanes, HeadSize, Tag>;

  /// Rows of a sequence as a worker counts them, and the most of one.
  static int length(Batch const& batch, AttentionShape const& a, int s) {
    return batch.before(s) - attention_detail::base_of(batch, a, s) + batch.last(s) - batch.first(s);
  }
  static int longest(Batch const& batch, AttentionShape const& a) {
    int most = 0;
    for (int s = 0; s < batch.sequences; ++s) most = length(batch, a, s) > most ? length(batch, a, s) : most;
    return most;
  }
  static bool one_row_each(Batch const& batch) {
    for (int s = 0; s < batch.sequences; ++s)
      if (batch.last(s) - batch.first(s) > 1) return false;
    return batch.plainly_causal();
  }
  /// Threads own key heads of sequences, side by side, until they have none left; or parts of their queries, where
  /// there are fewer than threads.
  template <int HeadSize>
  static void forward_rows(B const& b, Batch const& batch, AttentionShape const& a, Heads<const float> q,
                           Heads<const float> k, Heads<const float> v, Heads<float> y, const float* sinks) {
    const Scope scope(*b.scratch);
    const int pairs = batch.sequences * a.kv_heads, group = a.heads / a.kv_heads;
    if (pairs == 0) return;
    const int wanted = (b.threads + pairs - 1) / pairs, parts = wanted < group ? wanted : group, items = pairs * parts,
              threads = b.threads < items ? b.threads : items;
    const std::size_t each = of_one_row<HeadSize>(a);
    std::byte* const scratch = b.scratch->template take<std::byte>(each * static_cast<std::size_t>(threads));
    const SharedLoop loop(*b.scratch, threads, items, 1);
    parallel(threads, [&](Team team) {
      Arena own(scratch + each * static_cast<std::size_t>(team.thread), each);
      Row<HeadSize> worker(own, group);
      const auto start = [&](Heads<const float> const& x, int pair) {
        return x.at(pair / a.kv_heads * a.capacity, pair % a.kv_heads);
      };
      loop.run(team, [&](int item, int) {
        const int pair = item / parts, part = item % parts, sequence = pair / a.kv_heads, row = batch.first(sequence);
        if (row == batch.last(sequence)) return;
        const int from = part * group / parts, count = (part + 1) * group / parts - from,
                  head = pair % a.kv_heads * group + from;
        worker.forward(count, head, a, sinks, q.at(row, head), q.head_stride, start(k, pair), start(v, pair),
                       k.row_stride, batch.before(sequence) + 1, y.at(row, head), y.head_stride,
                       pair + 1 < pairs ? start(k, pair + 1) : nullptr);
      });
    });
  }
  template <int HeadSize> static constexpr std::size_t of_one_row(AttentionShape const& a) {
    Arena measure;
    if constexpr (Row<HeadSize>::fits) {
      const Row<HeadSize> worker(measure, a.heads / a.kv_heads);
    }
    return measure.used();
  }

  /// So few rows that all heads of a group fit into one block.
  static bool decodes(Batch const& batch, AttentionShape const& a) {
    const int most = block / (a.heads / a.kv_heads);
    for (int s = 0; s < batch.sequences; ++s)
      if (batch.last(s) - batch.first(s) > most) return false;
    return batch.plainly_causal();
  }

  template <int HeadSize> static constexpr std::size_t of_one_thread(int longest, AttentionShape const& a) {
    Arena measure;
    const Batch none;
    const Worker<HeadSize> worker(measure, none, longest, a);
    return measure.used();
  }

  /// f(worker, item) for every item, some at a time, by whichever thread is free: no result depends on who computes it.
  /// In the order of the items, so that threads share the keys of a head: with a piece each it took 5 % longer.
  template <int HeadSize, class F>
  static void share(B const& b, Batch const& batch, AttentionShape const& a, const float* sinks, int longest, int items,
                    F&& f) {
    if (items == 0 || longest == 0) return;
    const Scope scope(*b.scratch);
    const int threads = b.threads < items ? b.threads : items;
    const std::size_t each = of_one_thread<HeadSize>(longest, a);
    std::byte* const scratch = b.scratch->template take<std::byte>(each * static_cast<std::size_t>(threads));
    const int some = 1 + 8192 / (longest * HeadSize);  // enough to outweigh the counter
    int next = 0;
    parallel(threads, [&](Team team) {
      Arena own(scratch + each * static_cast<std::size_t>(team.thread), each);
      Worker<HeadSize> worker(own, batch, longest, a, sinks);
      for (;;) {
        const int from = __atomic_fetch_add(&next, some, __ATOMIC_RELAXED);
        if (from >= items) break;
        for (int i = from; i < from + some && i < items; ++i) f(worker, i);
      }
    });
  }
};

}  // namespace fauna::inline v0
