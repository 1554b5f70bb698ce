// Speculation with GPT, and a Mamba that drafts for it.
#include <doctest/doctest.h>

#include <fauna/models/gpt.hpp>
#include <fauna/models/mamba.hpp>

#include "../support/speculate_check.hpp"

namespace test_speculate_gpt {

using namespace fauna;

namespace {

using Target = Gpt<GptConfig{.layers = 2, .heads = 2, .width = 16, .context = 64, .vocab = 13, .bias = true}>;
using Recurrent = Mamba<MambaConfig{.layers = 1, .width = 8, .inner = 16, .states = 3, .rank = 1, .vocab = 13}>;

}  // namespace

TEST_CASE_TEMPLATE("gpt: a block has the bits of one row after another", P, f32_products, bf16_products) {
  test::check_blocks<Target, P>();
}
TEST_CASE("gpt: every drafter, draft length and way to draw gives plain decoding's ids") {
  test::check_speculation<Target, Recurrent, f32_products>();
}
TEST_CASE("gpt: drafts that are taken back leave no trace in the state") { test::check_states<Target, f32_products>(); }
TEST_CASE("gpt: a cache that is not taken back as it should be shows") {
  test::check_slips<Target>(test::OneRowTooMany{});
}
TEST_CASE("gpt: a text that begins as another did has its own logits") { test::check_reader<Target>(); }
TEST_CASE("gpt: a step is a pass of the target") { test::check_passes<Target>(); }
TEST_CASE("gpt: a draft model that was taken back proposes what a fresh one does") {
  test::check_draft_model<Target>();
}
TEST_CASE("gpt: ends of texts at every place of a block") { test::check_ends<Target>(); }

}  // namespace test_speculate_gpt
