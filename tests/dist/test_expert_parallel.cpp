// A model whose experts lie on several ranks, which are threads here, is the one of one rank: losses, every gradient
// and weights after ten updates in double to 1e-12.
#include <doctest/doctest.h>

#include <fauna/models/mixtral.hpp>

#include "expert_parallel_check.hpp"

namespace test_expert_parallel {

using namespace fauna;
using namespace test::dealt_experts;
using test::ThreadRank;

namespace {

using Small = Mixtral<MixtralConfig{.layers = 2,
                                    .heads = 2,
                                    .kv_heads = 1,
                                    .head_size = 4,
                                    .width = 8,
                                    .hidden = 8,
                                    .experts = 4,
                                    .context = 16,
                                    .vocab = 27,
                                    .balance = 0.5F}>;
static_assert(parameters<expert_parallel<Small, 2>> == parameters<Small> - 2 * 2 * 3 * 8 * 8);
constexpr auto as_drawn = [](auto&) {};

}  // namespace

TEST_SUITE("expert_parallel") {
  TEST_CASE("Mixtral on 1, 2 and 4 ranks is that of one") {
    check_pass<Small, 1>(as_drawn);
    check_pass<Small, 2>(as_drawn);
    check_pass<Small, 4>(as_drawn);
  }
  TEST_CASE("its updates are, on one copy of the experts and on two, and so are checkpoints") {
    check_run<Small, 2>(1);
    check_run<Small, 2>(2);
  }
  TEST_CASE("a model is for as many ranks as its type says") {
    test::on_ranks(2, [](ThreadRank& rank) {
      using Other = Part<Small, 4>;
      CHECK_THROWS_WITH_AS(Other(rank, seed{5}, 1), doctest::Contains("2 ranks, expected 4"), error);
      BatchMemory text = some_text();
      Part<Small, 2> model(rank, seed{5}, 1);
      model.prepare_training({.sequences = 1, .length = context});
      model.join(nullptr);
      CHECK_THROWS_WITH_AS(model.accumulate(own(text, 0, 5)), doctest::Contains("0 ranks, expected 2"), error);
    });
  }
}

}  // namespace test_expert_parallel
