// As test_pipeline_tied.cpp, of a model in as many stages as it has layers but one.
#include <doctest/doctest.h>

#include <fauna/models/gpt.hpp>

#include "pipeline_check.hpp"

namespace test_pipeline_gpt {

using namespace fauna;

namespace {

using SmallGpt = Gpt<GptConfig{.layers = 5, .heads = 2, .width = 12, .context = 12, .vocab = 27, .bias = false}>;

}  // namespace

TEST_CASE("pipeline: Gpt in 4 stages is the whole one") {
  test::in_stages::check<SmallGpt, 4>(test::in_stages::plain_schedules);
}

}  // namespace test_pipeline_gpt
