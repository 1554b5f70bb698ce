// Trees of drafts with Llama with grouped key heads and rotated keys.
#include <doctest/doctest.h>

#include <fauna/models/gpt.hpp>

#include "../support/small_llamas.hpp"
#include "../support/tree_check.hpp"

namespace test_trees_llama {

using namespace fauna;

namespace {

using Target = test::Untied;
using Small = Gpt<GptConfig{.layers = 1, .heads = 1, .width = 8, .context = 64, .vocab = 13}>;

}  // namespace

TEST_CASE_TEMPLATE("llama: a tree's rows are their paths', a branch that stays is a text", P, f32_products,
                   bf16_products) {
  test::check_tree_rows<Target, P>();
}
TEST_CASE("llama: trees of every drafter give plain decoding's ids") { test::check_tree_speculation<Target, Small>(); }

}  // namespace test_trees_llama
