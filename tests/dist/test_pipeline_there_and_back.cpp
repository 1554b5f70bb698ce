// As test_pipeline_tied.cpp, of ranks that have two stages each, there and back: the first one has the one table.
#include <doctest/doctest.h>

#include <fauna/models/gpt.hpp>

#include "pipeline_check.hpp"

namespace test_pipeline_there_and_back {

using namespace fauna;
using namespace test::in_stages;

namespace {

using SmallGpt = Gpt<GptConfig{.layers = 5, .heads = 2, .width = 12, .context = 12, .vocab = 27, .dropout = 0.2F}>;

}  // namespace

TEST_CASE("pipeline: Gpt on 2 ranks there and back is the whole one") {
  check<SmallGpt, 2, 2, stage_order::v>({pipeline_schedule::zbv, pipeline_schedule::dual_pipe_v}, 4);
}

}  // namespace test_pipeline_there_and_back
