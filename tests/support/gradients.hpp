// check<Block>(): backward against dual numbers, on the kinds of batches that there are.
#pragma once
#include <doctest/doctest.h>

#include "batches.hpp"
#include "dual_check.hpp"

namespace test {

inline constexpr int W = 6;  // of most blocks under test

template <class Block> void check() {
  static_assert(fauna::legal<typename Block::fault>());
  for (const fauna::Batch& b : {plain(2, 5), plain(1, 1), ragged()}) {
    const auto r = check_gradient<Block>(b);
    CAPTURE(r.dual);
    CAPTURE(r.dot);
    CHECK(r.error() <= 1e-12);
    CHECK((r.terms > 0 || b.rows == 1));  // the only weight of one row may be dropped
  }
}

}  // namespace test
