// Attention's kernels against the reference in double, on every kind of batch, in three orders of threads.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include <fauna/ops/attention/kernel.cuh>
#include <fauna/ops/attention/ref.hpp>

#include "support/batches.hpp"
#include "support/compare.hpp"
#include "support/kernels.hpp"
#include "support/random.hpp"

namespace test_simt_attention {

using namespace fauna;
using test::Kernels;
using test::Rows;

namespace {

AttentionShape shape(int heads, int kv_heads, int size, float dropout = 0) {
  return {.heads = heads, .kv_heads = kv_heads, .scale = 1 / std::sqrt(size), .dropout = dropout, .key = {3, 7}};
}

/// Rows of [q | k | v], and of their gradients.
template <class S, int Size> struct Tensors {
  AttentionShape a;
  Rows<S> qkv, dy, y, lse, dqkv, sinks{0, 0}, dsinks{0, 0};  ///< sinks: [1, heads], where there are any
  Tensors(Batch const& b, AttentionShape const& shape, bool with_sinks)
      : a(shape),
        qkv(0, 0),
        dy(0, 0),
        y(b.rows, a.heads * Size, 3),
        lse(b.rows, a.heads),
        dqkv(b.rows, (a.heads + 2 * a.kv_heads) * Size, 1) {
    test::Random random(1);
    qkv = Rows<S>(random, b.rows, (a.heads + 2 * a.kv_heads) * Size, 2);
    dy = Rows<S>(random, b.rows, a.heads * Size, 1);
    if (with_sinks) sinks = Rows<S>(random, 1, a.heads), dsinks = Rows<S>(random, 1, a.heads);
  }
  template <class T> static Heads<T> part(Rows<T>& m, int first) {
    if (m.rows() == 0) return {};
    return {m.data() + first * Size, m.view().stride(), Size};
  }
  template <class B> void run(B const& b, Batch const& batch) {
    const Heads<S> q = part(qkv, 0), k = part(qkv, a.heads), v = part(qkv, a.heads + a.kv_heads);
    attention<B>::template forward<Size>(b, batch, a, q, k, v, part(y, 0), lse.data(),
                                         sinks.rows() > 0 ? sinks.data() : nullptr);
    attention<B>::template backward<Size>(b, batch, a, q, k, v, part(y, 0), lse.data(), part(dy, 0), part(dqkv, 0),
                                          part(dqkv, a.heads), part(dqkv, a.heads + a.kv_heads));
    if (sinks.rows() > 0)
      attention<B>::template sink_gradients<Size>(b, batch, a, part(y, 0), lse.data(), part(dy, 0), sinks.data(),
                                                  dsinks.data());
  }
};

template <int Size> void compare(Batch const& batch, AttentionShape const& a, bool sinks = false) {
  CAPTURE(Size);
  CAPTURE(batch.rows);
  Tensors<double, Size> want(batch, a, sinks);
  want.run(Ref<double>{}, batch);
  Tensors<float, Size> first(batch, a, sinks);
  bool have = false;
  for (const auto o : {test::simt::order::ascending, test::simt::order::descending, test::simt::order::random}) {
    Kernels::order = o;
    Tensors<float, Size> got(batch, a, sinks);
    const std::size_t bytes = attention<Kernels>::workspace<Size>(batch.sequences, batch.longest(), a, 1);
    const test::DeviceArray<std::byte> memory(bytes);
    Arena scratch(memory.data(), bytes);
    Kernels b;
    b.scratch = &scratch;
    got.run(b, batch);
    // As for the CPU's attention: sums of up to 100 f32 products whose weights carry the error of exp of an f32 score.
    constexpr double bound = 32 * 0x1p-24;
    const auto largest = [](Rows<double> const& m) {
      double most = 1;
      for (int r = 0; r < m.rows(); ++r)
        for (int c = 0; c < m.cols(); ++c) most = std::fmax(most, std::fabs(m.view()(r, c)));
      return most;
    };
    CHECK(test::distance<float>(got.y, want.y) <= bound * largest(want.y));
    CHECK(test::distance<float>(got.lse, want.lse) <= bound * largest(want.lse));
    CHECK(test::distance<float>(got.dqkv, want.dqkv) <= bound * largest(want.dqkv));
    CHECK(test::distance<float>(got.dsinks, want.dsinks) <= bound * batch.rows);
    CHECK(got.y.gaps_untouched());
    CHECK(got.dqkv.gaps_untouched());
    if (have) {
      CHECK(test::same_bits<float>(got.y, first.y));
      CHECK(test::same_bits<float>(got.lse, first.lse));
      CHECK(test::same_bits<float>(got.dqkv, first.dqkv));
      CHECK(test::same_bits<float>(got.dsinks, first.dsinks));
    }
    first = std::move(got);
    have = true;
  }
  Kernels::order = test::simt::order::ascending;
}

}  // namespace

TEST_CASE("simt: attention on plain and ragged batches") {
  for (const int length : {1, 2, 15, 33, 70}) compare<32>(test::plain(2, length), shape(2, 2, 32));
  for (const float dropout : {0.0F, 0.3F})
    for (const int kv : {1, 2, 4}) compare<16>(test::ragged(), shape(4, kv, 16, dropout));
  const int offsets[] = {0, 1, 41, 41, 58};
  Batch b;
  b.sequences = 4;
  b.rows = 58;
  b.offsets = offsets;
  compare<8>(b, shape(4, 2, 8, 0.2F));
}

TEST_CASE("simt: attention with heads of many sizes") {
  const Batch b = test::plain(1, 37);
  compare<1>(b, shape(2, 1, 1));
  compare<5>(b, shape(2, 1, 5));
  compare<48>(b, shape(2, 1, 48));
  compare<64>(b, shape(2, 2, 64));
  compare<80>(b, shape(1, 1, 80));
  compare<128>(b, shape(2, 1, 128));
  compare<256>(b, shape(1, 1, 256));
}

TEST_CASE("simt: attention with windows and capped scores") {
  AttentionShape a = shape(4, 2, 16, 0.2F);
  a.cap = 0.3F;
  for (const int window : {1, 9, unbounded}) {
    a.window = window;
    compare<16>(test::ragged(), a);
    compare<16>(test::plain(1, 70), a);
  }
  a.chunk = 30;
  compare<16>(test::ragged(), a);
  compare<16>(test::plain(1, 70), a);
}

TEST_CASE("simt: attention with linear biases and sinks") {
  AttentionShape a = shape(6, 2, 16, 0.2F);  // of six heads, two have the slopes between
  for (const float cap : {0.0F, 0.3F})
    for (const double alibi : {0.0, 0.5, 1.0}) {
      a.cap = cap;
      a.alibi = alibi;
      for (const bool sinks : {true, false}) {
        compare<16>(test::ragged(), a, sinks);
        compare<16>(test::plain(1, 70), a, sinks);
      }
    }
  a.window = 9;
  compare<16>(test::ragged(), a, true);
}

TEST_CASE("simt: attention of an empty batch") {
  compare<16>(test::plain(0, 8), shape(2, 2, 16));
  compare<16>(test::plain(3, 0), shape(2, 2, 16));
}

TEST_CASE("simt: a cache gives the bits of one call, however the rows are split") {
  constexpr int size = 16, capacity = 75;
  AttentionShape a = shape(3, 1, size);
  a.capacity = capacity;
  const std::vector<int> lengths{75, 3, 40};
  test::Random random(5);
  Rows<float> q(random, 3 * capacity, 3 * size), k(random, 3 * capacity, size), v(random, 3 * capacity, size);
  const auto in_calls = [&](int most, auto const& b) {
    using B = std::remove_cvref_t<decltype(b)>;
    using S = typename B::scalar;
    auto q_ = q.as<S>(), k_ = k.as<S>(), v_ = v.as<S>();
    Rows<S> y(3 * capacity, 3 * size);
    for (int s = 0; s < 3; ++s)  // the rows behind the sequence are nobody's
      for (int j = lengths[static_cast<std::size_t>(s)]; j < capacity; ++j)
        for (int d = 0; d < size; ++d) k_.view()(s * capacity + j, d) = v_.view()(s * capacity + j, d) = S(NAN);
    std::vector<int> past{0, 0, 0};
    for (;;) {
      std::vector<int> offsets{0}, rows;
      for (int s = 0; s < 3; ++s) {
        const auto i = static_cast<std::size_t>(s);
        for (int r = 0; r < most && past[i] + r < lengths[i]; ++r) rows.push_back(s * capacity + past[i] + r);
        offsets.push_back(static_cast<int>(rows.size()));
      }
      if (rows.empty()) return y;
      Batch batch;
      batch.sequences = 3;
      batch.rows = offsets.back();
      batch.offsets = offsets.data();
      batch.past = past.data();
      Rows<S> part(batch.rows, 3 * size), out(batch.rows, 3 * size);
      for (int r = 0; r < batch.rows; ++r)
        for (int c = 0; c < 3 * size; ++c) part.view()(r, c) = q_.view()(rows[static_cast<std::size_t>(r)], c);
      attention<B>::template forward<size>(b, batch, a, Heads<const S>{part.data(), 3 * size, size},
                                           Heads<const S>{k_.data(), size, size}, Heads<const S>{v_.data(), size, size},
                                           Heads<S>{out.data(), 3 * size, size}, nullptr);
      for (int r = 0; r < batch.rows; ++r)
        for (int c = 0; c < 3 * size; ++c) y.view()(rows[static_cast<std::size_t>(r)], c) = out.view()(r, c);
      for (std::size_t s = 0; s < 3; ++s) past[s] += offsets[s + 1] - offsets[s];
    }
  };
  const Rows<double> exact = in_calls(200, Ref<double>{});
  const Rows<float> whole = in_calls(200, Kernels{});
  for (const int most : {1, 16, 17, 64}) CHECK(test::same_bits<float>(in_calls(most, Kernels{}), whole));
  for (int s = 0; s < 3; ++s) {
    const int n = lengths[static_cast<std::size_t>(s)];
    CHECK(test::distance<float>(whole.view().middle_rows(s * capacity, n), exact.view().middle_rows(s * capacity, n)) <=
          32 * 0x1p-24);
  }
}

TEST_CASE("simt: behind a cache each node of a tree sees the text and its own branch") {
  constexpr int size = 8, capacity = 160;
  const std::vector<int> past{70, 0, 33};
  for (const int most : {64, 75}) {  // as many rows as a mask has bits, and more
    test::Random random(static_cast<std::uint64_t>(most));
    const std::vector<int> offsets{0, most, most + 1, most + 21};
    std::vector<int> parents;
    for (std::size_t s = 0; s < 3; ++s)
      for (int r = offsets[s]; r < offsets[s + 1]; ++r)
        parents.push_back(random.integer(std::max(offsets[s] - 1, r - 4), r - 1));
    Batch batch;
    batch.sequences = 3;
    batch.rows = offsets.back();
    batch.offsets = offsets.data();
    batch.past = past.data();
    batch.parent = parents.data();
    Rows<float> q(random, batch.rows, 2 * size), kv(random, 3 * capacity, 2 * size), sinks(random, 1, 2);
    const auto attend = [&](auto const& b, AttentionShape const& a) {
      using B = std::remove_cvref_t<decltype(b)>;
      using S = typename B::scalar;
      auto q_ = q.as<S>(), kv_ = kv.as<S>(), sinks_ = sinks.as<S>();
      Rows<S> y(batch.rows, 2 * size);
      attention<B>::template forward<size>(b, batch, a, Heads<const S>{q_.data(), q_.view().stride(), size},
                                           Heads<const S>{kv_.data(), kv_.view().stride(), size},
                                           Heads<const S>{kv_.data() + size, kv_.view().stride(), size},
                                           Heads<S>{y.data(), y.view().stride(), size}, nullptr, sinks_.data());
      return y;
    };
    AttentionShape a = shape(2, 1, size);
    a.capacity = capacity;
    AttentionShape far = a, near = a, pieces = a;
    far.alibi = 1;
    near.window = 5;
    pieces.chunk = 9;
    for (AttentionShape const& of : {a, far, near, pieces}) {
      CAPTURE(most);
      const Rows<double> want = attend(Ref<double>{}, of);
      const Rows<float> got = attend(Kernels{}, of);
      CHECK(test::distance<float>(got, want) <= 32 * 0x1p-24);
      for (const auto o : {test::simt::order::descending, test::simt::order::random}) {
        Kernels::order = o;
        CHECK(test::same_bits<float>(attend(Kernels{}, of), got));
      }
      Kernels::order = test::simt::order::ascending;
    }
  }
}

TEST_CASE("simt: a ring of a window's rows gives the bits of a cache that has all") {
  constexpr int size = 8, rows = 300, ring = 128;
  AttentionShape a = shape(2, 1, size);
  a.window = 20;
  test::Random random(6);
  Rows<float> q(random, rows, 2 * size), kv(random, rows, 2 * size);
  const auto heads = [](Rows<float>& m, int first) {
    return Heads<const float>{m.data() + first * size, m.view().stride(), size};
  };
  const auto in_calls = [&](int most, bool ringed) {
    Rows<float> y(rows, 2 * size), cache(ring, 2 * size);
    AttentionShape b = a;
    b.capacity = ringed ? ring : rows;
    b.ring = ringed ? ring : 0;
    for (int past = 0, n; past < rows; past += n) {
      n = std::min(most, rows - past);
      const bool apart = ringed && n > 64;
      const auto store = [&] {
        for (int j = std::max(past, past + n - ring); j < past + n; ++j)
          for (int c = 0; c < 2 * size; ++c) cache.view()(j % ring, c) = kv.view()(j, c);
      };
      if (!apart) store();
      Batch batch = Batch::uniform(1, n);
      batch.past = &past;
      const auto from = [&](Rows<float>& m, int first, int row) {
        auto h = heads(m, first);
        h.data += row * m.view().stride();
        return h;
      };
      KeyValues<const float> own;
      if (apart) own = {from(kv, 0, past), from(kv, 1, past)};
      auto& where = ringed ? cache : kv;
      Heads<float> out{y.data() + past * y.view().stride(), y.view().stride(), size};
      attention<Kernels>::forward<size>(Kernels{}, batch, b, from(q, 0, past), heads(where, 0), heads(where, 1), out,
                                        nullptr, nullptr, own);
      if (apart) store();
    }
    return y;
  };
  const Rows<float> whole = in_calls(rows, false);
  for (const int most : {1, 17, 64, 65, 300}) CHECK(test::same_bits<float>(in_calls(most, true), whole));
}

}  // namespace test_simt_attention
