// What the tests of a golden folder share: models/golden.cpp and models/golden_more.cpp.
#pragma once
#include <doctest/doctest.h>

#include "../support/families.hpp"
#include "../support/model_check.hpp"

#include <model.hpp>

namespace test {

inline std::string folder() {
  const char* name = std::getenv("FAUNA_GOLDEN");
  REQUIRE(name != nullptr);
  return folder_of(name);
}

/// The largest difference of two lists of numbers, and the largest number that was wanted.
inline Gap gap(std::vector<float> const& got, std::vector<float> const& want) {
  REQUIRE(got.size() == want.size());
  Gap g;
  for (std::size_t i = 0; i < want.size(); ++i) g.see(got[i], want[i]);
  return g;
}

/// The logits of a model that takes logits(batch, matrix).
template <class M> std::vector<float> logits(M& model, Golden const& golden) {
  std::vector<float> all(golden.tokens.size() * Model::vocab);
  model.logits(golden.batch(), logit_rows::all, Matrix<float>(all.data(), golden.batch().rows, Model::vocab));
  return all;
}

}  // namespace test
