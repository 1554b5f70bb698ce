// Every combinator in the branches of Concat and Parallel; a file for a few of them, since a compilation has only so
// much memory.
#include <doctest/doctest.h>

#include "../support/nested.hpp"

namespace test_nested_branches {

using namespace test::nested;

TEST_SUITE("nested") {
  TEST_CASE("in Concat") { check_everything_in<InConcat>(); }
  TEST_CASE("in Parallel") { check_everything_in<InParallel>(); }
}

}  // namespace test_nested_branches
