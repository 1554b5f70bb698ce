// GPT-NeoX: prompts longer than a prefill chunk, batches, marks, windows.
#include <doctest/doctest.h>

#include <fauna/models/gpt_neox.hpp>

#include "../support/decode_check.hpp"

namespace test_bits_gpt_neox {

using namespace fauna;

namespace {

constexpr GptNeoXConfig small{
    .layers = 2, .heads = 2, .width = 24, .hidden = 40, .context = 530, .vocab = 29, .rotary = 4};
using NeoX = GptNeoX<small>;
/// With products deeper than a block of k.
using DeepNeoX = GptNeoX<[] {
  auto c = small;
  c.hidden = 1100;
  return c;
}()>;

}  // namespace

TEST_CASE_TEMPLATE("gpt_neox: a long prompt has the same bits at once, in chunks and by tokens", P, f32_products,
                   bf16_products) {
  test::check_chunks<DeepNeoX, P>();
}
TEST_CASE_TEMPLATE("gpt_neox: back to a mark", P, f32_products, bf16_products) { test::check_rewind<NeoX, P>(); }
TEST_CASE_TEMPLATE("gpt_neox: batches of 1 to 16", P, f32_products, bf16_products) {
  test::check_batches<DeepNeoX, P>();
}
TEST_CASE_TEMPLATE("gpt_neox: texts of several windows", P, f32_products, bf16_products) {
  test::check_windows<NeoX, P>(test::size(20, 9));
}

}  // namespace test_bits_gpt_neox
