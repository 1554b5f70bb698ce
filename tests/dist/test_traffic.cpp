// What ranks send in an update is what the formulas say; what stays in memory is what is planned.
#include <sys/mman.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <functional>

#include <fauna/dist/counting.hpp>

#include "ranks.hpp"

namespace test_traffic {

using namespace fauna;
using test::options, test::Single, test::ThreadRank;

namespace {

template <int N> using stage = std::integral_constant<int, N>;

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

const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
/// Bytes of memory, which begins at a page, that are there.
std::size_t resident(const void* data, std::size_t bytes) {
  std::vector<unsigned char> pages((bytes + page - 1) / page);
  REQUIRE(::mincore(const_cast<void*>(data), bytes, pages.data()) == 0);
  std::size_t n = 0;
  for (const unsigned char p : pages) n += p & 1U;
  return n * page;
}

}  // namespace

TEST_SUITE("traffic") {
  TEST_CASE("an update of data parallel moves the bytes that the formulas say") {
    const TrainOptions o = options(8, 1);
    const auto bytes_of = [&]<int Zero>(stage<Zero>, int n, int pieces) {
      test::on_ranks(n, [&](ThreadRank& rank) {
        Counting counting(rank);
        Single model(seed{5}, 1);
        using Ranks = DataParallel<Counting<ThreadRank>, Zero>;
        Trainer<Single, Ranks> run(model, test::both(), o, {}, Ranks(counting, pieces));
        counting.forget();
        run.step();
        std::size_t elements = 0;
        model.reduce([&](float*, std::size_t count) { elements = count; });
        const Cut cut = run.ranks().shards()[0].cut;
        const int me = rank.rank();
        const std::size_t others = static_cast<std::size_t>(n - 1), own = cut.size(me),
                          nodes = PieceShares{pieces, n}.nodes(me).size();
        std::size_t blocks = 0;  // parts of tensors in this rank's cut
        for (auto const& p : model.parameters())
          for (std::size_t at = p.offset; at < p.offset + p.size(); at = at / 4096 * 4096 + 4096)
            blocks += at >= cut.at(me) && at < cut.at(me + 1);
        const std::size_t want = nodes * (elements - own) * 4  // gradients to the rank that adds them
                                 + others * own * 4            // sums, or new values
                                 + others * 8 * (blocks + nodes);
        if (counting.bytes() != want)
          throw std::runtime_error(std::to_string(counting.bytes()) + " bytes, not " + std::to_string(want));
      });
    };
    for (int n = 1; n < 5; ++n)
      for (const int pieces : {n, 8}) {
        bytes_of(stage<0>{}, n, pieces);
        bytes_of(stage<1>{}, n, pieces);
      }
  }

  TEST_CASE("an update of ZeRO's stages 2 and 3 moves the bytes that the formulas say") {
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
}

}  // namespace test_traffic
