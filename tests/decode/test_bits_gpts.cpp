// GPT and GPT-NeoX: prompts longer than a prefill chunk, batches, marks, windows.
#include <doctest/doctest.h>

#include <fauna/models/gpt.hpp>
#include <fauna/models/gpt_neox.hpp>

#include "../support/decode_check.hpp"

using namespace fauna;

namespace {

using Long = Gpt<GptConfig{.layers = 2, .heads = 2, .width = 24, .context = 530, .vocab = 27}>;
using Short = Gpt<GptConfig{.layers = 2, .heads = 2, .width = 24, .context = 12, .vocab = 27, .bias = false}>;
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

TEST_CASE_TEMPLATE("gpts: a long prompt has the same bits at once, in chunks and by tokens", P, f32_products,
                   bf16_products) {
  test::check_chunks<Long, P>();
  test::check_chunks<DeepNeoX, P>();
}
TEST_CASE_TEMPLATE("gpts: back to a mark", P, f32_products, bf16_products) {
  test::check_rewind<Long, P>();
  test::check_rewind<NeoX, P>();
}
TEST_CASE_TEMPLATE("gpts: batches of 1 to 16", P, f32_products, bf16_products) {
  test::check_batches<Long, P>();
  test::check_batches<DeepNeoX, P>();
}
TEST_CASE_TEMPLATE("gpts: texts of several windows", P, f32_products, bf16_products) {
  test::check_windows<Short, P>(Short::config.context);
  test::check_windows<NeoX, P>(test::size(20, 9));
}
