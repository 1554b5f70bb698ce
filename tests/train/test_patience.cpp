// Early stop: so many evaluations in a row without a new lowest validation loss end a run, resumed or not.
#include <doctest/doctest.h>

#include "../support/runs.hpp"
#include "../support/temporary.hpp"

namespace test_patience {

using namespace fauna;
using test::both, test::short_run, test::Small, test::text;

namespace {

/// Evaluates all of the text before updates 0, 2, 4, ...
TrainOptions patient(std::string const& out, double lr, long patience) {
  TrainOptions o = short_run(out);
  o.steps = 12;
  o.schedule = Constant{.lr = lr};
  o.eval_interval = 2;
  o.eval_batches = 0;
  o.patience = patience;
  return o;
}

}  // namespace

TEST_CASE("a loss that does not fall ends the run at the evaluation that patience names") {
  const TemporaryFolder folder;
  for (const long patience : {1L, 3L}) {
    const std::string out = folder / std::to_string(patience);
    Small model(seed{3});
    CHECK(train(model, both(), patient(out, 0, patience), text().alphabet()).iterations == 2 * patience);
    CHECK(read_checkpoint_head(out + "/last.safetensors").progress.iteration == 2 * patience);
    // Gone on with, it is where it was; with more patience it goes on.
    TrainOptions o = patient(out, 0, patience);
    o.resume = out + "/last.safetensors";
    Small again(seed{3});
    CHECK(train(again, both(), o, text().alphabet()).iterations == 2 * patience);
    o.patience = patience + 1;
    Small further(seed{3});
    CHECK(train(further, both(), o, text().alphabet()).iterations == 2 * patience + 2);
  }
  Small model(seed{3});
  CHECK(train(model, both(), patient("", 0, 0), text().alphabet()).iterations == 13);
}

TEST_CASE("a loss that falls ends nothing") {
  Small model(seed{3});
  CHECK(train(model, both(), patient("", 1e-3, 1), text().alphabet()).iterations == 13);
}

}  // namespace test_patience
