// What tests of RWKV models share: the trained weights of $FAUNA_SHARED_DIR, and logits through a cache.
#pragma once
#include <cstdlib>
#include <fauna/io/open_tensors.hpp>
#include <fauna/ops/ref.hpp>
#include <string>
#include <vector>

#include "families.hpp"

namespace test {

/// The folder of the goldens, or empty with a reason printed.
inline std::string shared_rwkv() {
  const char* folder = std::getenv("FAUNA_SHARED_DIR");
  if (folder == nullptr) MESSAGE("skipped: FAUNA_SHARED_DIR is not set");
  return folder == nullptr ? "" : std::string(folder) + "/data/rwkv/";
}

/// The logits of some tokens, read through a cache, `rows` at once.
template <class M, class B, class D = fauna::Packed<B>>
std::vector<double> logits(fauna::TensorFile const& weights, std::vector<int> const& ids, int rows) {
  using S = typename B::scalar;
  fauna::Loaded<M, B, D> model(weights, 1);
  model.prepare_inference({.sequences = 1, .length = rows});
  fauna::Cache<M, B> cache(1);
  std::vector<double> all;
  std::vector<S> y(static_cast<std::size_t>(rows) * M::vocab);
  for (std::size_t from = 0; from < ids.size(); from += static_cast<std::size_t>(rows)) {
    model.logits(cache, fauna::Batch::uniform(1, rows, ids.data() + from), fauna::logit_rows::all,
                 fauna::Matrix<S>(y.data(), rows, M::vocab));
    all.insert(all.end(), y.begin(), y.end());
  }
  return all;
}
/// The largest difference to the last so many.
inline double worst(std::vector<double> const& got, std::vector<float> const& want) {
  double most = 0;
  for (std::size_t i = 0; i < want.size(); ++i)
    see(most, std::fabs(got[got.size() - want.size() + i] - static_cast<double>(want[i])));
  return most;
}

/// The logits that a file of 256 floats holds.
inline std::vector<float> expected(std::string const& path) {
  const std::string golden = fauna::read_file(path);
  std::vector<float> all(256);
  REQUIRE(golden.size() == all.size() * sizeof(float));
  std::memcpy(all.data(), golden.data(), golden.size());
  return all;
}

}  // namespace test
