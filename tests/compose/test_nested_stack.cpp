// Every combinator in the rounds of a Stack, and a stream carried through them; a file for a few of them, since a
// compilation has only so much memory.
#include <doctest/doctest.h>

#include "../support/nested.hpp"

namespace test_nested_stack {

using namespace test::nested;

TEST_SUITE("nested") {
  TEST_CASE("in Stack") { check_everything_in<InStack>(); }
  TEST_CASE("in Carry") { check_everything_in<InCarry>(); }
}

}  // namespace test_nested_stack
