// Mamba's blocks: backward against dual numbers, and rows in any pieces as all at once.
#include <doctest/doctest.h>

#include <fauna/blocks/mamba.hpp>
#include <fauna/blocks/norm.hpp>
#include <fauna/models/jamba.hpp>
#include <fauna/ops/ref.hpp>

#include "../support/gradients.hpp"

namespace test_mamba {

namespace {

using namespace fauna;
using test::check, test::W;

}  // namespace

TEST_SUITE("mamba") {
  TEST_CASE_TEMPLATE("gradients", Block, CausalConv<W, 4>, CausalConv<W, 2, false>, CausalConv<5, 3>,
                     PartNorms<Epsilon{}, 1, 5>, MambaCore<3, 4, 2, 4>,
                     MambaCore<3, 4, 2, 4, PartNorms<Epsilon{1e-3F}, 2, 4, 4>>,
                     MambaCore<3, 4, 2, 4, JambaNorms<2, 4, Epsilon{1e-3F}>>, MambaMixer<W, 5, 3, 2, 3>,
                     MambaMixer<4, 8, 2, 1, 4, true>) {
    check<Block>();
  }
}

}  // namespace test_mamba
