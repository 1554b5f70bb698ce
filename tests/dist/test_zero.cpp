// ZeRO's stages 2 and 3 equal training on one rank: gradients that are added as layers end, weights that are gathered
// for a layer and freed after it.
#include <doctest/doctest.h>

#include <array>

#include "ranks.hpp"

namespace test_zero {

using namespace fauna;
using test::Double, test::distance, test::Left, test::left_by, test::left_on, test::options, test::require_equal;
using test::Single, test::ThreadRank, test::Toy;

namespace {

template <int N> using stage = std::integral_constant<int, N>;

/// What a rank computes for piece 3 is changed by `Wrong`, before what is outside of layers is added up.
template <int Zero, void (*Wrong)(Double&)> struct Wronged : DataParallel<ThreadRank, Zero> {
  using DataParallel<ThreadRank, Zero>::DataParallel;
  template <class F> double gradients(Double& model, F&& pass) {
    return DataParallel<ThreadRank, Zero>::gradients(model, [&](int i) {
      const double loss = pass(i);
      if (i == 3) Wrong(model);
      return loss;
    });
  }
};
void forget(Double& model) { model.clear_gradients(); }
/// As if the table, which is the head as well, were added once as each.
void count_table_twice(Double& model) {
  auto const g = model.gradient(model.parameter("wte.weight"));
  for (std::size_t i = 0; i < g.size(); ++i) g.data()[i] *= 2;
}

}  // namespace

TEST_SUITE("zero") {
  TEST_CASE("in double, ten updates on 2, 3 and 4 ranks are those of the plain run to 1e-12") {
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
      for (int n = 1; n < 5; ++n) {
        CAPTURE(n);
        check(left_on<Double, 2>(n, 0, o, 10));
        check(left_on<Double, 3>(n, 0, o, 10));
      }
    }
  }

  TEST_CASE("in double, every gradient is the plain run's to 1e-12") {
    const int batch = 7, context = 5;
    BatchMemory all(batch, context);
    all.draw(test::both().train, Key{1, 2}, 0);
    Double plain(seed{5}, 1);
    plain.prepare_training({.sequences = batch, .length = context});
    plain.weigh_side_losses({{"*", 0}});  // a router's balance is that of a pass
    const double loss = plain.accumulate(all.batch());
    const auto check = [&]<int Zero>(stage<Zero>, int n) {
      test::on_ranks(n, [&](ThreadRank& rank) {
        DataParallel<ThreadRank, Zero> ranks(rank);
        Double model(seed{5}, 1);
        const int from = batch * rank.rank() / n, to = batch * (rank.rank() + 1) / n;
        model.prepare_training({.sequences = to - from, .length = context});
        model.weigh_side_losses({{"*", 0}});
        ranks.start(model);
        const double weight = static_cast<double>(to - from) / batch;
        const double sum = ranks.gradients(model, [&](int) {
          return weight * model.accumulate(Batch::uniform(to - from, context, all.tokens.data() + from * context,
                                                          all.targets.data() + from * context),
                                           weight);
        });
        double worst = std::fabs(sum - loss);
        for (Shard const& s : ranks.shards())
          for (std::size_t i = s.cut.at(rank.rank()); i < s.cut.at(rank.rank() + 1); ++i)
            model.reduce([&](const double* g, std::size_t) {
              plain.reduce(
                  [&](const double* want, std::size_t) { worst = std::fmax(worst, std::fabs(g[i] - want[i])); });
            });
        if (!(worst < 1e-12)) throw std::runtime_error(std::to_string(worst));
      });
    };
    for (int n = 1; n < 5; ++n) {
      check(stage<2>{}, n);
      check(stage<3>{}, n);
    }
  }

  TEST_CASE("with fixed pieces, 1, 2, 3 and 4 ranks leave the bits of data parallel, evaluations too") {
    for (auto const& size : {std::array{8, 1, 8}, {3, 4, 12}, {7, 1, 5}, {4, 1, 1}}) {
      const TrainOptions o = options(size[0], size[1]);
      const int pieces = size[2];
      Solo solo;
      const auto one = left_by<Single>(DataParallel(solo, pieces), o, 3);
      const auto toy = left_by<Double>(DataParallel(solo, pieces), o, 3);
      for (int n = 1; n < 5; ++n) {
        CAPTURE(pieces);
        CAPTURE(n);
        require_equal(left_on<Single, 2>(n, pieces, o, 3), one);
        require_equal(left_on<Single, 3>(n, pieces, o, 3), one);
        require_equal(left_on<Double, 2>(n, pieces, o, 3), toy);
        require_equal(left_on<Double, 3>(n, pieces, o, 3), toy);
      }
    }
  }

  TEST_CASE("frozen tensors stay, and a buffer in the parts of two ranks changes as a whole") {
    const TrainOptions o = options(4, 1);
    Solo solo;
    const auto one = left_by<Double>(DataParallel(solo, 4), o, 3, "h.0.*");
    require_equal(left_on<Double, 2>(3, 4, o, 3, "h.0.*"), one);
    require_equal(left_on<Double, 3>(3, 4, o, 3, "h.0.*"), one);
    using Wide = Trained<Toy<100, 40>, Ref<double>>;
    const TrainOptions wide = options(12, 3);
    const auto whole = left_by<Wide>(DataParallel(solo, 6), wide, 3);
    require_equal(left_on<Wide, 2>(2, 6, wide, 3), whole);
    require_equal(left_on<Wide, 3>(2, 6, wide, 3), whole);
  }

  TEST_CASE("a dropped gradient and a table counted twice are seen by these comparisons") {
    const TrainOptions o = options(8, 1);
    Solo solo;
    const auto one = left_by<Double>(DataParallel(solo, 4), o, 2);
    const auto check = [&]<class Ranks>(std::type_identity<Ranks>) {
      std::vector<Left<double>> all(2);
      test::on_ranks(2, [&](ThreadRank& rank) {
        all[static_cast<std::size_t>(rank.rank())] = left_by<Double>(Ranks(rank, 4), o, 2);
      });
      CHECK(all[0].losses[0] == one.losses[0]);
      CHECK(all[0].values == all[1].values);
      CHECK(distance(all[0].values, one.values) > 1e-6);
      CHECK(distance(all[0].norms, one.norms) > 1e-6);
    };
    check(std::type_identity<Wronged<2, forget>>{});
    check(std::type_identity<Wronged<3, forget>>{});
    check(std::type_identity<Wronged<2, count_table_twice>>{});
    check(std::type_identity<Wronged<3, count_table_twice>>{});
  }

  TEST_CASE("pieces that are no parts of batches are refused") {
    Single model(seed{5}, 1);
    Solo solo;
    using Ranks = zero<2, Solo>;
    CHECK_THROWS_WITH_AS((Trainer<Single, Ranks>(model, test::both(), options(4, 3), {}, Ranks(solo, 4))),
                         doctest::Contains("4 pieces of an update of 3 batches, expected pieces of one batch each"),
                         error);
  }
}

}  // namespace test_zero
