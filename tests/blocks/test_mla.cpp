// Multi-head latent attention: backward against dual numbers, against attention over keys and values that are spelt
// out, and a row at a time.
#include <doctest/doctest.h>

#include <fauna/blocks/spelt_mla.hpp>
#include <fauna/core/ledger.hpp>
#include <fauna/ops/ref.hpp>

#include "../support/gradients.hpp"

namespace test_mla {

namespace {

using namespace fauna;
using test::check, test::W;
constexpr MlaSizes small{.heads = 3, .rank = 5, .nope = 3, .rope = 2, .value = 4};
constexpr MlaSizes ranked{.heads = 2, .query_rank = 4, .rank = 3, .nope = 2, .rope = 4, .value = 3, .scale = 0.7};
constexpr MlaSizes unturned{.heads = 2, .rank = 3, .nope = 2, .rope = 2, .value = 3, .turned = false};

}  // namespace

TEST_SUITE("mla") {
  TEST_CASE_TEMPLATE("gradients", Block, Mla<W, small>, Mla<W, unturned>,
                     Mla<W, ranked, RopeShape{.base = 20, .pairs = rope_pairs::interleaved}>, LatentAttention<small>,
                     SpeltMla<W, small>, SpeltMla<W, ranked, RopeShape{.base = 20, .pairs = rope_pairs::interleaved}>,
                     SpeltHeads<small>) {
    check<Block>();
  }

  TEST_CASE("a cached row is a latent and one rotated key, whatever the number of heads") {
    static_assert(state_bytes<Mla<W, small>>({.sequences = 1, .context = 32}) == 32 * 7 * sizeof(float));
    static_assert(count_parameters<Mla<W, small>>() == W * 15 + W * 7 + 5 + 3 * 7 * 5 + 12 * W);
  }
}

}  // namespace test_mla
