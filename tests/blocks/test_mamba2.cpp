// Mamba-2's blocks: backward against dual numbers, and rows in any pieces as all at once.
#include <doctest/doctest.h>

#include <fauna/blocks/mamba2.hpp>
#include <fauna/ops/ref.hpp>

#include "../support/gradients.hpp"

namespace test_mamba2 {

namespace {

using namespace fauna;
using test::check, test::W;

constexpr Mamba2Sizes plain{.heads = 2, .size = 3, .states = 4},
    grouped{.heads = 4, .size = 2, .states = 3, .groups = 2, .taps = 2, .conv_bias = false, .gate_first = false},
    normless{.heads = 2, .size = 3, .states = 4, .groups = 2, .normed = false};

}  // namespace

TEST_SUITE("mamba2") {
  TEST_CASE_TEMPLATE("gradients", Block, Mamba2Core<plain>, Mamba2Core<grouped>, Mamba2Core<normless>,
                     Mamba2Mixer<W, plain, true>, Mamba2Mixer<5, grouped>) {
    check<Block>();
  }
}

}  // namespace test_mamba2
