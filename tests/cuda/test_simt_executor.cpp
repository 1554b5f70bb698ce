// The executor itself: what it must let pass, and what it must refuse.
#include <doctest/doctest.h>

#include <vector>

#include "support/simt_policy.hpp"

namespace test_simt_executor {

using namespace fauna;
using test::simt::order;

namespace {

constexpr order orders[] = {order::ascending, order::descending, order::random};

/// Every thread's sum over its block, by shuffles and shared memory.
struct Sums {
  static constexpr int threads = 96;
  struct Shared {
    float of_warp[3];
  };
  const float* x;
  float* y;
  template <class T> FAUNA_KERNEL void operator()(T const& t, Shared& s) const {
    const int i = t.block() * threads + t.index();
    y[i] = simt::block_sum(t, x[i], s.of_warp) + simt::block_max(t, x[i], s.of_warp);
  }
};

struct Lanes {
  static constexpr int threads = 64;
  using Shared = None;
  int* down;
  int* from;
  unsigned* odd;
  bool* votes;
  int* counter;
  template <class T> FAUNA_KERNEL void operator()(T const& t, Shared&) const {
    down[t.index()] = t.lane_down(t.index(), 5);
    from[t.index()] = t.from_lane(t.index(), 9);
    odd[t.index()] = t.ballot(t.lane() % 2 == 1);
    votes[4 * t.index()] = t.any(t.lane() == 3);
    votes[4 * t.index() + 1] = t.all(t.lane() < 31);
    votes[4 * t.index() + 2] = t.sync_or(t.index() == 40);
    votes[4 * t.index() + 3] = t.sync_or(false);
    t.add_atomic(counter, 1 + t.warp());
  }
};

/// What can go wrong with a barrier.
enum class wrong { missing, other_line, part_of_a_warp, barrier_and_exchange };
struct Divergent {
  static constexpr int threads = 64;
  using Shared = None;
  wrong how;
  template <class T> FAUNA_KERNEL void operator()(T const& t, Shared&) const {
    if (how == wrong::missing && t.index() != 33) t.sync();
    if (how == wrong::other_line) {
      if (t.warp() == 0) t.sync();
      else t.sync();
    }
    if (how == wrong::other_line && t.warp() == 0) t.sync();
    if (how == wrong::part_of_a_warp && t.lane() < 16) t.lane_xor(1, 1);
    if (how == wrong::barrier_and_exchange) {
      if (t.lane() == 7) t.sync();
      else t.any(true);
    }
  }
};

/// Reads what its neighbour writes, without a barrier between.
struct Race {
  static constexpr int threads = 32;
  struct Shared {
    int v[threads];
  };
  int* y;
  bool barrier;
  template <class T> FAUNA_KERNEL void operator()(T const& t, Shared& s) const {
    s.v[t.index()] = t.index();
    if (barrier) t.sync();
    y[t.index()] = s.v[(t.index() + 1) % threads];
  }
};

/// The second round writes what a slower warp may not have read in the first: exchanges hold a warp, not the block.
struct RunsAhead {
  static constexpr int threads = 64;
  struct Shared {
    int v[2];
  };
  int* y;
  bool barrier;
  template <class T> FAUNA_KERNEL void operator()(T const& t, Shared& s) const {
    for (int round = 0; round < 2; ++round) {
      if (t.lane() == 0) s.v[t.warp()] = round;
      t.sync();
      y[round * threads + t.index()] = t.from_lane(s.v[0], 0) + t.from_lane(s.v[1], 1);
      if (barrier) t.sync();
    }
  }
};

}  // namespace

TEST_CASE("simt: sums over a block are the same in every thread and every order") {
  std::vector<float> x(96 * 5), first;
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 1.0F / static_cast<float>(i + 1);
  for (const order o : orders) {
    std::vector<float> y(x.size());
    test::simt::run(Sums{x.data(), y.data()}, 5, o);
    for (std::size_t i = 0; i < y.size(); ++i) CHECK(y[i] == y[i / 96 * 96]);
    double sum = 0;
    for (int i = 0; i < 96; ++i) sum += 1.0 / (i + 1);
    CHECK(static_cast<double>(y[0]) == doctest::Approx(sum + 1).epsilon(1e-6));
    if (first.empty()) first = y;
    CHECK(y == first);
  }
}

TEST_CASE("simt: what lanes exchange") {
  for (const order o : orders) {
    int down[64], from[64], counter = 0;
    unsigned odd[64];
    bool votes[256];
    test::simt::run(Lanes{down, from, odd, votes, &counter}, 1, o);
    for (int i = 0; i < 64; ++i) {
      CHECK(down[i] == (i % 32 + 5 < 32 ? i + 5 : i));  // past the warp's end: one's own
      CHECK(from[i] == i / 32 * 32 + 9);
      CHECK(odd[i] == 0xaaaaaaaaU);
      CHECK(votes[4 * i]);
      CHECK_FALSE(votes[4 * i + 1]);
      CHECK(votes[4 * i + 2]);
      CHECK_FALSE(votes[4 * i + 3]);
    }
    CHECK(counter == 32 * 3);
  }
}

TEST_CASE("simt: a barrier that not all reach is an error that says who waits where") {
  for (const order o : orders) {
    CHECK_THROWS_WITH_AS(test::simt::run(Divergent{wrong::missing}, 1, o),
                         doctest::Contains("divergent barrier in block 0: thread 0 waits at a barrier (line"), error);
    CHECK_THROWS_WITH_AS(test::simt::run(Divergent{wrong::missing}, 1, o), doctest::Contains("thread 33 has ended"),
                         error);
    CHECK_THROWS_AS(test::simt::run(Divergent{wrong::other_line}, 1, o), error);
    CHECK_THROWS_WITH_AS(test::simt::run(Divergent{wrong::part_of_a_warp}, 1, o),
                         doctest::Contains("thread 0 waits in lane_xor"), error);
    CHECK_THROWS_AS(test::simt::run(Divergent{wrong::barrier_and_exchange}, 1, o), error);
    // and the executor is usable afterwards
    int y[32];
    CHECK_NOTHROW(test::simt::run(Race{y, true}, 1, o));
  }
}

TEST_CASE("simt: a race shows as different bits in different orders") {
  const auto same = [](bool barrier) {
    int a[32], b[32];
    test::simt::run(Race{a, barrier}, 1, order::ascending);
    test::simt::run(Race{b, barrier}, 1, order::descending);
    return std::memcmp(a, b, sizeof a) == 0;
  };
  CHECK(same(true));
  CHECK_FALSE(same(false));
}

TEST_CASE("simt: a warp that runs ahead of the others is seen") {
  const auto right = [](order o, bool barrier) {
    int y[128];
    test::simt::run(RunsAhead{y, barrier}, 1, o);
    for (int i = 0; i < 128; ++i)
      if (y[i] != i / 64 * 2) return false;
    return true;
  };
  for (const order o : orders) CHECK(right(o, true));
  CHECK_FALSE(right(order::ascending, false));
  CHECK_FALSE(right(order::descending, false));
}

}  // namespace test_simt_executor
