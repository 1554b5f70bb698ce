// A run that ranks have saved goes on with any number of them.
#include <doctest/doctest.h>

#include "../support/temporary.hpp"
#include "ranks.hpp"

namespace test_resume {

using namespace fauna;
using test::left_by, test::left_on, test::options, test::Single, test::ThreadRank;

namespace {

template <int N> using stage = std::integral_constant<int, N>;

}  // namespace

TEST_SUITE("resume") {
  TEST_CASE("data parallel goes on with any number of ranks, to the bit") {
    TemporaryFolder folder;
    TrainOptions o = options(6, 1);
    Solo solo;
    const auto whole = left_by<Single>(DataParallel(solo, 6), o, 6);
    const auto saved = [&]<int Zero>(stage<Zero>, int n) {
      test::on_ranks(n, [&](ThreadRank& rank) {
        Single model(seed{5}, 1);
        using Ranks = DataParallel<ThreadRank, Zero>;
        Trainer<Single, Ranks> run(model, test::both(), o, {}, Ranks(rank, 6));
        for (int i = 0; i < 3; ++i) run.step();
        run.save(folder / "middle");
      });
      return read_file(folder / "middle");
    };
    const std::string first = saved(stage<0>{}, 1);
    o.resume = folder / "middle";
    const auto goes_on = [&] {
      for (int n = 1; n < 4; ++n)
        for (const int zero_ : {0, 1}) {
          const auto all = zero_ ? left_on<Single, 1>(n, 6, o, 3) : left_on<Single, 0>(n, 6, o, 3);
          for (auto const& each : all) CHECK(each.values == whole.values);
          CHECK(all[0].moments == whole.moments);
        }
    };
    goes_on();
    o.resume.clear();
    for (const int n : {2, 3}) CHECK(saved(stage<1>{}, n) == first);
    o.resume = folder / "middle";
    goes_on();
  }

  TEST_CASE("a run goes on with any number of ranks in any stage, to the bit") {
    TemporaryFolder folder;
    TrainOptions o = options(6, 1);
    Solo solo;
    const auto whole = left_by<Single>(DataParallel(solo, 6), o, 4);
    const auto saved = [&]<int Zero>(stage<Zero>, int n) {
      test::on_ranks(n, [&](ThreadRank& rank) {
        Single model(seed{5}, 1);
        using Ranks = DataParallel<ThreadRank, Zero>;
        Trainer<Single, Ranks> run(model, test::both(), o, {}, Ranks(rank, 6));
        run.step();
        run.save(folder / "once");  // and goes on after that
        run.step();
        run.save(folder / "middle");
      });
      return read_file(folder / "middle");
    };
    const std::string first = saved(stage<0>{}, 1);
    CHECK(saved(stage<2>{}, 3) == first);
    CHECK(saved(stage<3>{}, 2) == first);
    CHECK(saved(stage<3>{}, 3) == first);
    o.resume = folder / "middle";
    for (int n = 1; n < 4; ++n) {
      const auto goes_on = [&](auto const& all) {
        for (auto const& each : all) CHECK(each.values == whole.values);
        CHECK(all[0].moments == whole.moments);
      };
      goes_on(left_on<Single, 2>(n, 6, o, 2));
      goes_on(left_on<Single, 3>(n, 6, o, 2));
    }
  }
}

}  // namespace test_resume
