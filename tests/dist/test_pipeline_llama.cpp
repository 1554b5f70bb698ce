// As test_pipeline_tied.cpp, of a model whose head is a matrix of its own.
#include <doctest/doctest.h>

#include <fauna/models/llama.hpp>

#include "pipeline_check.hpp"

namespace test_pipeline_llama {

using namespace fauna;

namespace {

using SmallLlama = Llama<LlamaConfig{
    .layers = 3, .heads = 2, .kv_heads = 1, .head_size = 6, .width = 12, .hidden = 16, .context = 12, .vocab = 27}>;

}  // namespace

TEST_CASE("pipeline: Llama in 2 stages is the whole one") {
  test::in_stages::check<SmallLlama, 2>(test::in_stages::plain_schedules, 2);
}

}  // namespace test_pipeline_llama
