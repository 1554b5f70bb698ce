// The largest of some differences.
#pragma once
#include <cmath>
#include <limits>

namespace test {

/// worst becomes d where d is larger, and infinite for good where d is no number: what is compared with a bound
/// afterwards then fails.
inline void see(double& worst, double d) {
  if (!(d <= worst)) worst = std::isnan(d) ? std::numeric_limits<double>::infinity() : d;
}

}  // namespace test
