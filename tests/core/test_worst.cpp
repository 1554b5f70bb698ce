// A difference that is no number is never forgotten.
#include "../support/worst.hpp"

#include <doctest/doctest.h>

#include <initializer_list>

namespace test_worst {

TEST_CASE("the largest difference") {
  const double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
  double worst = 0;
  for (const double d : {1.0, 5.0, 3.0}) test::see(worst, d);
  CHECK(worst == 5);
  for (const double d : {nan, 1.0, nan}) test::see(worst, d);
  CHECK(worst == infinity);
}

}  // namespace test_worst
