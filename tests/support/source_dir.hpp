// Where the checkout is: ctest says it in the environment.
#pragma once
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace test {

/// A file or folder of the checkout, such as "tests/golden/nfc.json".
inline std::string source_path(std::string const& path) {
  const char* root = std::getenv("FAUNA_SOURCE_DIR");
  if (root == nullptr)
    throw std::runtime_error("FAUNA_SOURCE_DIR is not set: run the test by ctest, or set it to the checkout");
  return std::string(root) + '/' + path;
}

}  // namespace test
