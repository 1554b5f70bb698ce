// Drafters that keep what they have seen, and drafters of drafters.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <fauna/decode/speculate/mixed.hpp>
#include <fauna/decode/speculate/ngram.hpp>
#include <fauna/decode/speculate/pool.hpp>

#include "../support/random.hpp"
#include "../support/temporary.hpp"

namespace test_drafters {

using namespace fauna;
using doctest::Contains;

namespace {

template <class D> std::vector<int> proposed(D& d, std::vector<int> text, int most) {
  const auto before = static_cast<std::ptrdiff_t>(text.size());
  d.propose(text, most, [](const float*) { return 0; });
  return {text.begin() + before, text.end()};
}

/// The same token, always.
struct Constant {
  int token;
  static int vocab() { return 9; }
  template <class F> void propose(std::vector<int>& text, int most, F&&) const {
    for (int i = 0; i < most; ++i) text.push_back(token);
  }
};

static_assert(Drafter<PoolDrafter> && Drafter<Mixed<NgramDrafter, Constant>>);

}  // namespace

TEST_CASE("a pool proposes what followed in other texts, the longest context first") {
  PoolDrafter pool(12);
  CHECK(proposed(pool, {1, 2, 3, 4, 5, 6, 7, 8, 9}, 3).empty());
  CHECK(proposed(pool, {20, 5, 6, 7}, 5) == std::vector<int>{8, 9});  // and then nothing is known
  CHECK(proposed(pool, {6, 7}, 5).empty());                           // too little to go by
  // what came most of late behind three tokens; but behind five, what came there
  PoolDrafter other(12);
  for (int i = 0; i < 3; ++i) (void)proposed(other, {30 + i, 4, 5, 6, 7}, 0);
  CHECK(proposed(other, {4, 5, 6}, 1) == std::vector<int>{7});
  (void)proposed(other, {1, 2, 4, 5, 6, 8}, 0);
  CHECK(proposed(other, {4, 5, 6}, 1) == std::vector<int>{7});
  CHECK(proposed(other, {1, 2, 4, 5, 6}, 1) == std::vector<int>{8});
  for (int i = 0; i < 5; ++i) (void)proposed(other, {40 + i, 4, 5, 6, 9}, 0);
  CHECK(proposed(other, {4, 5, 6}, 1) == std::vector<int>{9});
}

TEST_CASE("a pool learns a text once, however often it is asked about it") {
  PoolDrafter often(12), once(12);
  test::Random random(1);
  std::vector<int> text;
  for (int i = 0; i < 200; ++i) {
    text.push_back(random.integer(0, 3));
    (void)proposed(often, text, 2);
  }
  once.learn(text);
  CHECK_MESSAGE(proposed(often, text, 40) == proposed(once, text, 40), "of texts of 4 tokens");
  CHECK(proposed(often, text, 40).size() == 40);
}

TEST_CASE("a pool in a file: what was saved, of the same vocabulary, whole") {
  const TemporaryFolder folder;
  const std::string path = folder / "pool";
  PoolDrafter pool(10, 77);
  test::Random random(2);
  const auto text = random.integers(300, 0, 9);
  pool.learn(text);
  pool.save(path);
  auto again = PoolDrafter::from_file(path, 77);
  PoolDrafter empty(10, 77);
  const std::vector<int> start(text.begin() + 100, text.begin() + 108);
  CHECK(proposed(again, start, 20) == proposed(pool, start, 20));
  CHECK(!proposed(again, start, 20).empty());
  CHECK(proposed(empty, start, 20).empty());
  again.save(path);  // over the old one

  const std::string bytes = read_file(path);
  const auto refused = [&](std::string const& content, std::uint64_t vocabulary, const char* words) {
    write_file(path, content);
    CHECK_THROWS_WITH_AS(PoolDrafter::from_file(path, vocabulary), Contains(words), error);
  };
  refused(bytes, 78, "is of another vocabulary");
  refused(bytes.substr(0, bytes.size() - 1), 77, "12319 bytes, expected 12320");
  refused(bytes + "x", 77, "12321 bytes");
  refused("n-grams1", 77, "is no pool of n-grams");
  refused("", 77, "is no pool of n-grams");
  refused("x" + bytes.substr(1), 77, "is no pool of n-grams");
  auto changed = bytes;
  changed[500] = static_cast<char>(changed[500] + 1);
  refused(changed, 77, "checksum");
  auto wide = bytes;
  wide[8] = 60;  // bits
  refused(wide, 77, "is no pool of n-grams");
  CHECK_THROWS_WITH_AS(PoolDrafter::from_file(folder / "none"), Contains("cannot open"), error);
  CHECK_THROWS_WITH_AS(PoolDrafter(40), Contains("40 bits, expected 4 to 28"), error);
}

TEST_CASE("mixed: the second where the first has nothing") {
  Mixed both{NgramDrafter(3, 1), Constant{7}};
  CHECK(proposed(both, {1, 2, 1}, 2) == std::vector<int>{2, 1});
  CHECK(proposed(both, {1, 2, 3}, 2) == std::vector<int>{7, 7});
  CHECK(both.vocab() == 9);
}

}  // namespace test_drafters
