// ZeRO's stages 2 and 3 equal training on one rank: gradients that are added as layers end, weights that are gathered
// for a layer and freed after it. What is sent is what the formulas say; what stays in memory is what is planned.
#include <sys/mman.h>

#include <doctest/doctest.h>

#include <array>
#include <functional>

#include <fauna/dist/counting.hpp>

#include "../support/temporary.hpp"
#include "ranks.hpp"

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

/// A rank that looks around at each exchange.
class Watched {
 public:
  Watched(ThreadRank& rank, std::function<void()> const& look) : rank_(rank), look_(look) {}
  int rank() const { return rank_.rank(); }
  int size() const { return rank_.size(); }
  void exchange(const Outgoing* to, const Incoming* from) {
    look_();
    rank_.exchange(to, from);
    look_();
  }

 private:
  ThreadRank& rank_;
  std::function<void()> const& look_;
};

constexpr std::size_t page = 4096;
/// Bytes of memory, which begins at a page, that are there.
std::size_t resident(const void* data, std::size_t bytes) {
  std::vector<unsigned char> pages((bytes + page - 1) / page);
  REQUIRE(::mincore(const_cast<void*>(data), bytes, pages.data()) == 0);
  std::size_t n = 0;
  for (const unsigned char p : pages) n += p & 1U;
  return n * page;
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

  TEST_CASE("an update moves the bytes that the formulas say") {
    const auto check = [&]<int Zero>(stage<Zero>, int n, int accumulation, int pieces) {
      test::on_ranks(n, [&](ThreadRank& rank) {
        Counting counting(rank);
        Single model(seed{5}, 1);
        using Ranks = DataParallel<Counting<ThreadRank>, Zero>;
        Trainer<Single, Ranks> run(model, test::both(), options(8, accumulation), {}, Ranks(counting, pieces));
        counting.forget();
        run.step();
        const int me = rank.rank();
        std::size_t all = 0, own = 0, own_in_layers = 0, blocks = 0;  // blocks: those of the norm, of tensors
        for (Shard const& s : run.ranks().shards()) {
          all += s.cut.n;
          own += s.cut.size(me);
          if (s.unit != outside) own_in_layers += s.cut.size(me);
          for (auto const& p : model.parameters())
            for (std::size_t at = p.place; at < p.place + p.size(); at = at / 4096 * 4096 + 4096)
              blocks += at >= s.cut.at(me) && at < s.cut.at(me + 1);
        }
        const auto others = static_cast<std::size_t>(n - 1), passes = static_cast<std::size_t>((pieces + n - 1) / n),
                   mine = static_cast<std::size_t>((pieces - me + n - 1) / n);
        const std::size_t weights = Zero == 2 ? own                              // once, after the update
                                              : passes * (own + own_in_layers);  // layers for both directions
        const std::size_t want = mine * (all - own) * 4 + others * weights * 4 + others * 8 * (blocks + mine);
        if (counting.bytes() != want)
          throw std::runtime_error(std::to_string(counting.bytes()) + " bytes, not " + std::to_string(want));
      });
    };
    for (int n = 1; n < 5; ++n) {
      for (const int pieces : {n, 8}) {
        check(stage<2>{}, n, 1, pieces);
        check(stage<3>{}, n, 1, pieces);
      }
      check(stage<2>{}, n, 3, 6);
      check(stage<3>{}, n, 3, 6);
    }
  }

  TEST_CASE("what is in memory is what was planned") {
    using Model =
        Trained<Gpt<GptConfig{.layers = 6, .heads = 2, .width = 64, .context = 12, .vocab = 27, .bias = false}>, Cpu<>>;
    const auto check = [&]<int Zero>(stage<Zero>, int n, int pieces) {
      test::on_ranks(n, [&](ThreadRank& rank) {
        Model model(seed{5}, 1);
        std::size_t weights = 0, gradients = 0;  // at most
        const std::function<void()> look = [&] {
          model.share([&](const float* v, std::size_t size) { weights = std::max(weights, resident(v, 4 * size)); });
          model.reduce(
              [&](const float* g, std::size_t size) { gradients = std::max(gradients, resident(g, 4 * size)); });
        };
        Watched watched(rank, look);
        using Ranks = DataParallel<Watched, Zero>;
        Trainer<Model, Ranks> run(model, test::both(), options(8, 1), {}, Ranks(watched, pieces));
        weights = gradients = 0;
        run.step();
        const MemoryPlan plan = model.planned(),
                         whole = fauna::plan<Model::model, Cpu<>>({.sequences = 8, .length = 7});
        const std::size_t ends = 4 * page * run.ranks().shards().size();  // pages that lie in two parts
        const auto near = [&](std::size_t found, std::size_t planned, const char* what) {
          if (found > planned + ends || 10 * found < 9 * planned)
            throw std::runtime_error(std::to_string(n) + " ranks, stage " + std::to_string(Zero) + ": " +
                                     std::to_string(found) + " bytes of " + what + ", planned " +
                                     std::to_string(planned));
        };
        near(weights, plan.weights, "weights");
        if (pieces == n) near(gradients, plan.gradients, "gradients");
        if (n > 1 && pieces == n &&
            (plan.gradients > whole.gradients * 3 / 4 || plan.moments > whole.moments * 3 / 4 ||
             (Zero == 3 && plan.weights > whole.weights * 3 / 4)))
          throw std::runtime_error("the plan shares nothing");
        weights = gradients = 0;
        look();
        if (gradients > ends)
          throw std::runtime_error(std::to_string(gradients) + " bytes of gradients after an update");
      });
    };
    for (const int n : {1, 2, 3, 4}) {
      check(stage<2>{}, n, n);
      check(stage<3>{}, n, n);
      check(stage<3>{}, n, 8);
    }
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

  TEST_CASE("pieces that are no parts of batches are refused") {
    Single model(seed{5}, 1);
    Solo solo;
    using Ranks = zero<2, Solo>;
    CHECK_THROWS_WITH_AS((Trainer<Single, Ranks>(model, test::both(), options(4, 3), {}, Ranks(solo, 4))),
                         doctest::Contains("4 pieces of an update of 3 batches, expected pieces of one batch each"),
                         error);
  }
}
