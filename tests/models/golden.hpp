// What the cases of a golden folder share.
#pragma once
#include <doctest/doctest.h>

#include "../support/reference_check.hpp"

namespace test {

inline std::string folder() {
  const char* name = std::getenv("FAUNA_GOLDEN");
  REQUIRE(name != nullptr);
  return folder_of(name);
}

}  // namespace test
