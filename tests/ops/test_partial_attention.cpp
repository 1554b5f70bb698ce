// Attention that meets its keys stretch by stretch is attention: of the reference in double, of the CPU in f32.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <fauna/backend/cpu.hpp>
#include <fauna/ops/attention/ref.hpp>
#include <fauna/ops/partial_attention/cpu.hpp>
#include <fauna/ops/partial_attention/ref.hpp>
#include <vector>

#include "support/memory.hpp"
#include "support/random.hpp"

namespace test_partial_attention {

using namespace fauna;

namespace {

constexpr int sequences = 2, heads = 4, kv_heads = 2;

/// q, k, v and dy of `length` rows a sequence; y, lse, dq, dk and dv.
template <class S, int Size> struct Run {
  int rows;
  std::vector<S> q, k, v, dy, y, lse, dq, dk, dv;
  explicit Run(int length) : rows(sequences * length) {
    test::Random random(7);
    const auto draw = [&](std::vector<S>& to, int h) {
      to.resize(static_cast<std::size_t>(rows * h * Size));
      for (S& x : to) x = static_cast<S>(random.uniform());
    };
    draw(q, heads), draw(k, kv_heads), draw(v, kv_heads), draw(dy, heads);
    y.resize(q.size()), dq.resize(q.size()), dk.resize(k.size()), dv.resize(k.size());
    lse.resize(static_cast<std::size_t>(rows * heads));
  }
  template <class T> static Heads<T> of(T* data, int h) { return {data, h * Size, Size}; }
  Heads<const S> in(std::vector<S> const& x, int h) const { return of(x.data(), h); }
  Heads<S> out(std::vector<S>& x, int h) { return of(x.data(), h); }

  template <class B> void at_once(B const& b, AttentionShape const& a, int length) {
    const Batch batch = Batch::uniform(sequences, length);
    attention<B>::template forward<Size>(b, batch, a, in(q, heads), in(k, kv_heads), in(v, kv_heads), out(y, heads),
                                         lse.data());
    attention<B>::template backward<Size>(b, batch, a, in(q, heads), in(k, kv_heads), in(v, kv_heads), in(y, heads),
                                          lse.data(), in(dy, heads), out(dq, heads), out(dk, kv_heads),
                                          out(dv, kv_heads));
  }
  /// Each stretch of queries meets those of keys from its own on, round, as in a ring.
  template <class B> void in_stretches(B const& b, AttentionShape const& a, std::vector<int> const& cuts) {
    const int n = static_cast<int>(cuts.size()) - 1, length = cuts.back();
    const auto stretch = [&](int i) {
      const auto at = static_cast<std::size_t>(i % n);
      return RowStretch{cuts[at], cuts[at], cuts[at + 1] - cuts[at], length};
    };
    using P = partial_attention<B>;
    P::template clear<Size>(b, rows, a, out(y, heads), lse.data());
    for (int i = 0; i < n; ++i)
      for (int j = 0; j < n; ++j)
        P::template forward<Size>(b, sequences, a, stretch(i), stretch(i + j), in(q, heads), in(k, kv_heads),
                                  in(v, kv_heads), out(y, heads), lse.data());
    for (int i = 0; i < n; ++i)
      for (int j = 0; j < n; ++j)
        P::template backward<Size>(b, sequences, a, stretch(i), stretch(i + j), in(q, heads), in(k, kv_heads),
                                   in(v, kv_heads), in(y, heads), lse.data(), in(dy, heads), out(dq, heads),
                                   out(dk, kv_heads), out(dv, kv_heads));
  }
};

template <class S, class D> double distance(std::vector<S> const& a, std::vector<D> const& b) {
  REQUIRE(a.size() == b.size());
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (!(d <= most)) most = d;
  }
  return most;
}
template <class A, class B> double distance_of_runs(A const& a, B const& b) {
  return std::max(
      {distance(a.y, b.y), distance(a.lse, b.lse), distance(a.dq, b.dq), distance(a.dk, b.dk), distance(a.dv, b.dv)});
}

std::vector<AttentionShape> shapes() {
  const AttentionShape plain{.heads = heads, .kv_heads = kv_heads, .scale = 0.4};
  std::vector<AttentionShape> all(5, plain);
  all[1].window = 9;
  all[2].chunk = 40;
  all[3].cap = 1.5F;
  all[4].alibi = 1;
  return all;
}

}  // namespace

TEST_SUITE("partial attention") {
  TEST_CASE("the reference is attention to 1e-12") {
    for (AttentionShape const& a : shapes()) {
      Run<double, 6> whole(83), parts(83);
      whole.at_once(Ref<double>{}, a, 83);
      parts.in_stretches(Ref<double>{}, a, {0, 7, 8, 50, 83});
      CHECK(distance_of_runs(whole, parts) < 1e-12);
    }
  }
  TEST_CASE("the CPU is the reference, whatever the cuts and threads") {
    for (AttentionShape const& a : shapes())
      for (auto const& cuts : {std::vector{0, 150}, std::vector{0, 7, 8, 80, 150}, std::vector{0, 64, 128, 150}}) {
        Run<double, 20> exact(150);
        exact.at_once(Ref<double>{}, a, 150);
        Run<float, 20> first(150);
        for (int threads = 1; threads <= 3; threads += 2) {
          Run<float, 20> parts(150);
          const std::size_t bytes = partial_attention<Cpu<>>::workspace<20>(threads);
          test::Poisoned memory(bytes);
          Arena scratch(memory.as<void>(), bytes);
          Cpu<> b;
          b.threads = threads;
          b.scratch = &scratch;
          parts.in_stretches(b, a, cuts);
          CHECK(distance_of_runs(parts, exact) < 2e-5);
          if (threads == 1) first = parts;
          CHECK(distance_of_runs(parts, first) == 0);
        }
      }
  }
}

}  // namespace test_partial_attention
