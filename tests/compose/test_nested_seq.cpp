// Every combinator in first and last in a Seq; a file for a few of them, since a compilation has only so much memory.
#include <doctest/doctest.h>

#include "../support/nested.hpp"

namespace test_nested_seq {

using namespace test::nested;

TEST_SUITE("nested") {
  TEST_CASE("first in Seq") { check_everything_in<First>(); }
  TEST_CASE("last in Seq") { check_everything_in<Last>(); }
}

}  // namespace test_nested_seq
