// A model whose layers lie on several ranks is the whole one: losses, every gradient, weights after ten updates and
// checkpoints, in double to 1e-12; with a table that the first and the last stage have, and dropout.
#include <doctest/doctest.h>

#include <fauna/models/gpt.hpp>

#include "pipeline_check.hpp"

namespace test_pipeline_tied {

using namespace fauna;

namespace {

using SmallGpt = Gpt<GptConfig{.layers = 5, .heads = 2, .width = 12, .context = 12, .vocab = 27, .dropout = 0.2F}>;

}  // namespace

TEST_CASE("pipeline: Gpt in 3 stages, with fewer batches, is the whole one") {
  test::in_stages::check<SmallGpt, 3>(test::in_stages::plain_schedules, 2);
}

}  // namespace test_pipeline_tied
