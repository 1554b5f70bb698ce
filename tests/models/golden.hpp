// What the tests of a golden folder share: models/golden.cpp and models/golden_more.cpp.
#pragma once
#include <doctest/doctest.h>

#include "../support/reference_check.hpp"

#include <model.hpp>

namespace test {

inline std::string folder() {
  const char* name = std::getenv("FAUNA_GOLDEN");
  REQUIRE(name != nullptr);
  return folder_of(name);
}

/// The logits of a model that takes logits(batch, matrix).
template <class M> std::vector<float> logits(M& model, Golden const& golden) { return logits_of<Model>(model, golden); }

}  // namespace test
