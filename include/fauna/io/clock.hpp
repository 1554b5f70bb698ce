// Time as a number. <chrono> costs more to compile than everything that is timed with it here.
#pragma once
#include <ctime>

#include <fauna/core/version.hpp>

namespace fauna::inline v0 {

/// Seconds since some fixed moment; never runs backwards.
inline double seconds_now() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

}  // namespace fauna::inline v0
