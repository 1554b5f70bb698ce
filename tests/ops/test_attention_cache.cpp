// Attention over a cache: however the rows are split into calls, each has the same bits.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <fauna/core/block.hpp>
#include <fauna/ops/attention/cpu.hpp>
#include <type_traits>
#include <vector>

#include "support/attention_check.hpp"
#include "support/compare.hpp"
#include "support/memory.hpp"
#include "support/sizes.hpp"

namespace test_attention_cache {

using namespace fauna;
using test::layout;
using test::ragged;
using test::Rows;
using test::Sequences;
using test::shape;
using test::Tensors;
using test::Tile;

namespace {

/// Three sequences, row by row in the cache's layout, each in calls of the given sizes (the last is repeated): y. With
/// a ring the cache has as many rows of each, and calls of more than 64 rows find theirs in the batch.
template <class B, int Size>
Rows<float> in_calls(std::vector<int> const& calls, int capacity, AttentionShape a, std::vector<int> const& lengths,
                     int threads = 2, std::vector<float> const& sinks = {}, int ring = 0) {
  const int n = static_cast<int>(lengths.size());
  Tensors<float, Size> whole(layout::fused, Batch::uniform(n, capacity), a);
  a.capacity = ring > 0 ? ring : capacity;
  a.ring = ring;
  Rows<float> y = whole.matrix(a.heads);
  std::vector<int> past(lengths.size(), 0);
  for (std::size_t call = 0;; ++call) {
    const int most = calls[std::min(call, calls.size() - 1)];
    Sequences part{{0}, {}, {}};
    std::vector<int> rows;  // of the whole
    for (int s = 0; s < n; ++s) {
      const auto q = static_cast<std::size_t>(s);
      const int count = std::min(most, lengths[q] - past[q]);
      for (int r = 0; r < count; ++r) rows.push_back(s * capacity + past[q] + r);
      part.offsets.push_back(static_cast<int>(rows.size()));
    }
    if (rows.empty()) return y;
    Batch batch = part.batch();
    batch.past = past.data();
    const int queries = a.heads * Size;
    Rows<float> q(batch.rows, queries, 1), out(batch.rows, queries, 1);
    for (int r = 0; r < batch.rows; ++r)
      for (int c = 0; c < queries; ++c) q.view()(r, c) = whole.qkv.view()(rows[static_cast<std::size_t>(r)], c);
    const int kv_columns = a.kv_heads * Size;
    const bool apart = ring > 0 && most > rewindable;
    Rows<float> own(batch.rows, 2 * kv_columns, 1), ringed(n * ring, 2 * kv_columns, 1);
    for (int r = 0; r < batch.rows; ++r)
      for (int c = 0; c < 2 * kv_columns; ++c)
        own.view()(r, c) = whole.qkv.view()(rows[static_cast<std::size_t>(r)], queries + c);
    for (int s = 0; s < n && ring > 0; ++s) {
      const auto p = static_cast<std::size_t>(s);
      const int end = past[p] + (apart ? 0 : batch.last(s) - batch.first(s));
      for (int r = 0; r < ring; ++r)
        for (int c = 0; c < 2 * kv_columns; ++c) {
          const int j = end - 1 - (end - 1 - r % ring + ring) % ring;  // the last row before `end` that stands there
          ringed.view()(s * ring + r, c) = j < 0 ? NAN : whole.qkv.view()(s * capacity + j, queries + c);
        }
    }
    const auto from = [&](Rows<float>& in, int head) {
      return Heads<const float>{in.data() + head * Size, in.view().stride(), Size};
    };
    const std::size_t bytes = attention<B>::template workspace<Size>(n, reach(a, batch.rows, capacity), a, threads);
    test::Poisoned memory(bytes);
    Arena scratch(memory.as<void>(), bytes);
    B b;
    b.threads = threads;
    b.scratch = &scratch;
    attention<B>::template forward<Size>(
        b, batch, a, Heads<const float>{q.data(), q.view().stride(), Size},
        ring > 0 ? from(ringed, 0) : whole.part(whole.qkv, a.heads),
        ring > 0 ? from(ringed, a.kv_heads) : whole.part(whole.qkv, a.heads + a.kv_heads),
        Heads<float>{out.data(), out.view().stride(), Size}, nullptr, sinks.empty() ? nullptr : sinks.data(),
        apart ? KeyValues<const float>{from(own, 0), from(own, a.kv_heads)} : KeyValues<const float>{});
    for (int r = 0; r < batch.rows; ++r)
      for (int c = 0; c < queries; ++c) y.view()(rows[static_cast<std::size_t>(r)], c) = out.view()(r, c);
    for (int s = 0; s < n; ++s)
      past[static_cast<std::size_t>(s)] +=
          part.offsets[static_cast<std::size_t>(s) + 1] - part.offsets[static_cast<std::size_t>(s)];
  }
}

template <class B, int Size>
void check_calls(int window = unbounded, float cap = 0, double alibi = 0, int chunk = unbounded) {
  if (test::fewer_sizes && B::lanes == 16) return;
  const std::vector<int> lengths{200, 3, test::size(130, 70)};
  for (const int kv : {1, 3}) {
    // Seven queries of a key head: one row alone takes four of them at once, then two, then one.
    AttentionShape a = shape(kv == 1 ? 7 : 3, kv, Size);
    a.window = window;
    a.cap = cap;
    a.alibi = alibi;
    a.chunk = chunk;
    const std::vector<float> sinks =
        alibi > 0 ? std::vector<float>{-0.5F, 0.25F, 0, 0.5F, 0.125F, -0.25F, 0.75F} : std::vector<float>{};
    const Rows<float> whole = in_calls<B, Size>({200}, 200, a, lengths, 2, sinks);
    for (auto const& calls : test::sizes<std::vector<int>>({{1}, {2}, {16}, {17}, {64}, {65}, {130, 1}, {5, 70, 2}},
                                                           {{1}, {16}, {65}, {5, 70, 2}}))
      CHECK(test::same_bits<float>(in_calls<B, Size>(calls, 200, a, lengths, 2, sinks), whole));
    for (const int threads : test::sizes({1, 3, 8}, {3}))
      CHECK(test::same_bits<float>(in_calls<B, Size>({1}, 200, a, lengths, threads, sinks), whole));
    // and the sequences as a plain batch
    const Sequences plain = ragged(lengths);
    Tensors<float, Size> rows(layout::fused, plain.batch(), a), source(layout::fused, Batch::uniform(3, 200), a);
    if (!sinks.empty()) {
      rows.add_sinks();
      std::copy_n(sinks.begin(), rows.sinks.size(), rows.sinks.begin());
    }
    for (int s = 0, r = 0; s < 3; ++s)
      for (int i = 0; i < lengths[static_cast<std::size_t>(s)]; ++i, ++r)
        for (int c = 0; c < rows.qkv.cols(); ++c) rows.qkv.view()(r, c) = source.qkv.view()(s * 200 + i, c);
    test::Poisoned memory(attention<B>::template workspace<Size>(3, 200, a, 1));
    Arena scratch = memory.arena();
    B b;
    b.threads = 1;
    b.scratch = &scratch;
    rows.run(b, plain.batch(), a);
    bool same = true;
    for (int s = 0, r = 0; s < 3; ++s)
      for (int i = 0; i < lengths[static_cast<std::size_t>(s)]; ++i, ++r)
        for (int c = 0; c < a.heads * Size; ++c) same = same && rows.y.view()(r, c) == whole.view()(s * 200 + i, c);
    CHECK(same);
  }
}

}  // namespace

TEST_CASE_TEMPLATE("attention: a cache gives the bits of one call, however the rows are split", B, Tile<isa::baseline>,
                   Tile<isa::avx2>, Tile<isa::avx512>) {
  check_calls<B, B::lanes == 4 ? 24 : 32>();
  check_calls<B, B::lanes == 4 ? 24 : 32>(50);
  check_calls<B, B::lanes == 4 ? 24 : 32>(7, 0.2F);
  check_calls<B, B::lanes == 4 ? 24 : 32>(unbounded, 0, 0.5);  // and sinks
  check_calls<B, B::lanes == 4 ? 24 : 32>(unbounded, 0, 0, 50);
}

TEST_CASE_TEMPLATE("attention: a ring of the rows of a window or chunk gives the bits of a cache that has all", B,
                   Tile<isa::baseline>, Tile<isa::avx2>, Tile<isa::avx512>) {
  constexpr int size = B::lanes == 4 ? 24 : 32;
  if (test::fewer_sizes && B::lanes == 16) return;
  const int most = test::size(700, 400);
  const std::vector<int> lengths{most, 3, test::size(430, 300)};
  for (const int window : test::sizes({1, 7, 64, 100, 130}, {7, 100})) {
    const int ring = StatePiece{.grows = true, .window = window}.places(most);
    CHECK(ring < lengths[2]);
    for (const int kv : {1, 3}) {
      AttentionShape a = shape(kv == 1 ? 7 : 3, kv, size);
      for (const bool chunks : {false, true}) {  // of so many rows
        if (chunks && window != 100) continue;
        (chunks ? a.chunk : a.window) = window;
        (chunks ? a.window : a.chunk) = unbounded;
        a.cap = window == 7 ? 0.2F : 0;
        a.alibi = window == 100 ? 0.5 : 0;
        const std::vector<float> sinks(window == 64 ? 7 : 0, 0.25F);
        const Rows<float> whole = in_calls<B, size>({most}, most, a, lengths, 2, sinks);
        for (auto const& calls : test::sizes<std::vector<int>>(
                 {{most}, {1}, {2}, {16}, {64}, {65}, {300, 1}, {5, 170, 2}, {333}}, {{most}, {9}, {65, 64}}))
          CHECK(test::same_bits<float>(in_calls<B, size>(calls, most, a, lengths, 2, sinks, ring), whole));
      }
    }
  }
}

TEST_CASE_TEMPLATE("attention: row by row with heads of every size", Size, std::integral_constant<int, 16>,
                   std::integral_constant<int, 48>, std::integral_constant<int, 64>, std::integral_constant<int, 80>,
                   std::integral_constant<int, 96>, std::integral_constant<int, 128>) {
  constexpr int size = Size::value;
  const std::vector<int> lengths{130, 1, 77};
  for (const int kv : {1, 2}) {
    const AttentionShape a = shape(kv == 1 ? 7 : 2, kv, size);
    CHECK(test::same_bits<float>(in_calls<Cpu<>, size>({1}, 130, a, lengths),
                                 in_calls<Cpu<>, size>({130}, 130, a, lengths)));
  }
}

}  // namespace test_attention_cache
