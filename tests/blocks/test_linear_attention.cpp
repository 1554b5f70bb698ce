// The kin of linear attention: backward against dual numbers, and rows in any pieces as all at once.
#include <doctest/doctest.h>

#include <fauna/blocks/delta_net.hpp>
#include <fauna/blocks/gla.hpp>
#include <fauna/blocks/kda.hpp>
#include <fauna/blocks/retnet.hpp>
#include <fauna/ops/ref.hpp>

#include "../support/gradients.hpp"

namespace test_linear_attention {

namespace {

using namespace fauna;
using test::check, test::W;

}  // namespace

TEST_SUITE("linear attention") {
  TEST_CASE_TEMPLATE("gradients of parts", Block, UnitHeads<2, 3>, HeadNorm<2, RmsNorm<3>>,
                     HeadNorm<3, RmsNorm<2>, false>, RateFade<3>, RateFade<2, 3>, SlowSigmoid<W>,
                     Recur<Recurrence{.fade = fades::by_head, .erase = erases::delta, .strength = true}, 4, 2, 3, 2>) {
    check<Block>();
  }
  TEST_CASE_TEMPLATE("gradients", Block, Retention<W, 2, 2, 4>, GatedLinearAttention<W, 2, 3, 2, 4>,
                     DeltaNet<W, 2, 3, 2, 3>, GatedDeltaNet<W, 4, 2, 3, 2, 2>, KimiDeltaAttention<W, 2, 3, 2>,
                     KimiDeltaAttention<4, 1, 2, 4, false>) {
    check<Block>();
  }
}

}  // namespace test_linear_attention
