// As test_mesh.cpp, of a model with a head of its own: copies in tensor parallel parts that share weights, and copies
// of a pipeline with a batch more on one of them.
#include <fauna/models/llama.hpp>

#include "mesh_check.hpp"

namespace test_mesh_llama {

using namespace fauna;
using namespace test::in_mesh;
using test::ThreadRank;

namespace {

using SmallLlama = Llama<LlamaConfig{
    .layers = 3, .heads = 2, .kv_heads = 2, .head_size = 6, .width = 12, .hidden = 16, .context = 12, .vocab = 27}>;

}  // namespace

TEST_SUITE("mesh") {
  TEST_CASE("copies of Llama in two tensor parallel parts share its weights") {
    check_parts<TensorParallel<ThreadRank, DataParallel<ThreadRank, 3>>>(
        Plain<SmallLlama>(3), 4, [] { return test::in_parts::Part<SmallLlama, 2>(seed{5}, 1); });
  }
  TEST_CASE("copies of Llama in two stages share moments") {
    check_stages<DataParallel<ThreadRank, 1>>(Plain<SmallLlama>(3), 4, pipeline_schedule::zb1p);
  }
}

}  // namespace test_mesh_llama
