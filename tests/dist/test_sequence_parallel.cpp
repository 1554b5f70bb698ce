// A model in tensor parallel of which ranks, threads here, have some rows each between the parts that are cut, is the
// whole one: losses, every gradient and weights after ten updates in double to 1e-12. What is sent is what the formulas
// say.
#include <doctest/doctest.h>

#include <fauna/dist/counting.hpp>

#include "sequence_parallel_check.hpp"

namespace test_sequence_parallel {

using namespace fauna;
using namespace test::in_rows;

TEST_SUITE("sequence_parallel") {
  TEST_CASE("Gpt on 2 ranks is the whole one") { check<SmallGpt, 2>(); }

  TEST_CASE("a norm's sum that is forgotten is seen by these comparisons") {
    BatchMemory text = some_text();
    Alone<SmallGpt> whole(seed{5}, 1);
    whole.prepare_training({.sequences = batch, .length = context});
    whole.accumulate(text.batch());
    test::on_ranks(2, [&](ThreadRank& rank) {
      RowShare<SmallGpt, 2> model(seed{5}, 1);
      take_part(model, Alone<SmallGpt>(seed{5}, 1), rank.rank());
      model.prepare_training({.sequences = batch, .length = context});
      const Joined joined(model, rank);
      model.accumulate(text.batch());
      const char* norm = "transformer.h.0.ln_1.weight";
      const auto off = [&](std::string const& name) {
        double most = 0;
        auto const found = model.gradient(model.parameter(name)), want = whole.gradient(whole.parameter(name));
        for (std::size_t i = 0; i < found.size(); ++i)
          most = std::fmax(most, std::fabs(found.data()[i] - want.data()[i]));
        return most;
      };
      if (off(norm) < 1e-6) throw std::runtime_error("the norm's gradient is not of a rank's own rows");
      add_shares(model, rank);
      require(off(norm), norm);
    });
  }

  TEST_CASE("a pass moves the bytes that the formulas say, those of sums that are gathered and scattered") {
    test::on_ranks(2, [](ThreadRank& rank) {
      Counting counting(rank);
      RowShare<SmallGpt, 2> model(seed{5}, 1);
      model.prepare_training({.sequences = batch, .length = context});
      BatchMemory text = some_text();
      const Joined joined(model, counting);
      model.accumulate(text.batch());
      // Half of the rows, each: of the table's, twice forward and twice backward around each of four parts, of the
      // head's twice, and of the table's gradient; two numbers a row of the loss, a maximum a row, and the factor.
      const std::size_t want = 8 * (rows / 2 * 24 * (1 + 4 * 4 + 2 + 1) + rows * 2 + rows + 1);
      if (counting.bytes() != want)
        throw std::runtime_error(std::to_string(counting.bytes()) + " bytes, not " + std::to_string(want));
    });
  }

  TEST_CASE("training keeps fewer activations than tensor parallel") {
    using M = Gpt<GptConfig{.layers = 2, .heads = 4, .width = 64, .context = 12, .vocab = 27}>;
    CHECK(plan<sequence_parallel<M, 4>, Ref<double>>({.sequences = 4, .length = 2}).saved <
          plan<tensor_parallel<M, 4>, Ref<double>>({.sequences = 4, .length = 8}).saved);
  }

  TEST_CASE("sequences that do not divide are refused") {
    RowShare<SmallGpt, 2> model(seed{5}, 1);
    CHECK_THROWS_WITH_AS(model.prepare_training({.sequences = 1, .length = 7}),
                         doctest::Contains("sequences of 7 rows, expected a multiple of the 2 ranks"), error);
  }
}

}  // namespace test_sequence_parallel
