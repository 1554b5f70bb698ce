// Trees of drafts with Mamba, whose state goes back to a copy and reads the branch again.
#include <doctest/doctest.h>

#include <fauna/models/llama.hpp>
#include <fauna/models/mamba.hpp>
#include <fauna/models/mamba2.hpp>

#include "../support/small_llamas.hpp"
#include "../support/tree_check.hpp"

namespace test_trees_mamba {

using namespace fauna;

namespace {

using Target = Mamba<MambaConfig{.layers = 2, .width = 12, .inner = 24, .states = 5, .rank = 2, .vocab = 13}>;
using Small = test::Untied;
/// Which reads in chunks, but for few rows and trees.
using InChunks =
    Mamba2<Mamba2Config{.layers = 2, .width = 24, .heads = 6, .head_size = 8, .states = 5, .groups = 2, .vocab = 13}>;

}  // namespace

TEST_CASE_TEMPLATE("mamba: a tree's rows are their paths', a branch that stays is a text", P, f32_products,
                   bf16_products) {
  test::check_tree_rows<Target, P>();
}
TEST_CASE("mamba: trees of every drafter give plain decoding's ids") { test::check_tree_speculation<Target, Small>(); }
TEST_CASE("mamba2: a tree's rows are their paths', a branch that stays is a text") {
  test::check_tree_rows<InChunks, f32_products>();
}

}  // namespace test_trees_mamba
