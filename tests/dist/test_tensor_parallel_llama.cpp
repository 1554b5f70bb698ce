// As test_tensor_parallel.cpp, of a model whose keys and values have fewer heads, and whose layers have biases and
// gates.
#include <doctest/doctest.h>

#include <fauna/models/llama.hpp>

#include "tensor_parallel_check.hpp"

namespace test_tensor_parallel_llama {

using namespace fauna;

namespace {

using SmallLlama = Llama<LlamaConfig{.layers = 2,
                                     .heads = 4,
                                     .kv_heads = 2,
                                     .head_size = 6,
                                     .width = 16,
                                     .hidden = 20,
                                     .context = 12,
                                     .vocab = 27,
                                     .attention_bias = true}>;

}  // namespace

// What two ranks have beyond the whole: five norms, two biases of sums, and a row that no token has in two tables.
static_assert(2 * parameters<tensor_parallel<SmallLlama, 2>> == parameters<SmallLlama> + (5 + 2 + 2) * 16);

TEST_CASE("tensor parallel: Llama on 2 ranks is the whole one") { test::in_parts::check<SmallLlama, 2>(); }

}  // namespace test_tensor_parallel_llama
