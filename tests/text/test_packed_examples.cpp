// Packed examples: where each stands, that none is lost or cut, and what a window of them says of its documents.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include <fauna/text/packed_examples.hpp>

namespace test_packed_examples {

using namespace fauna;

namespace {

/// Examples of `sizes` tokens, filled up to the longest: all but the first are targets.
std::vector<int> filled(std::vector<int> const& sizes, int longest) {
  std::vector<int> ids;
  for (std::size_t e = 0; e < sizes.size(); ++e)
    for (int i = 0; i < longest; ++i)
      ids.push_back(i >= sizes[e] ? ~0 : i == 0 ? ~static_cast<int>(e) : 100 + static_cast<int>(e));
  return ids;
}

}  // namespace

TEST_CASE("the longest examples first, each where it fits best; a part for itself") {
  const std::vector<int> ids = filled({3, 6, 2, 4, 5, 2}, 6);
  const Tokens t = Tokens(ids.data(), ids.size(), 200).in_examples(6);
  const PackedExamples packed({t.part(0, 24, "train"), t.part(24, 12, "val")}, 8);
  const Tokens train = packed.split().train, val = packed.split().val;
  // Sizes 6, 4, 3, 2: the 6 leaves 2, the 4 opens a second one, the 3 goes behind it, the 2 fills the first.
  CHECK(train.size() == 16);
  CHECK(train.example() == 8);
  const std::vector<int> want{~1, 101, 101, 101, 101, 101, ~2, 102, ~3, 103, 103, 103, ~0, 100, 100, ~0},
      starts{0, 0, 0, 0, 0, 0, 6, 6, 0, 0, 0, 0, 4, 4, 4, 4};
  for (std::size_t i = 0; i < want.size(); ++i) {
    CAPTURE(i);
    CHECK(train[i] == want[i]);
    CHECK(train.document(i) == starts[i]);
  }
  CHECK(val.size() == 8);
  CHECK(val[4] == 104);
  CHECK(val[5] == ~5);
  int positions[7], start[7];
  window_documents(train, window_start(train, 7, 1), 7, 14, positions, start);
  const int places[7] = {0, 1, 2, 3, 0, 1, 2}, rows[7] = {14, 14, 14, 14, 18, 18, 18};
  CHECK(std::equal(places, places + 7, positions));
  CHECK(std::equal(rows, rows + 7, start));
  CHECK_THROWS_WITH_AS(PackedExamples({t, t}, 5), "[text] an example of 6 tokens, expected at most 5 to pack", error);
}

TEST_CASE("no first token is a target, and what comes after the last target is left out") {
  // Two whole texts, and an answer with an end that does not count.
  const std::vector<int> ids{1, 2, 3, ~0, 4, 5, ~0, ~0, ~6, 7, ~8, ~0};
  const Tokens t = Tokens(ids.data(), ids.size(), 10).in_examples(4);
  const PackedExamples packed({t, t}, 7);
  const Tokens train = packed.split().train;
  const std::vector<int> want{~1, 2, 3, ~4, 5, ~6, 7};
  REQUIRE(train.size() == want.size());
  for (std::size_t i = 0; i < want.size(); ++i) CHECK(train[i] == want[i]);
}

TEST_CASE("all examples are there, whole, and few tokens fill up") {
  std::vector<int> sizes;
  std::size_t tokens = 0;
  for (int e = 0; e < 90; ++e) sizes.push_back(2 + e * e % 31);
  for (const int n : sizes) tokens += static_cast<std::size_t>(n);
  const std::vector<int> ids = filled(sizes, 32);
  const Tokens t = Tokens(ids.data(), ids.size(), 200).in_examples(32);
  const PackedExamples packed({t, t}, 64);
  const Tokens all = packed.split().train;
  std::vector<int> found(sizes.size());
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i] >= 0) ++found[static_cast<std::size_t>(all[i] - 100)];
  for (std::size_t e = 0; e < sizes.size(); ++e) CHECK(found[e] == sizes[e] - 1);
  CHECK(all.size() < tokens + 64 + 16);
  CHECK(ids.size() > 2 * tokens - 200);
}

}  // namespace test_packed_examples
