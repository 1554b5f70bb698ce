// Tiny random models of each family, as the reference library has them (tools/oracles/families.py), and what it makes
// of them.
#pragma once
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include <fauna/decode/loaded.hpp>
#include <fauna/io/safetensors.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/trained.hpp>

#include "source_dir.hpp"
#include "temporary.hpp"
#include "worst.hpp"

namespace test {

using namespace fauna;

inline std::string folder_of(std::string const& name) { return source_path("tests/golden/models/" + name); }

inline std::vector<float> floats(SafeTensor const* t) {
  REQUIRE(t != nullptr);
  std::vector<float> v(t->elements());
  read_floats(*t, 0, v.size(), v.data());
  return v;
}
inline std::vector<int> ints(SafeTensor const* t) {
  REQUIRE(t != nullptr);
  std::vector<int> v(t->elements());
  std::memcpy(v.data(), t->data, t->bytes);
  return v;
}
/// The largest difference, and the largest number that was wanted.
struct Gap {
  double most = 0, scale = 0;
  void see(double got, double want) {
    test::see(most, std::fabs(got - want));
    scale = std::fmax(scale, std::fabs(want));
  }
  /// Two libraries that add f32 numbers in different orders, over two layers.
  bool close() const { return most <= 1e-4 * scale && scale > 0; }
};

struct Golden {
  SafeTensors file;
  std::vector<int> tokens, targets;
  int length;
  explicit Golden(std::string const& folder)
      : file(folder + "/golden.safetensors"),
        tokens(ints(file.find("tokens"))),
        targets(ints(file.find("targets"))),
        length(static_cast<int>(tokens.size()) / 2) {}
  Batch batch() const { return Batch::uniform(2, length, tokens.data(), targets.data()); }
};

}  // namespace test
