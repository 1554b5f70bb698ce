// The rest of test_nested.cpp.
#include <doctest/doctest.h>

#include "../support/nested.hpp"

using namespace test::nested;

TEST_SUITE("nested") {
  TEST_CASE("in Residual") { check_everything_in<Residual>(); }
  TEST_CASE("in Checkpoint") { check_everything_in<Checkpoint>(); }
  TEST_CASE("shared") { check_everything_in<Shared>(); }
  TEST_CASE("in Carry") { check_everything_in<InCarry>(); }
  TEST_CASE("in a labelled block") { check_everything_in<InAt>(); }
}
