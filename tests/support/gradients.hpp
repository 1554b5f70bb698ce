// check<Block>(): backward against dual numbers, on the kinds of batches that there are; and the contracts of rows,
// frozen weights and states without memory.
#pragma once
#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "batches.hpp"
#include "dual_check.hpp"

namespace test {

inline constexpr int W = 6;  // of most blocks under test

/// Rows with gaps between them, a gradient that is not wanted, states without memory: the bits of the plain way.
template <class Block> void check_variations(fauna::Batch const& batch) {
  const Backward<Block> plain(batch), apart(batch, {.gap = 3}), stateless(batch, {.stateless = true});
  CHECK(apart.y == plain.y);
  CHECK(apart.dx == plain.dx);
  CHECK(apart.gradients == plain.gradients);
  CHECK(stateless.y == plain.y);  // the plain way enters with zeros, and nothing comes back from what leaves
  CHECK(stateless.dx == plain.dx);
  CHECK(stateless.gradients == plain.gradients);

  std::vector<std::size_t> sizes;
  typename Block::template Weights<fauna::All<double>> w;
  Block::visit(w, fauna::Place{}, [&](fauna::Tensor const& t, auto&) { sizes.push_back(t.size()); });
  std::size_t from = 0;
  for (std::size_t t = 0; t < sizes.size(); from += sizes[t++]) {
    const Backward<Block> frozen(batch, {.frozen = static_cast<int>(t)});
    auto want = plain.gradients;
    std::fill_n(want.begin() + static_cast<std::ptrdiff_t>(from), sizes[t], 0.0);
    CAPTURE(t);
    CHECK(frozen.gradients == want);
    CHECK(frozen.dx == plain.dx);
  }
}

/// Sequences without rows change nothing of the others, and their states stay.
template <class Block> void check_finished() {
  static const int offsets[] = {0, 3, 5};
  fauna::Batch alone = with_finished();
  alone.sequences = 2;
  alone.offsets = offsets;
  const Backward<Block> all(with_finished()), some(alone);
  CHECK(all.y == some.y);
  CHECK(all.dx == some.dx);
  CHECK(all.gradients == some.gradients);
  // A state that is the same for each sequence leaves the finished ones as it entered.
  const std::size_t n = state_count<Block>(with_finished());
  if (n == 0) return;
  const std::vector<double> halves(n, 0.5);
  const Backward<Block> left(with_finished(), {}, halves, halves);
  std::size_t kept = 0, came_back = 0;
  for (double s : left.state) kept += s == 0.5;
  for (double s : left.dstate) came_back += s == 0.5;
  CHECK(kept >= n / 2);
  CHECK(came_back >= n / 2);
}

template <class Block> void check() {
  static_assert(fauna::legal<typename Block::fault>());
  for (const fauna::Batch& b : {plain(2, 5), plain(1, 1), ragged(), with_finished()}) {
    const auto r = check_gradient<Block>(b);
    CAPTURE(r.dual);
    CAPTURE(r.dot);
    CHECK(r.error() <= 1e-12);
    CHECK((r.terms > 0 || b.rows == 1));  // the only weight of one row may be dropped
    check_variations<Block>(b);
  }
  check_finished<Block>();
}

}  // namespace test
