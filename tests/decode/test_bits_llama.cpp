// Llama, tied and untied, with grouped key heads: prompts longer than a prefill chunk, batches, marks, windows.
#include <doctest/doctest.h>

#include "../support/decode_check.hpp"
#include "../support/small_llamas.hpp"

namespace test_bits_llama {

using namespace fauna;

namespace {

/// With products deeper than a block of k, and an odd depth.
using Tied = Llama<[] {
  auto c = test::Tied::config;
  c.hidden = 1100;
  c.context = 530;
  return c;
}()>;
using Untied = Llama<[] {
  auto c = test::Untied::config;
  c.hidden = 1101;
  c.context = 530;
  return c;
}()>;

}  // namespace

TEST_CASE_TEMPLATE("llama: a long prompt has the same bits at once, in chunks and by tokens", P, f32_products,
                   bf16_products) {
  test::check_chunks<Tied, P>();
  test::check_chunks<Untied, P>();
}
TEST_CASE_TEMPLATE("llama: back to a mark", P, f32_products, bf16_products) {
  test::check_rewind<Tied, P>();
  test::check_rewind<Untied, P>();
}
TEST_CASE_TEMPLATE("llama: batches of 1 to 16", P, f32_products, bf16_products) {
  test::check_batches<Tied, P>();
  test::check_batches<Untied, P>();
}
TEST_CASE_TEMPLATE("llama: texts of several windows", P, f32_products, bf16_products) {
  test::check_windows<Tied, P>(test::size(20, 8));
  test::check_windows<Untied, P>(test::size(40, 11));
}

}  // namespace test_bits_llama
