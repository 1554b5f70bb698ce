// Replicas of shards equal training on one rank, with == where each replica has a power of two of the pieces, and send
// the bytes that the formulas say.
#include <doctest/doctest.h>

#include <fauna/dist/hsdp.hpp>

#include "ranks.hpp"

namespace test_hsdp {

using namespace fauna;
using test::Double, test::distance, test::Left, test::left_by, test::options, test::require_equal, test::Single,
    test::ThreadRank;

namespace {

/// What replicas of shards leave.
template <class T, int Zero>
std::vector<Left<typename T::scalar>> left_on(int replicas, int shards, int pieces, TrainOptions const& o, int steps) {
  std::vector<Left<typename T::scalar>> all(static_cast<std::size_t>(replicas * shards));
  test::on_ranks(replicas * shards, [&](ThreadRank& rank) {
    ReplicaGroups<ThreadRank> groups(rank, replicas);
    all[static_cast<std::size_t>(rank.rank())] = left_by<T>(HybridSharded<ThreadRank, Zero>(groups, pieces), o, steps);
  });
  return all;
}
/// The second replica's gradients are not added.
struct Forgetful : HybridSharded<ThreadRank, 3> {
  using HybridSharded::HybridSharded;
  template <class F> double gradients(Double& model, F&& pass) {
    return HybridSharded::gradients(model, [&](int i) {
      const double loss = pass(i);
      if (i == 1) model.clear_gradients();
      return loss;
    });
  }
};
/// Of all groups together.
struct Counted : ThreadRank {
  Counted(ThreadRank const& rank, std::size_t* sent) : ThreadRank(rank), bytes(sent) {}
  Counted split(int color) const { return {ThreadRank::split(color), bytes}; }
  void exchange(const Outgoing* to, const Incoming* from) {
    for (int r = 0; r < size(); ++r)
      if (r != rank()) *bytes += to[r].bytes;
    ThreadRank::exchange(to, from);
  }
  std::size_t* bytes;
};
template <int N> using stage = std::integral_constant<int, N>;

}  // namespace

TEST_SUITE("hsdp") {
  TEST_CASE("in double, ten updates of replicas of shards are those of the plain run to 1e-12") {
    for (auto const& size : {std::pair{7, 1}, {5, 3}}) {
      const TrainOptions o = options(size.first, size.second);
      const auto plain = left_by<Double>(OneRank{}, o, 10);
      const auto check = [&](auto const& all) {
        for (std::size_t r = 0; r < all.size(); ++r) {
          CHECK(distance(all[r].losses, plain.losses) < 1e-12);
          CHECK(distance(all[r].norms, plain.norms) < 1e-12);
          CHECK(distance(all[r].values, plain.values) < 1e-12);
          if (r == 0) CHECK(distance(all[r].moments, plain.moments) < 1e-12);
        }
      };
      check(left_on<Double, 1>(2, 2, 0, o, 10));
      check(left_on<Double, 2>(2, 2, 0, o, 10));
      check(left_on<Double, 3>(2, 2, 0, o, 10));
      check(left_on<Double, 3>(3, 2, 0, o, 10));
      check(left_on<Double, 3>(2, 3, 0, o, 10));
    }
  }

  TEST_CASE("with fixed pieces, a power of two a replica, they leave the bits of one rank, evaluations too") {
    const TrainOptions o = options(8, 1), three = options(2, 6);
    Solo solo;
    const auto one = left_by<Single>(DataParallel(solo, 8), o, 3),
               twelve = left_by<Single>(DataParallel(solo, 12), three, 3);
    require_equal(left_on<Single, 1>(2, 2, 8, o, 3), one);
    require_equal(left_on<Single, 2>(2, 2, 8, o, 3), one);
    require_equal(left_on<Single, 3>(2, 2, 8, o, 3), one);
    require_equal(left_on<Single, 3>(4, 1, 8, o, 3), one);
    require_equal(left_on<Single, 3>(1, 3, 8, o, 3), one);
    require_equal(left_on<Single, 3>(2, 3, 8, o, 3), one);
    require_equal(left_on<Single, 3>(3, 2, 12, three, 3), twelve);
  }

  TEST_CASE("a replica's gradient that is dropped is seen by these comparisons") {
    const TrainOptions o = options(8, 1);
    Solo solo;
    const auto one = left_by<Double>(DataParallel(solo, 2), o, 2);
    std::vector<Left<double>> all(2);
    test::on_ranks(2, [&](ThreadRank& rank) {
      ReplicaGroups<ThreadRank> groups(rank, 2);
      all[static_cast<std::size_t>(rank.rank())] = left_by<Double>(Forgetful(groups), o, 2);
    });
    CHECK(all[0].losses[0] == one.losses[0]);
    CHECK(distance(all[0].values, one.values) > 1e-6);
  }

  TEST_CASE("between replicas an update sends what the formula says") {
    const auto check = [&]<int Zero>(stage<Zero>, int replicas, int shards) {
      test::on_ranks(replicas * shards, [&](ThreadRank& rank) {
        std::size_t bytes = 0;
        Counted counted(rank, &bytes);
        ReplicaGroups<Counted> groups(counted, replicas);
        const auto sent = [&](auto ranks) {
          Single model(seed{5}, 1);
          Trainer<Single, decltype(ranks)> run(model, test::both(), options(12, 1), {}, std::move(ranks));
          bytes = 0;
          run.step();
          return std::pair{bytes, run.ranks().shards()};
        };
        const auto [all, cuts] = sent(HybridSharded<Counted, Zero>(groups));
        std::size_t want = sent(DataParallel<Counted, Zero>(groups.shards)).first;  // of a replica, with as many pieces
        const auto others = static_cast<std::size_t>(replicas - 1);
        for (Shard const& s : cuts) {
          const Cut part{s.cut.size(groups.shards.rank()), 1, replicas};
          const std::size_t own = part.size(groups.replicas.rank());
          want += 4 * (part.n - own + others * own);  // pieces of the part to the rank that adds them, and sums back
        }
        want += 8 * others;  // losses
        if (all != want) throw std::runtime_error(std::to_string(all) + " bytes, not " + std::to_string(want));
      });
    };
    check(stage<1>{}, 2, 2);
    check(stage<2>{}, 2, 2);
    check(stage<3>{}, 3, 2);
    check(stage<3>{}, 2, 3);
  }

  TEST_CASE("numbers that do not fit are refused") {
    Solo solo;
    CHECK_THROWS_WITH_AS((ReplicaGroups<Solo>(solo, 2)), doctest::Contains("2 replicas on 1 ranks"), error);
    ReplicaGroups<Solo> one(solo, 1);
    CHECK_THROWS_WITH_AS((hsdp<2, 1, Solo>(one)), doctest::Contains("1 replicas of 1 shards, expected 2 of 1"), error);
    CHECK_NOTHROW((hsdp<1, 1, Solo>(one)));
  }
}

}  // namespace test_hsdp
