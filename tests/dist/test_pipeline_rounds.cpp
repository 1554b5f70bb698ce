// As test_pipeline_tied.cpp, of ranks that have several stages each, in turns.
#include <doctest/doctest.h>

#include <fauna/models/gpt.hpp>

#include "pipeline_check.hpp"

namespace test_pipeline_rounds {

using namespace fauna;
using namespace test::in_stages;

namespace {

using SmallGpt = Gpt<GptConfig{.layers = 5, .heads = 2, .width = 12, .context = 12, .vocab = 27, .dropout = 0.2F}>;

}  // namespace

TEST_CASE("pipeline: Gpt on 2 ranks of two stages in a loop is the whole one") {
  check<SmallGpt, 2, 2>({pipeline_schedule::interleaved, pipeline_schedule::zb1p}, 4);
}

}  // namespace test_pipeline_rounds
