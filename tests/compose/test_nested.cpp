// Every combinator inside every other; the rest is in test_nested_more.cpp, since a compilation has only so much
// memory.
#include <doctest/doctest.h>

#include "../support/nested.hpp"

using namespace test::nested;

TEST_SUITE("nested") {
  TEST_CASE("first in Seq") { check_everything_in<First>(); }
  TEST_CASE("last in Seq") { check_everything_in<Last>(); }
  TEST_CASE("in Stack") { check_everything_in<InStack>(); }
  TEST_CASE("in Concat") { check_everything_in<InConcat>(); }
  TEST_CASE("in Parallel") { check_everything_in<InParallel>(); }
}
