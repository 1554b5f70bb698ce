// Trees of drafts in caches of other kinds: latent rows with experts behind them, and windows, which count along a
// row's own branch.
#include <doctest/doctest.h>

#include <fauna/models/deepseek.hpp>
#include <fauna/models/gpt.hpp>
#include <fauna/models/mistral.hpp>

#include "../support/tree_check.hpp"

namespace test_trees_caches {

using namespace fauna;

namespace {

using Latent = DeepseekV2<DeepseekV2Config{
    {.layers = 2, .heads = 4, .width = 16, .hidden = 24, .context = 64, .vocab = 13},
    {.experts = 6, .chosen = 3, .expert_hidden = 12, .shared_hidden = 24, .dense = 1, .groups = 3, .kept_groups = 2},
    {.query_rank = 0, .rank = 12, .nope = 6, .rope = 4, .value = 5}}>;
constexpr MistralConfig windows(int context) {
  return {.layers = 2,
          .heads = 4,
          .kv_heads = 2,
          .head_size = 8,
          .width = 16,
          .hidden = 24,
          .context = context,
          .vocab = 13,
          .window = 5,
          .full_every = unbounded};
}
using Window = Mistral<windows(64)>;
using Longer = Mistral<windows(448)>;
static_assert(state_bytes<Longer>(Shape{.context = 448}) ==
              state_bytes<Longer>(Shape{.context = 192}));  // rings of 192
using Small = Gpt<GptConfig{.layers = 1, .heads = 1, .width = 8, .context = 64, .vocab = 13}>;

}  // namespace

TEST_CASE("latent rows: a tree's rows are their paths', a branch that stays is a text") {
  test::check_tree_rows<Latent, f32_products>();
}
TEST_CASE("windows: a tree's rows are their paths', a branch that stays is a text") {
  test::check_tree_rows<Window, f32_products>();
  test::check_tree_rows<Longer, f32_products, 448>();
}
TEST_CASE("windows: trees of every drafter give plain decoding's ids") {
  test::check_tree_speculation<Window, Small>();
}

}  // namespace test_trees_caches
