// Muon on ranks that have whole matrices, and on those that have parts of them.
#include <algorithm>

#include <fauna/dist/counting.hpp>

#include "ranks.hpp"

namespace test_muon {

using namespace fauna;
using test::left_by, test::left_on, test::Single;

TEST_SUITE("muon on ranks") {
  TEST_CASE("1, 2 and 3 ranks leave the same bits") {
    TrainOptions o = test::options(6, 2);
    o.muon = MuonOptions{};
    Solo solo;
    const auto one = left_by<Single>(DataParallel(solo, 6), o, 3);
    for (int n = 1; n < 4; ++n) test::require_equal(left_on<Single, 0>(n, 6, o, 3), one);
    o.muon.reset();
    CHECK(test::distance(left_by<Single>(DataParallel(solo, 6), o, 3).values, one.values) > 1e-4);
  }

  TEST_CASE("so they do in ZeRO's stages, where a matrix is whole on one of them") {
    TrainOptions o = test::options(6, 2);
    o.muon = MuonOptions{};
    Solo solo;
    const auto one = left_by<Single>(DataParallel(solo, 6), o, 3);
    test::require_equal(left_on<Single, 1>(3, 6, o, 3), one);
    test::require_equal(left_on<Single, 2>(2, 6, o, 3), one);
    test::require_equal(left_on<Single, 3>(3, 6, o, 3), one);
  }
  TEST_CASE("a matrix moves five times, each time but for what its rank has of it") {
    TrainOptions o = test::options(6, 1);
    const auto sent = [&o] {
      std::vector<std::size_t> bytes(3);
      test::on_ranks(3, [&](test::ThreadRank& rank) {
        Counting counting(rank);
        Single model(seed{5}, 1);
        Trainer<Single, zero<1, Counting<test::ThreadRank>>> run(model, test::both(), o, {},
                                                                 zero<1, Counting<test::ThreadRank>>(counting));
        counting.forget();
        (void)run.step();
        bytes[static_cast<std::size_t>(rank.rank())] = counting.bytes();
      });
      return bytes[0] + bytes[1] + bytes[2];
    };
    const std::size_t adamw = sent();
    o.muon = MuonOptions{};
    // Ranks 0, 1 and 2 in turn have the matrices of layers, in their order, and a third of all elements, in blocks.
    std::size_t moved = 0, turn = 0;
    Single model(seed{5}, 1);
    model.prepare_training({.sequences = 1, .length = 1});
    std::size_t all = 0;
    model.reduce([&all](auto*, std::size_t n) { all = n; });
    const Cut cut{all, 4096, 3};
    for (Parameter const& p : model.parameters()) {
      if (p.matrices == 0) continue;
      const int owner = static_cast<int>(turn++ % 3);
      for (int r = 0; r < 3; ++r) {
        const std::size_t from = std::max(p.place, cut.at(r)), to = std::min(p.place + p.size(), cut.at(r + 1));
        if (r != owner && from < to) moved += 5 * 4 * (to - from);
      }
    }
    CHECK(sent() - adamw == moved);
  }
}

}  // namespace test_muon
