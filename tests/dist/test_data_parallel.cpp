// Training on many ranks, which are threads here, equals training on one: with == where pieces are fixed, to rounding
// against the plain run. Models with buffers, side losses, frozen tensors; parts that are uneven or empty.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "ranks.hpp"

namespace test_data_parallel {

using namespace fauna;
using test::add_values, test::distance, test::Double, test::Left, test::left_by, test::left_on, test::options,
    test::require_equal, test::Single, test::Toy;

namespace {

/// Forgets what piece 3 has computed.
struct Forgetful : DataParallel<test::ThreadRank> {
  using DataParallel::DataParallel;
  template <class F> double gradients(Double& model, F&& pass) {
    return DataParallel::gradients(model, [&](int i) {
      const double loss = pass(i);
      if (i == 3) model.clear_gradients();
      return loss;
    });
  }
};

}  // namespace

TEST_SUITE("data_parallel") {
  TEST_CASE("in double, ten updates on 2, 3 and 4 ranks are those of the plain run to 1e-12") {
    for (auto const& size : {std::pair{7, 1}, {4, 1}, {5, 3}}) {
      const int batch = size.first, accumulation = size.second;
      const TrainOptions o = options(batch, accumulation);
      const auto plain = left_by<Double>(OneRank{}, o, 10);
      const auto check = [&](auto const& all) {
        for (std::size_t r = 0; r < all.size(); ++r) {
          CHECK(distance(all[r].losses, plain.losses) < 1e-12);
          CHECK(distance(all[r].norms, plain.norms) < 1e-12);
          CHECK(distance(all[r].values, plain.values) < 1e-12);
          if (r == 0) CHECK(distance(all[r].moments, plain.moments) < 1e-12);
        }
      };
      for (int n = 1; n < 5; ++n)
        for (const int pieces : {0, 4}) {
          CAPTURE(batch);
          CAPTURE(n);
          CAPTURE(pieces);
          check(left_on<Double, 0>(n, pieces, o, 10));
          check(left_on<Double, 1>(n, pieces, o, 10));
        }
    }
  }

  TEST_CASE("in double, every gradient is the plain run's to 1e-12") {
    const int batch = 7, context = 5;
    BatchMemory all(batch, context);
    all.draw(test::both().train, Key{1, 2}, 0);
    for (std::size_t r = 0; r < all.rows(); r += 3) all.targets[r] = ignore_target;  // unequal counts
    for (std::size_t r = 0; r < 9; ++r) all.targets[r] = ignore_target;
    const auto counted = [](std::vector<int> const& targets) {
      long long n = 0;
      for (const int t : targets) n += t != ignore_target;
      return n;
    };
    Double plain(seed{5}, 1);
    plain.prepare_training({.sequences = batch, .length = context});
    plain.weigh_side_losses({{"*", 0}});  // means over rows, not over counted ones
    const double loss = plain.accumulate(all.batch());
    for (int n = 1; n < 5; ++n) {
      std::vector<double> worst(static_cast<std::size_t>(n)), losses(worst.size());
      test::on_ranks(n, [&](test::ThreadRank& rank) {
        DataParallel ranks(rank);
        Double model(seed{5}, 1);
        const int from = batch * rank.rank() / n, to = batch * (rank.rank() + 1) / n;
        model.prepare_training({.sequences = to - from, .length = context});
        ranks.start(model);
        model.weigh_side_losses({{"*", 0}});
        const auto part = [&](std::vector<int> const& v) {
          return std::vector<int>(v.begin() + from * context, v.begin() + to * context);
        };
        const auto tokens = part(all.tokens), targets = part(all.targets);
        const long long own = counted(targets), total = ranks.total(own);
        const double weight = static_cast<double>(own) / static_cast<double>(total);
        const auto r = static_cast<std::size_t>(rank.rank());
        losses[r] = ranks.gradients(model, [&](int) {
          return weight * model.accumulate(Batch::uniform(to - from, context, tokens.data(), targets.data()), weight);
        });
        for (auto const& p : model.parameters())
          for (std::size_t i = 0; i < p.size(); ++i)
            worst[r] = std::fmax(worst[r], std::fabs(model.gradient(p).data()[i] - plain.gradient(p).data()[i]));
      });
      for (const double w : worst) CHECK(w < 1e-12);
      for (const double l : losses) CHECK(std::fabs(l - loss) < 1e-12);
    }
  }

  TEST_CASE("with fixed pieces, 1, 2, 3 and 4 ranks leave the same bits, whether they share moments or not") {
    for (auto const& size : {std::array{8, 1, 8}, {3, 4, 12}, {7, 1, 5}, {4, 1, 1}}) {
      const int batch = size[0], accumulation = size[1], pieces = size[2];
      const TrainOptions o = options(batch, accumulation);
      Solo solo;
      const auto one = left_by<Single>(DataParallel(solo, pieces), o, 4);
      const auto toy = left_by<Double>(DataParallel(solo, pieces), o, 4);
      for (int n = 1; n < 5; ++n) {
        CAPTURE(pieces);
        CAPTURE(n);
        require_equal(left_on<Single, 0>(n, pieces, o, 4), one);
        require_equal(left_on<Single, 1>(n, pieces, o, 4), one);
        require_equal(left_on<Double, 0>(n, pieces, o, 4), toy);
        require_equal(left_on<Double, 1>(n, pieces, o, 4), toy);
      }
    }
  }

  TEST_CASE("a dropped gradient is seen by these comparisons") {
    const TrainOptions o = options(8, 1);
    Solo solo;
    const auto one = left_by<Double>(DataParallel(solo, 4), o, 2);
    std::vector<Left<double>> all(2);
    test::on_ranks(2, [&](test::ThreadRank& rank) {
      all[static_cast<std::size_t>(rank.rank())] = left_by<Double>(Forgetful(rank, 4), o, 2);
    });
    CHECK(all[0].losses[0] == one.losses[0]);
    CHECK(all[0].values == all[1].values);
    CHECK(distance(all[0].values, one.values) > 1e-6);
    CHECK(distance(all[0].norms, one.norms) > 1e-6);
  }

  TEST_CASE("frozen tensors stay, on all ranks") {
    const TrainOptions o = options(4, 1);
    Solo solo;
    const auto one = left_by<Double>(DataParallel(solo, 4), o, 3, "h.0.*");
    require_equal(left_on<Double, 0>(3, 4, o, 3, "h.0.*"), one);
    require_equal(left_on<Double, 1>(3, 4, o, 3, "h.0.*"), one);
    CHECK(one.values != left_by<Double>(DataParallel(solo, 4), o, 3).values);
  }

  TEST_CASE("a buffer that lies in the parts of two ranks changes as a whole") {
    using Wide = Trained<Toy<100, 40>, Ref<double>>;
    Wide model(seed{5}, 1);
    Parameter const& buffer = model.parameter("h.0.balance.offset");
    REQUIRE(buffer.offset < 4096);
    REQUIRE(buffer.offset + buffer.size() > 4096);
    const TrainOptions o = options(12, 3);  // several rows a column: whether it has its share depends on all of them
    Solo solo;
    require_equal(left_on<Wide, 1>(2, 4, o, 3), left_by<Wide>(DataParallel(solo, 4), o, 3));
  }

  TEST_CASE("ranks that share moments keep their own alone") {
    test::on_ranks(3, [](test::ThreadRank& rank) {
      Single model(seed{5}, 1);
      using Ranks = DataParallel<test::ThreadRank, 1>;
      Trainer<Single, Ranks> run(model, test::both(), options(6, 1), {}, Ranks(rank));
      run.step();
      const Cut cut = run.ranks().shards()[0].cut;
      for (auto const& p : model.parameters()) {
        const bool own = p.offset >= cut.at(rank.rank()) && p.offset + p.size() <= cut.at(rank.rank() + 1);
        if ((model.moment(p, 0).data() != nullptr) != own) throw std::runtime_error(p.name);
      }
    });
  }

  TEST_CASE("a gradient that is not finite stops all ranks, and nothing is updated") {
    for (int bad = 0; bad < 3; ++bad) {
      test::on_ranks(3, [&](test::ThreadRank& rank) {
        Single model(seed{5}, 1);
        DataParallel<test::ThreadRank, 1> ranks(rank);
        model.prepare_training({.sequences = 1, .length = 5});
        ranks.start(model);
        const auto before = [&] {
          std::vector<float> v;
          add_values(model, v);
          return v;
        };
        const auto values = before();
        ranks.gradients(model, [&](int i) {
          if (i == bad) model.gradient(model.parameters()[2])(0, 0) = NAN;
          return 1.0;
        });
        const UpdateReport r = ranks.update(model, {});
        if (r.not_finite != 2 || before() != values || model.steps() != 0) throw std::runtime_error("updated");
      });
    }
  }

  TEST_CASE("what one rank knows, all know; and what differs is an error on all of them") {
    test::on_ranks(3, [](test::ThreadRank& rank) {
      DataParallel ranks(rank);
      OneRank nothing;
      if (ranks.once(nothing, [&] { return 7 + rank.rank(); }) != 7) throw std::runtime_error("once");
      if (ranks.most(rank.rank() == 1 ? 15 : 0) != 15) throw std::runtime_error("most");
      ranks.require_same("flags", 5);
      std::string said;
      try {
        ranks.require_same("text", rank.rank() == 2 ? 1 : 0);
      } catch (error const& e) {
        said = e.what();
      }
      if (said.find("rank 2 has another text than rank 0") == std::string::npos) throw std::runtime_error(said);
    });
  }

  TEST_CASE("fewer sequences than pieces are refused") {
    Single model(seed{5}, 1);
    Solo solo;
    using Ranks = DataParallel<Solo>;
    CHECK_THROWS_WITH_AS((Trainer<Single, Ranks>(model, test::both(), options(3, 1), {}, Ranks(solo, 4))),
                         doctest::Contains("3 sequences an update, of 4 pieces"), error);
  }
}

}  // namespace test_data_parallel
