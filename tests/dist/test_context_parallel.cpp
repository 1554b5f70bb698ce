// A model whose sequences lie on several ranks, which are threads here, is the one of one rank: losses, every gradient
// and weights after ten updates in double to 1e-12. What is sent is what the formulas say.
#include <doctest/doctest.h>

#include <fauna/dist/counting.hpp>
#include <fauna/models/gpt.hpp>

#include "context_parallel_check.hpp"

namespace test_context_parallel {

using namespace fauna;
using namespace test::shared_rows;
using test::ThreadRank;

namespace {

using SmallGpt = Gpt<GptConfig{.layers = 2, .heads = 4, .width = 24, .context = 12, .vocab = 27}>;
template <int N> using Ring = context_parallel<SmallGpt, N>;

}  // namespace

TEST_SUITE("context_parallel") {
  TEST_CASE("shares are all positions once, early and late ones on every rank") {
    const PositionShares zigzag{position_split::zigzag, 3, 20};
    std::vector<int> seen(20);
    for (int r = 0; r < 3; ++r)
      for (int i = 0; i < 2; ++i)
        for (int k = 0; k < zigzag.piece(r, i).rows; ++k)
          ++seen[static_cast<std::size_t>(zigzag.piece(r, i).first + k)];
    CHECK(seen == std::vector<int>(20, 1));
    CHECK(zigzag.piece(0, 0).first == 0);
    CHECK(zigzag.piece(0, 1).first + zigzag.piece(0, 1).rows == 20);
    CHECK(zigzag.piece(2, 0).first + zigzag.piece(2, 0).rows == zigzag.piece(2, 1).first);
  }
  TEST_CASE("Gpt on 1, 2, 3 and 4 ranks is that of one") {
    check<SmallGpt, Ring<1>>();
    check<SmallGpt, Ring<2>>();
    check<SmallGpt, Ring<3>>();
    check<SmallGpt, Ring<4>>();
  }
  TEST_CASE("weights, gradients and moments may be in parts, as in data parallel") {
    check<SmallGpt, Ring<3>, 1>();
    check<SmallGpt, Ring<3>, 3>();
  }
  TEST_CASE("copies have sequences of their own, and share what ZeRO says") {
    check<SmallGpt, Ring<2>>(2);
    check<SmallGpt, Ring<2>>(3, 1);
    check<SmallGpt, Ring<2>, 1>(2);
    check<SmallGpt, Ring<2>, 3>(3, 2);
    check<SmallGpt, Ring<3>, 2>(2, 3);
  }
  TEST_CASE("a pass moves the bytes that the formulas say") {
    const auto bytes = bytes_of_a_pass<Ring<3>>();
    const PositionShares all{position_split::zigzag, 3, context};
    for (int r = 0; r < 3; ++r) {
      // Keys and values of all ranks but the next one, forward and backward, and all gradients of them.
      const int others = context - all.rows((r + 1) % 3);
      CHECK(bytes[static_cast<std::size_t>(r)] ==
            8U * 2 * batch * 2 * 24 * static_cast<unsigned>(2 * others + context));
    }
  }
  TEST_CASE("what ranks cannot share is said") {
    test::on_ranks(2, [](ThreadRank& rank) {
      ContextShare<Ring<2>, Ref<double>, ThreadRank> model(rank, seed{5}, 1);
      CHECK_THROWS_WITH_AS(model.prepare_training({.sequences = 1, .length = 3}),
                           doctest::Contains("sequences of 3 tokens on 2 ranks, expected at least 4"), error);
      using Other = ContextShare<Ring<3>, Ref<double>, ThreadRank>;
      CHECK_THROWS_WITH_AS(Other(rank, seed{5}, 1), doctest::Contains("2 ranks, expected 3"), error);
      model.prepare_training({.sequences = 1, .length = context});
      BatchMemory text = some_text();
      CHECK_THROWS_WITH_AS((static_cast<Trained<Ring<2>, Ref<double>>&>(model).accumulate(
                               Batch::uniform(1, 4, text.tokens.data(), text.targets.data()))),
                           doctest::Contains("0 ranks, expected 2"), error);
    });
  }
}

}  // namespace test_context_parallel
