// Every combinator in what wraps one block; a file for a few of them, since a compilation has only so much memory.
#include <doctest/doctest.h>

#include "../support/nested.hpp"

namespace test_nested_wrapped {

using namespace test::nested;

TEST_SUITE("nested") {
  TEST_CASE("in Residual") { check_everything_in<Residual>(); }
  TEST_CASE("in Recompute") { check_everything_in<Recompute>(); }
}

}  // namespace test_nested_wrapped
