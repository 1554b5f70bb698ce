// Speculation with Mamba, and a Llama that drafts for it.
#include <doctest/doctest.h>

#include <fauna/models/llama.hpp>
#include <fauna/models/mamba.hpp>

#include "../support/small_llamas.hpp"
#include "../support/speculate_check.hpp"

namespace test_speculate_mamba {

using namespace fauna;

namespace {

using Target = Mamba<MambaConfig{.layers = 2, .width = 12, .inner = 24, .states = 5, .rank = 2, .vocab = 13}>;
using Attending = test::Untied;

}  // namespace

TEST_CASE_TEMPLATE("mamba: a block has the bits of one row after another", P, f32_products, bf16_products) {
  test::check_blocks<Target, P>();
}
TEST_CASE("mamba: every drafter, draft length and way to draw gives plain decoding's ids") {
  test::check_speculation<Target, Attending, f32_products>();
}
TEST_CASE("mamba: drafts that are taken back leave no trace in the state") {
  test::check_states<Target, f32_products>();
}
TEST_CASE("mamba: a cache that is not taken back as it should be shows") {
  test::check_slips<Target>(test::StatesStay{});
  test::check_slips<Target>(test::StatesStay{0, 0.1});  // of one layer's convolution
}
TEST_CASE("mamba: a text that begins as another did has its own logits") { test::check_reader<Target>(); }
TEST_CASE("mamba: a step is a pass of the target") { test::check_passes<Target>(); }
TEST_CASE("mamba: a draft model that was taken back proposes what a fresh one does") {
  test::check_draft_model<Target>();
}
TEST_CASE("mamba: ends of texts at every place of a block") { test::check_ends<Target>(); }

}  // namespace test_speculate_mamba
