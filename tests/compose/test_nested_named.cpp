// Every combinator in what gives a block a name; a file for a few of them, since a compilation has only so much memory.
#include <doctest/doctest.h>

#include "../support/nested.hpp"

namespace test_nested_named {

using namespace test::nested;

TEST_SUITE("nested") {
  TEST_CASE("shared") { check_everything_in<Shared>(); }
  TEST_CASE("in a labelled block") { check_everything_in<InAt>(); }
}

}  // namespace test_nested_named
