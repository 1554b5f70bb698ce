// Speculation with RWKV-7, whose state is a matrix, two token shifts and no position, and a Mamba that drafts for it.
#include <doctest/doctest.h>

#include <fauna/models/mamba.hpp>
#include <fauna/models/rwkv7.hpp>

#include "../support/speculate_check.hpp"

namespace test_speculate_rwkv7 {

using namespace fauna;

namespace {

using Target = Rwkv7<Rwkv7Config{
    .layers = 2, .heads = 2, .width = 16, .hidden = 24, .decay = 4, .learning = 3, .value = 2, .gate = 5, .vocab = 13}>;
using Recurrent = Mamba<MambaConfig{.layers = 1, .width = 8, .inner = 16, .states = 3, .rank = 1, .vocab = 13}>;

}  // namespace

TEST_CASE_TEMPLATE("rwkv7: a block has the bits of one row after another", P, f32_products, bf16_products) {
  test::check_blocks<Target, P>();
}
TEST_CASE("rwkv7: every drafter, draft length and way to draw gives plain decoding's ids") {
  test::check_speculation<Target, Recurrent, f32_products>();
}
TEST_CASE("rwkv7: drafts that are taken back leave no trace in the state") {
  test::check_states<Target, f32_products>();
}
TEST_CASE("rwkv7: a cache that is not taken back as it should be shows") {
  test::check_slips<Target>(test::StatesStay{});
  test::check_slips<Target>(test::StatesStay{0, 0.03});  // of one layer's token shift
}
TEST_CASE("rwkv7: a text that begins as another did has its own logits") { test::check_reader<Target>(); }
TEST_CASE("rwkv7: a draft model that was taken back proposes what a fresh one does") {
  test::check_draft_model<Target>();
}
TEST_CASE("rwkv7: ends of texts at every place of a block") { test::check_ends<Target>(); }

}  // namespace test_speculate_rwkv7
