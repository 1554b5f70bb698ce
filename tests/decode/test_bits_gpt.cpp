// GPT: prompts longer than a prefill chunk, batches, marks, windows.
#include <doctest/doctest.h>

#include <fauna/models/gpt.hpp>

#include "../support/decode_check.hpp"

namespace test_bits_gpt {

using namespace fauna;

namespace {

using Long = Gpt<GptConfig{.layers = 2, .heads = 2, .width = 24, .context = 530, .vocab = 27}>;
using Short = Gpt<GptConfig{.layers = 2, .heads = 2, .width = 24, .context = 12, .vocab = 27, .bias = false}>;

}  // namespace

TEST_CASE_TEMPLATE("gpt: a long prompt has the same bits at once, in chunks and by tokens", P, f32_products,
                   bf16_products) {
  test::check_chunks<Long, P>();
}
TEST_CASE_TEMPLATE("gpt: back to a mark", P, f32_products, bf16_products) { test::check_rewind<Long, P>(); }
TEST_CASE_TEMPLATE("gpt: batches of 1 to 16", P, f32_products, bf16_products) { test::check_batches<Long, P>(); }
TEST_CASE_TEMPLATE("gpt: texts of several windows", P, f32_products, bf16_products) {
  test::check_windows<Short, P>(Short::config.context);
}

}  // namespace test_bits_gpt
