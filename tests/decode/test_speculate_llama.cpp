// Speculation with Llama with grouped key heads, and a GPT that drafts for it.
#include <doctest/doctest.h>

#include <fauna/models/gpt.hpp>

#include "../support/small_llamas.hpp"
#include "../support/speculate_check.hpp"

namespace test_speculate_llama {

using namespace fauna;

namespace {

using Target = test::Untied;
using Small = Gpt<GptConfig{.layers = 1, .heads = 1, .width = 8, .context = 64, .vocab = 13}>;

}  // namespace

TEST_CASE_TEMPLATE("llama: a block has the bits of one row after another", P, f32_products, bf16_products) {
  test::check_blocks<Target, P>();
}
TEST_CASE("llama: every drafter, draft length and way to draw gives plain decoding's ids") {
  test::check_speculation<Target, Small, f32_products>();
}
TEST_CASE("llama: drafts that are taken back leave no trace in the state") {
  test::check_states<Target, f32_products>();
}
TEST_CASE("llama: a cache that is not taken back as it should be shows") {
  test::check_slips<Target>(test::OneRowTooMany{});
}
TEST_CASE("llama: a text that begins as another did has its own logits") { test::check_reader<Target>(); }
TEST_CASE("llama: a step is a pass of the target") { test::check_passes<Target>(); }
TEST_CASE("llama: a draft model that was taken back proposes what a fresh one does") {
  test::check_draft_model<Target>();
}
TEST_CASE("llama: ends of texts at every place of a block") { test::check_ends<Target>(); }

}  // namespace test_speculate_llama
