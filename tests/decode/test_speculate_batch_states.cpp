// Several texts with drafts in one pass, of models whose state has one size: each goes back to its own copy.
#include <doctest/doctest.h>

#include <fauna/models/mamba.hpp>
#include <fauna/models/rwkv7.hpp>

#include "../support/batch_check.hpp"

namespace test_speculate_batch_states {

using namespace fauna;

namespace {

using SmallMamba = Mamba<MambaConfig{.layers = 2, .width = 12, .inner = 24, .states = 5, .rank = 2, .vocab = 13}>;
using SmallRwkv = Rwkv7<Rwkv7Config{
    .layers = 2, .heads = 2, .width = 16, .hidden = 24, .decay = 4, .learning = 3, .value = 2, .gate = 5, .vocab = 13}>;

}  // namespace

TEST_CASE_TEMPLATE("batches: states are taken back one by one", M, SmallMamba, SmallRwkv) {
  test::check_batches_of_drafts<M, SmallMamba, f32_products>();
}

}  // namespace test_speculate_batch_states
