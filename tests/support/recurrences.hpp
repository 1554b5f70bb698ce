// What the tests of recurrences share: batches of packed documents, and errors relative to the largest number.
#pragma once
#include <cmath>
#include <vector>

#include <fauna/core/batch.hpp>
#include <fauna/core/view.hpp>

#include "compare.hpp"

namespace test {

/// The largest number of some, at least 1: what an error is relative to.
inline double scale(fauna::Matrix<const double> v) {
  double most = 1;
  for (int r = 0; r < v.rows(); ++r)
    for (int c = 0; c < v.cols(); ++c) most = std::fmax(most, std::fabs(v(r, c)));
  return most;
}

/// Sequences of 40 and 20 rows without a tree, whose documents begin anywhere in a chunk of rows.
inline fauna::Batch packed() {
  static const int offsets[] = {0, 40, 60};
  static std::vector<int> starts;
  starts.clear();
  int start = 0;
  for (int row = 0; row < 60; ++row) {
    for (const int begin : {5, 16, 33, 40, 47}) start = row == begin ? row : start;
    starts.push_back(start);
  }
  fauna::Batch b;
  b.sequences = 2;
  b.rows = 60;
  b.offsets = offsets;
  b.document_start = starts.data();
  return b;
}

}  // namespace test

/// Floats within `bound`, which the test states with its reason, of the largest of the reference's numbers.
#define CHECK_CLOSE(got, want) CHECK(test::distance<float>(got, want) <= bound * test::scale(want))
