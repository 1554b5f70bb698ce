// RWKV-5's and 6's blocks: backward against dual numbers, and rows in any pieces as all at once.
#include <doctest/doctest.h>

#include <fauna/blocks/rwkv6.hpp>
#include <fauna/compose/residual.hpp>
#include <fauna/ops/ref.hpp>

#include "../support/gradients.hpp"

namespace test_rwkv6 {

namespace {

using namespace fauna;
using test::check, test::W;
constexpr Epsilon e{1e-3F};

}  // namespace

TEST_SUITE("rwkv6") {
  TEST_CASE_TEMPLATE("gradients", Block, RwkvHeadNorm<W, 2, 3, e>, Wkv6Core<4, 2, 2, true>, Wkv6Core<W, 2, 1, false>,
                     Rwkv6Shift<5, 2, 2>, Rwkv5TimeMix<4, 2, 2, e>,
                     Residual<Rwkv6TimeMix<4, 2, Rwkv6Ranks{2, 3}, 2, e>>, Rwkv6ChannelMix<4, 5, 2>) {
    check<Block>();
  }
}

}  // namespace test_rwkv6
