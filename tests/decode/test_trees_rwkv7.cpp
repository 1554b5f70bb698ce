// Trees of drafts with RWKV-7, whose state is a matrix and two token shifts.
#include <doctest/doctest.h>

#include <fauna/models/mamba.hpp>
#include <fauna/models/rwkv7.hpp>

#include "../support/tree_check.hpp"

namespace test_trees_rwkv7 {

using namespace fauna;

namespace {

using Target = Rwkv7<Rwkv7Config{
    .layers = 2, .heads = 2, .width = 16, .hidden = 24, .decay = 4, .learning = 3, .value = 2, .gate = 5, .vocab = 13}>;
using Small = Mamba<MambaConfig{.layers = 1, .width = 8, .inner = 16, .states = 3, .rank = 1, .vocab = 13}>;

}  // namespace

TEST_CASE_TEMPLATE("rwkv7: a tree's rows are their paths', a branch that stays is a text", P, f32_products,
                   bf16_products) {
  test::check_tree_rows<Target, P>();
}
TEST_CASE("rwkv7: trees of every drafter give plain decoding's ids") { test::check_tree_speculation<Target, Small>(); }

}  // namespace test_trees_rwkv7
