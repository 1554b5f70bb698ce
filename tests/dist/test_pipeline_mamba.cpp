// As test_pipeline_tied.cpp, of a recurrent model.
#include <doctest/doctest.h>

#include <fauna/models/mamba.hpp>

#include "pipeline_check.hpp"

namespace test_pipeline_mamba {

using namespace fauna;

namespace {

using SmallMamba = Mamba<MambaConfig{.layers = 4, .width = 8, .inner = 16, .states = 4, .rank = 2, .vocab = 27}>;

}  // namespace

TEST_CASE("pipeline: Mamba in 3 stages is the whole one") {
  test::in_stages::check<SmallMamba, 3>(test::in_stages::plain_schedules);
}

}  // namespace test_pipeline_mamba
