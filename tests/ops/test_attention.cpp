#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <fauna/backend/cpu.hpp>
#include <fauna/core/dual.hpp>
#include <fauna/ops/attention/cpu.hpp>
#include <fauna/ops/attention/ref.hpp>
#include <type_traits>
#include <vector>

#include "support/attention_check.hpp"
#include "support/compare.hpp"
#include "support/memory.hpp"
#include "support/random.hpp"
#include "support/sizes.hpp"

namespace test_attention {

using namespace fauna;
using test::layout;
using test::ragged;
using test::Rows;
using test::Sequences;
using test::shape;
using test::Tensors;
using test::Tile;

namespace {

/// Cuts the rows into documents of 1 to `longest` rows.
Sequences with_documents(Sequences s, int longest) {
  test::Random random(31);
  for (int r = 0, begin = 0, left = 0; r < s.offsets.back(); ++r, --left) {
    if (left == 0) begin = r, left = random.integer(1, longest);
    s.start.push_back(begin);
  }
  return s;
}
/// Most rows continue the row before, some an earlier one of their sequence, some none.
Sequences with_tree(Sequences s) {
  test::Random random(32);
  for (std::size_t b = 0; b + 1 < s.offsets.size(); ++b)
    for (int r = s.offsets[b]; r < s.offsets[b + 1]; ++r) {
      const int kind = random.integer(0, 9);
      if (r == s.offsets[b] || kind == 0) s.parent.push_back(-1);
      else s.parent.push_back(kind < 7 ? r - 1 : random.integer(s.offsets[b], r - 1));
    }
  return s;
}

template <class S> double largest(Rows<S> const& m) {
  double most = 0;
  for (int r = 0; r < m.rows(); ++r)
    for (int c = 0; c < m.cols(); ++c) most = std::fmax(most, std::fabs(static_cast<double>(m.view()(r, c))));
  return most;
}

int longest(Batch const& b) {
  int n = 0;
  for (int s = 0; s < b.sequences; ++s) n = std::max(n, b.last(s) - b.first(s));
  return n;
}

template <class B, int Size>
Tensors<float, Size> run_cpu(layout l, Batch const& batch, AttentionShape const& a, int threads, float scores = 1,
                             bool sinks = false) {
  Tensors<float, Size> t(l, batch, a, scores);
  if (sinks) t.add_sinks();
  const std::size_t bytes = attention<B>::template workspace<Size>(batch.sequences, longest(batch), a, threads);
  test::Poisoned memory(bytes);
  Arena scratch(memory.as<void>(), bytes);  // takes beyond the workspace throw
  B b;
  b.threads = threads;
  b.scratch = &scratch;
  t.run(b, batch, a);
  CHECK(scratch.used() == 0);
  CHECK(scratch.high_water() <= bytes);
  CHECK(t.gaps_untouched());
  return t;
}

/// Each output is a sum of up to 250 f32 products with weights that carry the error of an f32 score and of exp (2 ulp):
/// 32 units in the last place of the tensor's largest element leave a factor of 4 over what is seen. The error of a
/// score is relative to the score: `scores` times larger ones allow `scores` times as much.
constexpr double tolerance = 32 * 0x1p-24;

template <class B, int Size>
void compare(layout l, Batch const& batch, AttentionShape const& a, int threads = 2, float scores = 1,
             bool sinks = false) {
  CAPTURE(name_of(B::tile));
  CAPTURE(Size);
  CAPTURE(batch.sequences);
  CAPTURE(batch.rows);
  CAPTURE(a.heads);
  CAPTURE(a.kv_heads);
  CAPTURE(a.dropout);
  Tensors<double, Size> want(l, batch, a, scores);
  if (sinks) want.add_sinks();
  want.run(Ref<double>{}, batch, a);
  const Tensors<float, Size> got = run_cpu<B, Size>(l, batch, a, threads, scores, sinks);
  for (std::size_t h = 0; h < want.sinks.size(); ++h)  // a sum over rows of numbers up to 1, each within `tolerance`
    CHECK(std::abs(static_cast<double>(got.dsinks[h]) - want.dsinks[h]) <= tolerance * batch.rows);
  CHECK(test::distance<float>(got.y, want.y) <= tolerance * std::fmax(1, scores) * largest(want.y));
  CHECK(test::distance<float>(got.lse, want.lse) <= tolerance * std::fmax(1, largest(want.lse)));
  CHECK(test::distance<float>(got.dqkv, want.dqkv) <= tolerance * std::fmax(1, scores) * largest(want.dqkv));
}

/// Whatever a batch may look like.
template <class B, int Size>
void compare_batches(int window = unbounded, float cap = 0, double alibi = 0, bool sinks = false,
                     int chunk = unbounded) {
  if (test::fewer_sizes && B::lanes == 16) return;
  CAPTURE(window);
  CAPTURE(chunk);
  CAPTURE(cap);
  CAPTURE(alibi);
  CAPTURE(sinks);
  const auto shape = [&](int heads, int kv_heads, int size, float dropout = 0) {
    AttentionShape a = test::shape(heads, kv_heads, size, dropout);
    a.window = window;
    a.cap = cap;
    a.alibi = alibi;
    a.chunk = chunk;
    return a;
  };
  const auto check = [sinks](layout l, Batch const& batch, AttentionShape const& a) {
    compare<B, Size>(l, batch, a, 2, 1, sinks);
  };
  for (const int length : test::sizes({1, 2, 63, 64, 65, 130}, {1, 65})) {
    check(layout::fused, Batch::uniform(2, length), shape(2, 2, Size));
    check(layout::heads_first, Batch::uniform(1, length), shape(3, 1, Size));
  }
  const Sequences four = ragged({1, 70, 0, 5, 129});
  for (const layout l : {layout::fused, layout::heads_first})
    for (const float dropout : {0.0F, 0.3F}) {
      if (test::fewer_sizes && (dropout > 0) != (l == layout::fused)) continue;
      check(l, four.batch(), shape(4, 2, Size, dropout));
      check(l, with_documents(four, 60).batch(), shape(2, 2, Size, dropout));
      check(l, with_tree(four).batch(), shape(2, 1, Size, dropout));
    }
  check(layout::fused, with_documents(ragged({250}), 90).batch(), shape(1, 1, Size));
  check(layout::fused, with_documents(with_tree(four), 40).batch(), shape(2, 1, Size));
}

}  // namespace

TEST_CASE_TEMPLATE("attention: every tile equals the reference on every kind of batch", B, Tile<isa::baseline>,
                   Tile<isa::avx2>, Tile<isa::avx512>) {
  compare_batches<B, 32>();
  compare_batches<B, 5>();
}

TEST_CASE_TEMPLATE("attention: windows and caps equal the reference on every kind of batch", B, Tile<isa::baseline>,
                   Tile<isa::avx2>, Tile<isa::avx512>) {
  for (const int window : test::sizes({1, 7, 40, 64, 100}, {7})) compare_batches<B, 32>(window);
  compare_batches<B, 5>(33, 0.3F);
  compare_batches<B, 32>(unbounded, 0.1F);
}

TEST_CASE_TEMPLATE("attention: linear biases and sinks equal the reference on every kind of batch", B,
                   Tile<isa::baseline>, Tile<isa::avx2>, Tile<isa::avx512>) {
  compare_batches<B, 32>(unbounded, 0, 1);
  compare_batches<B, 32>(test::size(40, 30), 0, 0, true);
  compare_batches<B, 5>(33, 0.3F, 0.25, true);
}

TEST_CASE_TEMPLATE("attention: chunks equal the reference on every kind of batch", B, Tile<isa::baseline>,
                   Tile<isa::avx2>, Tile<isa::avx512>) {
  for (const int chunk : test::sizes({1, 7, 50, 64, 100}, {100})) compare_batches<B, 32>(unbounded, 0, 0, false, chunk);
  compare_batches<B, 5>(20, 0.3F, 0.25, true, 33);
}

TEST_CASE("attention: a row sees the rows of its chunk and no others") {
  AttentionShape a = shape(1, 1, 8);
  a.chunk = 40;
  Tensors<float, 8> one(layout::fused, Batch::uniform(1, 100), a), other(layout::fused, Batch::uniform(1, 100), a);
  for (int part = 1; part < 3; ++part)  // the key and the value of row 39, the last of the first chunk
    for (int d = 0; d < 8; ++d) other.part(other.qkv, part).at(39, 0)[d] = 3 - 0.1F * static_cast<float>(d);
  test::Poisoned memory(attention<Cpu<>>::workspace<8>(1, 100, a, 1));
  Arena scratch = memory.arena();
  const Cpu<> b{.threads = 1, .scratch = &scratch};
  one.run(b, Batch::uniform(1, 100), a);
  other.run(b, Batch::uniform(1, 100), a);
  const auto rows = [](Rows<float> const& m, int row, int n) { return m.view().middle_rows(row, n); };
  CHECK(test::same_bits<float>(rows(one.y, 0, 39), rows(other.y, 0, 39)));
  CHECK_FALSE(test::same_bits<float>(rows(one.y, 39, 1), rows(other.y, 39, 1)));
  CHECK(test::same_bits<float>(rows(one.y, 40, 60), rows(other.y, 40, 60)));
}

TEST_CASE("attention: slopes of heads, powers of two or not") {
  AttentionShape a{.heads = 8, .alibi = 1};
  for (int h = 0; h < 8; ++h) CHECK(alibi_slope(a, h) == std::ldexp(1.0F, -h - 1));
  a.heads = 12;  // transformers 5.24, build_mpt_alibi_tensor and build_alibi_tensor
  for (int h = 0; h < 8; ++h) CHECK(alibi_slope(a, h) == std::ldexp(1.0F, -h - 1));
  const float more[] = {0.70710678F, 0.35355339F, 0.17677669F, 0.088388348F};
  for (int h = 8; h < 12; ++h) CHECK(alibi_slope(a, h) == doctest::Approx(more[h - 8]).epsilon(1e-7));
  a.alibi = 0.5;
  CHECK(alibi_slope(a, 8) == doctest::Approx(0.35355339).epsilon(1e-7));
}

TEST_CASE("attention: several panels of keys and many windows") {
  AttentionShape a = shape(4, 2, 128);
  const int rows = test::size(500, 200);
  for (const int window : {30, 90}) {
    a.window = window;
    compare<Cpu<>, 128>(layout::fused, Batch::uniform(1, rows), a);
    compare<Cpu<>, 128>(layout::heads_first, with_tree(ragged({rows - 10})).batch(), a);
  }
}

TEST_CASE("attention: what lies before a window changes no bit") {
  AttentionShape a = shape(2, 1, 32);
  a.window = 40;
  Tensors<float, 32> one(layout::fused, Batch::uniform(1, 200), a), other(layout::fused, Batch::uniform(1, 200), a);
  for (int r = 0; r < 100; ++r)
    for (int head = 2; head < 4; ++head)  // keys and values
      for (int d = 0; d < 32; ++d) other.part(other.qkv, head).at(r, 0)[d] = 3 - 0.1F * static_cast<float>(d + r);
  test::Poisoned memory(attention<Cpu<>>::workspace<32>(1, 200, a, 2));
  Arena scratch = memory.arena();
  const Cpu<> b{.threads = 2, .scratch = &scratch};
  one.run(b, Batch::uniform(1, 200), a);
  other.run(b, Batch::uniform(1, 200), a);
  const auto from = [](Rows<float> const& m, int row) { return m.view().middle_rows(row, 200 - row); };
  CHECK(test::same_bits<float>(from(one.y, 139), from(other.y, 139)));
  CHECK(test::same_bits<float>(from(one.lse, 139), from(other.lse, 139)));
  CHECK_FALSE(test::same_bits<float>(from(one.y, 138), from(other.y, 138)));  // whose window has row 99
}

TEST_CASE_TEMPLATE("attention: head sizes", Size, std::integral_constant<int, 1>, std::integral_constant<int, 16>,
                   std::integral_constant<int, 48>, std::integral_constant<int, 64>, std::integral_constant<int, 80>,
                   std::integral_constant<int, 128>, std::integral_constant<int, 256>) {
  constexpr int size = Size::value;
  for (const int length : {1, 75, 128})
    compare<Cpu<>, size>(layout::fused, Batch::uniform(2, length), shape(2, 1, size));
}

TEST_CASE("attention: several panels of keys") {
  static_assert(attention_detail::Worker<16, 128, build_tag>::panel == 128);
  const int rows = test::size(300, 150);
  compare<Cpu<>, 128>(layout::fused, Batch::uniform(1, rows), shape(4, 2, 128));
  compare<Cpu<>, 128>(layout::heads_first, with_documents(ragged({rows, 200}), 170).batch(), shape(2, 1, 128, 0.2F));
  compare<Cpu<>, 128>(layout::fused, with_tree(ragged({rows - 10})).batch(), shape(1, 1, 128));
}

TEST_CASE("attention: an empty batch") {
  compare<Cpu<>, 32>(layout::fused, Batch::uniform(0, 64), shape(2, 2, 32));
  compare<Cpu<>, 32>(layout::fused, Batch::uniform(3, 0), shape(2, 2, 32));
}

TEST_CASE("attention: scores far beyond the range of exp") {
  compare<Cpu<>, 32>(layout::fused, Batch::uniform(1, 200), shape(2, 2, 32), 2, 64);
}

TEST_CASE("attention: a NaN is seen by every row that looks at it, and by no row before it") {
  const Batch batch = Batch::uniform(1, 150);
  const AttentionShape a = shape(1, 1, 32);
  Tensors<float, 32> t(layout::fused, batch, a);
  t.part(t.qkv, 1).at(72, 0)[3] = std::nanf("");
  test::Poisoned memory(attention<Cpu<>>::workspace<32>(1, 150, a, 1));
  Arena scratch = memory.arena();
  t.run(Cpu<>{.threads = 1, .scratch = &scratch}, batch, a);
  for (int r = 0; r < 150; ++r) CHECK(std::isnan(t.y.view()(r, 0)) == (r >= 72));
}

TEST_CASE("attention: the same bits for any number of threads") {
  const Sequences four = with_documents(ragged({200, 3, 64, 130}), 150);
  for (const float dropout : {0.0F, 0.2F}) {
    const AttentionShape a = shape(4, 2, 32, dropout);
    const auto one = run_cpu<Cpu<>, 32>(layout::fused, four.batch(), a, 1);
    for (const int threads : {2, 3, 8}) {
      const auto more = run_cpu<Cpu<>, 32>(layout::fused, four.batch(), a, threads);
      CHECK(test::same_bits<float>(one.y, more.y));
      CHECK(test::same_bits<float>(one.lse, more.lse));
      CHECK(test::same_bits<float>(one.dqkv, more.dqkv));
    }
  }
}

TEST_CASE("attention: a row's bits depend on no other sequence and no later row") {
  const AttentionShape a = shape(2, 2, 32);
  constexpr int length = 100, wide = 6 * 32;
  Tensors<float, 32> three(layout::fused, Batch::uniform(3, length), a),
      alone(layout::fused, Batch::uniform(1, length), a), shorter(layout::fused, Batch::uniform(1, 75), a);
  for (int r = 0; r < length; ++r) {
    std::memcpy(alone.qkv.view().row(r), three.qkv.view().row(length + r), wide * sizeof(float));
    std::memcpy(alone.dy.view().row(r), three.dy.view().row(length + r), wide / 3 * sizeof(float));
    if (r < 75) std::memcpy(shorter.qkv.view().row(r), alone.qkv.view().row(r), wide * sizeof(float));
  }
  test::Poisoned memory(attention<Cpu<>>::workspace<32>(3, length, a, 2));
  Arena scratch = memory.arena();
  const Cpu<> b{.threads = 2, .scratch = &scratch};
  three.run(b, Batch::uniform(3, length), a);
  alone.run(b, Batch::uniform(1, length), a);
  shorter.run(b, Batch::uniform(1, 75), a);
  const auto middle = [](Rows<float> const& m) {
    return Matrix<const float>(m.view().row(100), 100, m.cols(), m.view().stride());
  };
  CHECK(test::same_bits<float>(middle(three.y), alone.y));
  CHECK(test::same_bits<float>(middle(three.lse), alone.lse));
  CHECK(test::same_bits<float>(middle(three.dqkv), alone.dqkv));
  CHECK(test::same_bits<float>(shorter.y, alone.y.view().middle_rows(0, 75)));
  CHECK(test::same_bits<float>(shorter.lse, alone.lse.view().middle_rows(0, 75)));
}

TEST_CASE("attention: inference needs no lse") {
  const Batch batch = Batch::uniform(2, 70);
  const AttentionShape a = shape(2, 2, 32);
  auto with = run_cpu<Cpu<>, 32>(layout::fused, batch, a, 1);
  Rows<float> y = with.matrix(2);
  test::Poisoned memory(attention<Cpu<>>::workspace<32>(2, 70, a, 1));
  Arena scratch = memory.arena();
  attention<Cpu<>>::forward<32>({.threads = 1, .scratch = &scratch}, batch, a, with.part(with.qkv, 0),
                                with.part(with.qkv, 2), with.part(with.qkv, 4), with.part(y, 0), nullptr);
  CHECK(test::same_bits<float>(y, with.y));
}

TEST_CASE("attention: backward of the reference is the derivative of its forward") {
  constexpr int size = 6;
  for (const auto& s : {ragged({1, 9, 4}), with_documents(ragged({12}), 5), with_tree(ragged({3, 11}))})
    for (const float dropout : {0.0F, 0.3F}) {
      const Batch batch = s.batch();
      AttentionShape a = shape(4, 2, size, dropout);
      if (s.offsets.size() < 4) a.window = 4, a.cap = 0.5F, a.alibi = 0.7;
      Tensors<double, size> t(layout::heads_first, batch, a);
      t.add_sinks();
      t.run(Ref<double>{}, batch, a);
      test::Random random(9);
      const Rows<double> direction(random, t.qkv.rows(), t.qkv.cols(), 1);
      Tensors<Dual, size> d(layout::heads_first, batch, a);
      for (int r = 0; r < direction.rows(); ++r)
        for (int c = 0; c < size; ++c) d.qkv.view()(r, c).d = direction.view()(r, c);
      d.add_sinks();
      const Rows<double> sink_direction(random, 1, 4, 1);
      for (int h = 0; h < 4; ++h) d.sinks[static_cast<std::size_t>(h)].d = sink_direction.view()(0, h);
      attention<Ref<Dual>>::forward<size>({}, batch, a, d.part(d.qkv, 0), d.part(d.qkv, 4), d.part(d.qkv, 6),
                                          d.part(d.y, 0), d.lse.data(), d.sinks.data());
      double derivative = 0;
      for (int r = 0; r < t.y.rows(); ++r)
        for (int c = 0; c < size; ++c) derivative += t.dy.view()(r, c) * d.y.view()(r, c).d;
      test::Dot dot;
      dot.add(t.dqkv, direction);
      Rows<double> dsinks(1, 4);
      for (int h = 0; h < 4; ++h) dsinks.view()(0, h) = t.dsinks[static_cast<std::size_t>(h)] - 0.5;
      dot.add(dsinks, sink_direction);
      CHECK(dot.error(derivative) <= 1e-12);
    }
}

}  // namespace test_attention
