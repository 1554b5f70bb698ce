// RWKV-4's blocks: backward against dual numbers, and rows in any pieces as all at once.
#include <doctest/doctest.h>

#include <fauna/blocks/rwkv4.hpp>
#include <fauna/compose/residual.hpp>
#include <fauna/ops/ref.hpp>

#include "../support/gradients.hpp"

namespace test_rwkv4 {

namespace {

using namespace fauna;
using test::check, test::W;

}  // namespace

TEST_SUITE("rwkv4") {
  TEST_CASE_TEMPLATE("gradients", Block, Wkv4Core<W, 2>, Wkv4Core<5, 1>, Rwkv4TimeMix<W, 3>, Rwkv4ChannelMix<W, 7, 2>,
                     Residual<Rwkv4TimeMix<5, 2>>, Beside<Linear<W, 2>, Linear<3, 4>>,
                     Residual<Beside<Linear<2, 2>, Linear<4, 4, false>>>,
                     TokenShift<"x", 5, 2, Mix{.name = "a", .what = weighs::row},
                                Mix{.name = "b", .late = 0.3F, .what = weighs::row}>) {
    check<Block>();
  }
}

}  // namespace test_rwkv4
