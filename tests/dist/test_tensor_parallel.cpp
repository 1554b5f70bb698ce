// A model whose tensors lie on several ranks, which are threads here, is the whole one: losses, every gradient, logits
// and weights after ten updates in double to 1e-12. What is sent is what the formulas say.
#include <doctest/doctest.h>

#include <fauna/dist/counting.hpp>
#include <fauna/models/gpt.hpp>

#include "tensor_parallel_check.hpp"

namespace test_tensor_parallel {

using namespace fauna;
using namespace test::in_parts;
using test::ThreadRank;

namespace {

using SmallGpt = Gpt<GptConfig{.layers = 2, .heads = 4, .width = 24, .context = 12, .vocab = 27}>;
}  // namespace

TEST_SUITE("tensor_parallel") {
  TEST_CASE("a part has its share of what is counted") {
    static_assert(parameters<tensor_parallel<SmallGpt, 2>> < parameters<SmallGpt> * 6 / 10);
    CHECK(Part<SmallGpt, 4>(seed{1}, 1).parameter("transformer.h.1.attn.c_attn.weight").rows == 18);
  }
  TEST_CASE("Gpt on 1, 2 and 4 ranks is the whole one") {
    check<SmallGpt, 1>();
    check<SmallGpt, 2>();
    check<SmallGpt, 4>();
  }

  TEST_CASE("a pass moves the bytes that the formulas say") {
    test::on_ranks(2, [](ThreadRank& rank) {
      Counting counting(rank);
      Part<SmallGpt, 2> model(seed{5}, 1);
      model.prepare_training({.sequences = batch, .length = context});
      BatchMemory text(batch, context);
      text.draw(test::both().train, Key{1, 2}, 0);
      const auto group = group_of<double>(counting);
      model.join(&group);
      model.accumulate(text.batch());
      // Halves of sums go out, and sums of halves: of the table's rows, four times in each layer, of the head's dx; two
      // numbers a row of the loss; and a maximum a row.
      const std::size_t want = 8 * (rows * 24 * (1 + 4 * 2 + 1) + rows * 2 + rows);
      if (counting.bytes() != want)
        throw std::runtime_error(std::to_string(counting.bytes()) + " bytes, not " + std::to_string(want));
    });
  }

  TEST_CASE("a sum that is forgotten is seen by these comparisons") {
    std::vector<double> losses(2);
    test::on_ranks(2, [&](ThreadRank& rank) {
      Part<SmallGpt, 2> model(seed{5}, 1);
      take_part(model, Alone<SmallGpt>(seed{5}, 1), rank.rank());
      model.prepare_training({.sequences = batch, .length = context});
      BatchMemory text(batch, context);
      text.draw(test::both().train, Key{1, 2}, 0);
      auto group = group_of<double>(rank);
      group.sum = [](void*, double*, std::size_t) {};
      model.join(&group);
      losses[static_cast<std::size_t>(rank.rank())] = model.accumulate(text.batch());
    });
    BatchMemory text(batch, context);
    text.draw(test::both().train, Key{1, 2}, 0);
    Alone<SmallGpt> whole(seed{5}, 1);
    whole.prepare_training({.sequences = batch, .length = context});
    CHECK(std::fabs(losses[0] - whole.accumulate(text.batch())) > 1e-6);
  }

  TEST_CASE("a model in parts does not run alone") {
    Part<SmallGpt, 2> model(seed{5}, 1);
    model.prepare_training({.sequences = batch, .length = context});
    BatchMemory text(batch, context);
    text.draw(test::both().train, Key{1, 2}, 0);
    CHECK_THROWS_WITH_AS(model.accumulate(text.batch()), doctest::Contains("0 ranks, expected 2"), error);
  }
}

}  // namespace test_tensor_parallel
