// As test_pipeline_tied.cpp, of ranks that have two stages each, there and back.
#include <doctest/doctest.h>

#include <fauna/models/llama.hpp>

#include "pipeline_check.hpp"

namespace test_pipeline_there_and_back {

using namespace fauna;
using namespace test::in_stages;

namespace {

using SmallLlama = Llama<LlamaConfig{
    .layers = 5, .heads = 2, .kv_heads = 1, .head_size = 6, .width = 12, .hidden = 16, .context = 12, .vocab = 27}>;

}  // namespace

TEST_CASE("pipeline: Llama on 2 ranks there and back is the whole one") {
  check<SmallLlama, 2, 2, stage_order::v>({pipeline_schedule::zbv, pipeline_schedule::dual_pipe_v}, 4);
}

}  // namespace test_pipeline_there_and_back
