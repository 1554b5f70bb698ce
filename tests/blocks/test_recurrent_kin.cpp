// mLSTM, Griffin's recurrent block and the gated short convolution: backward against dual numbers, and rows in any
// pieces as all at once.
#include <doctest/doctest.h>

#include <fauna/blocks/mlstm.hpp>
#include <fauna/blocks/rg_lru.hpp>
#include <fauna/blocks/short_conv.hpp>
#include <fauna/ops/ref.hpp>

#include "../support/gradients.hpp"

namespace test_recurrent_kin {

namespace {

using namespace fauna;
using test::check, test::W;

}  // namespace

TEST_SUITE("recurrent kin") {
  TEST_CASE_TEMPLATE("gradients", Block, MlstmGates<2>, MlstmGates<3, 1>, Mlstm<W, 2, 2, 3>,
                     HeadNorm<2, LayerNorm<3, false>, false>, RgLru<W, 3>, RgLru<4, 1>, GriffinRecurrent<W, 4, 2, 3>,
                     ShortConvCore<5, 3>, ShortConv<W, 3>, ShortConv<4, 2, true>) {
    check<Block>();
  }
}

}  // namespace test_recurrent_kin
