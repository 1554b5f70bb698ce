// Several texts with drafts in one pass, of keys and values before f32 and bf16 products, by every drafter.
#include <doctest/doctest.h>

#include <fauna/models/gpt.hpp>
#include <fauna/models/mamba.hpp>

#include "../support/batch_check.hpp"

namespace test_speculate_batch_gpt {

using namespace fauna;

namespace {

using Model = Gpt<GptConfig{.layers = 2, .heads = 2, .width = 16, .context = 64, .vocab = 13, .bias = true}>;
using Small = Mamba<MambaConfig{.layers = 1, .width = 8, .inner = 16, .states = 3, .rank = 1, .vocab = 13}>;

}  // namespace

TEST_CASE_TEMPLATE("batches: every text is its own, by every drafter, length and way to draw", P, f32_products,
                   bf16_products) {
  test::check_batches_of_drafts<Model, Small, P>();
}

}  // namespace test_speculate_batch_gpt
