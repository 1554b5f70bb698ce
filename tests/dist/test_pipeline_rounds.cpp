// As test_pipeline_tied.cpp, of ranks that have several stages each, in a loop or there and back.
#include <doctest/doctest.h>

#include <fauna/models/gpt.hpp>
#include <fauna/models/llama.hpp>

#include "pipeline_check.hpp"

namespace test_pipeline_rounds {

using namespace fauna;
using namespace test::in_stages;

namespace {

using SmallGpt = Gpt<GptConfig{.layers = 5, .heads = 2, .width = 12, .context = 12, .vocab = 27, .dropout = 0.2F}>;
using SmallLlama = Llama<LlamaConfig{
    .layers = 5, .heads = 2, .kv_heads = 1, .head_size = 6, .width = 12, .hidden = 16, .context = 12, .vocab = 27}>;

}  // namespace

TEST_SUITE("pipeline") {
  TEST_CASE("Gpt on 2 ranks of two stages in a loop is the whole one") {
    check<SmallGpt, 2, 2>({pipeline_schedule::interleaved, pipeline_schedule::zb1p}, 4);
  }
  TEST_CASE("Gpt on 2 ranks there and back has one table") {
    check<SmallGpt, 2, 2, stage_order::v>({pipeline_schedule::zbv}, 4);
  }
  TEST_CASE("Llama on 2 ranks there and back is the whole one") {
    check<SmallLlama, 2, 2, stage_order::v>({pipeline_schedule::zbv, pipeline_schedule::dual_pipe_v}, 4);
  }
}

}  // namespace test_pipeline_rounds
