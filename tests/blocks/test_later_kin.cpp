// The later kin of linear attention: backward against dual numbers, and rows in any pieces as all at once.
#include <doctest/doctest.h>

#include <fauna/blocks/gated_delta_net2.hpp>
#include <fauna/blocks/gated_slots.hpp>
#include <fauna/blocks/gla.hpp>
#include <fauna/blocks/hgrn2.hpp>
#include <fauna/ops/ref.hpp>

#include "../support/gradients.hpp"

namespace test_later_kin {

namespace {

using namespace fauna;
using test::check, test::W;

}  // namespace

TEST_SUITE("later kin") {
  TEST_CASE_TEMPLATE("gradients", Block, Columns<W, 2, 3>, SoftmaxHeads<2, 3>, SimpleGla<W, 2, 3, 2>, Hgrn2<W, 2, 3, 2>,
                     GatedDeltaNet2<W, 2, 3, 2>, GatedSlotAttention<W, 2, 3, 2, 4>) {
    check<Block>();
  }
}

}  // namespace test_later_kin
