// Every combinator in the branches of Concat and Parallel; a file for a few of them, since a compilation has only so
// much memory.
#include <doctest/doctest.h>

#include "../support/nested.hpp"

using namespace test::nested;

TEST_SUITE("nested") {
  TEST_CASE("in Concat") { check_everything_in<InConcat>(); }
  TEST_CASE("in Parallel") { check_everything_in<InParallel>(); }
}
