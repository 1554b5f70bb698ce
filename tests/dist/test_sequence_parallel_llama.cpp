// As test_sequence_parallel.cpp, of a Llama.
#include <fauna/models/llama.hpp>

#include "sequence_parallel_check.hpp"

namespace test_sequence_parallel_llama {

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

TEST_CASE("sequence parallel: Llama on 2 ranks is the whole one") { test::in_rows::check<SmallLlama, 2>(); }

}  // namespace test_sequence_parallel_llama
