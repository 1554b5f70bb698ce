// Mamba-3's blocks: backward against dual numbers, and rows in any pieces as all at once.
#include <doctest/doctest.h>

#include <fauna/blocks/mamba3.hpp>
#include <fauna/ops/ref.hpp>

#include "../support/gradients.hpp"

namespace test_mamba3 {

namespace {

using namespace fauna;
using test::check, test::W;

constexpr Mamba3Sizes plain{.heads = 2, .size = 3, .states = 4, .angles = 1},
    grouped{.heads = 4, .size = 2, .states = 5, .groups = 2, .angles = 2, .norm = true};

}  // namespace

TEST_SUITE("mamba3") {
  TEST_CASE_TEMPLATE("gradients", Block, Mamba3Core<plain>, Mamba3Core<grouped>, Mamba3Mixer<W, plain>,
                     Mamba3Mixer<5, grouped>) {
    check<Block>();
  }
}

}  // namespace test_mamba3
