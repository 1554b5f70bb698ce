// Sampling against a plain oracle: sort everything, then apply the three rules in order; and against the reference
// library with all five rules (tools/oracles/sampling.py).
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <fauna/decode/sampling.hpp>
#include <fauna/io/file.hpp>
#include <fauna/io/json.hpp>
#include <limits>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "../support/source_dir.hpp"

namespace test_sampling {

using namespace fauna;
using doctest::Contains;

namespace {

constexpr float inf = std::numeric_limits<float>::infinity();

struct Expected {
  std::vector<int> kept;            // by rank
  std::vector<double> probability;  // of every token
};

Expected oracle(std::vector<float> const& logits, Sampling how) {
  Expected e;
  std::vector<int>& rank = e.kept;
  rank.resize(logits.size());
  std::iota(rank.begin(), rank.end(), 0);
  const auto at = [&](int i) {
    return static_cast<double>(logits[static_cast<std::size_t>(i)]) / double(how.temperature);
  };
  std::stable_sort(rank.begin(), rank.end(), [&](int a, int b) { return at(a) > at(b); });
  if (how.top_k > 0 && static_cast<std::size_t>(how.top_k) < rank.size())
    rank.resize(static_cast<std::size_t>(how.top_k));
  const auto weight = [&](int i) { return std::exp(at(i) - at(rank[0])); };
  double total = 0, sum = 0;
  for (const int i : rank) total += weight(i);
  std::size_t n = 0;
  while (n < rank.size() && sum < double(how.top_p) * total) sum += weight(rank[n++]);
  rank.resize(n);
  e.probability.resize(logits.size());
  for (const int i : rank) e.probability[static_cast<std::size_t>(i)] = weight(i) / sum;
  return e;
}

/// The noise of a token at a position: minus the logarithm of a standard exponential number.
double gumbel(Key key, std::uint64_t position, int token) {
  const double v =
      (static_cast<double>(key.child(position).word(static_cast<std::uint64_t>(token))) + 0.5) / 4294967296.0;
  return -std::log(-std::log1p(-v));
}

std::vector<float> random_logits(int n, std::uint64_t seed, bool ties) {
  std::vector<float> l;
  for (int i = 0; i < n; ++i) {
    const float x = 2 * Key{seed, 0}.normal(static_cast<std::uint64_t>(i));
    l.push_back(ties ? std::round(x) : x);
  }
  return l;
}

/// One case of tests/golden/sampling.json.
struct Case {
  Sampling how;
  std::vector<float> logits;
  std::vector<int> seen, kept;        // kept: by rank
  std::vector<double> probabilities;  // of those kept
};

void read(JsonReader& in, Case& c) {
  const auto list = [&in](auto& into) {
    in.enter_array();
    while (in.next_item()) into.push_back(static_cast<typename std::decay_t<decltype(into)>::value_type>(in.number()));
  };
  in.enter_object();
  for (std::string key; in.next_key(key);) {
    if (key == "penalty") c.how.repetition_penalty = static_cast<float>(in.number());
    else if (key == "temperature") c.how.temperature = static_cast<float>(in.number());
    else if (key == "top_k") c.how.top_k = static_cast<int>(in.integer());
    else if (key == "top_p") c.how.top_p = static_cast<float>(in.number());
    else if (key == "min_p") c.how.min_p = static_cast<float>(in.number());
    else if (key == "logits") list(c.logits);
    else if (key == "seen") list(c.seen);
    else if (key == "kept") list(c.kept);
    else if (key == "probabilities") list(c.probabilities);
    else FAIL("sampling.json: unknown key " << key);
  }
}

std::vector<Case> golden_cases() {
  const std::string path = test::source_path("tests/golden/sampling.json"), text = read_file(path);
  std::vector<Case> cases;
  JsonReader in(text, path);
  in.enter_array();
  while (in.next_item()) read(in, cases.emplace_back());
  in.end();
  return cases;
}

}  // namespace

TEST_CASE("penalty, temperature, top-k, top-p, min-p: the reference library's tokens and probabilities") {
  const std::vector<Case> cases = golden_cases();
  REQUIRE(cases.size() == 200);
  int compared = 0;
  const int draws = 2000;
  for (std::size_t number = 0; number < cases.size(); ++number) {
    CAPTURE(number);
    Case const& c = cases[number];
    REQUIRE(c.probabilities.size() == c.kept.size());
    const int n = static_cast<int>(c.logits.size());
    std::vector<double> probability(c.logits.size());
    for (std::size_t i = 0; i < c.kept.size(); ++i)
      probability[static_cast<std::size_t>(c.kept[i])] = c.probabilities[i];
    Sampler sampler(n, c.how);
    for (std::uint64_t position = 0; position < draws; ++position) {
      const Key key{5, number};
      const int token = sampler(c.logits.data(), key, position, c.seen.data(), c.seen.size());
      if (position == 0) {
        std::vector<int> kept;
        for (int i = 0; i < sampler.kept(); ++i) kept.push_back(sampler.kept(i));
        if ((c.how.top_k > 0 && c.how.top_k < n) || c.how.top_p < 1) CHECK(kept == c.kept);
        else CHECK(std::set<int>(kept.begin(), kept.end()) == std::set<int>(c.kept.begin(), c.kept.end()));
      }
      // The token is the one with the largest log probability + noise. The file's seven digits and f32 weights are
      // off by less than 1e-5: nearer than that to each other is anyone's.
      double best = -std::numeric_limits<double>::infinity();
      for (const int i : c.kept)
        best = std::max(best, std::log(probability[static_cast<std::size_t>(i)]) + gumbel(key, position, i));
      const double own = probability[static_cast<std::size_t>(token)];
      compared += own > 0 && std::log(own) + gumbel(key, position, token) > best - 1e-5;
    }
  }
  CHECK(compared == 200 * draws);
}

TEST_CASE("min-p keeps what is exactly at its bound") {
  // exp(-0) = 1 is the one weight that is exact: the two largest are equal.
  const std::vector<float> logits{0, 2, 2, -1};
  for (const Sampling how : {Sampling{1, 0, 1, 1}, Sampling{1, 3, 1, 1}}) {
    Sampler s(4, how);
    s(logits.data(), Key{}, 0);
    REQUIRE(s.kept() == 2);
    CHECK(s.kept(0) == 1);
    CHECK(s.kept(1) == 2);
  }
}

TEST_CASE("the kept tokens are exactly those of the oracle, ties included") {
  for (const int n : {1, 2, 3, 10, 65, 1000})
    for (const bool ties : {false, true})
      for (const int k : {0, 1, 2, 7, 64, 1000, 5000})
        for (const float p : {1.0F, 0.999F, 0.9F, 0.5F, 0.01F})
          for (const float temperature : {1.0F, 0.8F, 3.0F}) {
            CAPTURE(n);
            CAPTURE(ties);
            CAPTURE(k);
            CAPTURE(p);
            const std::vector<float> logits = random_logits(n, 9, ties);
            const Sampling how{temperature, k, p};
            Sampler sampler(n, how);
            const int token = sampler(logits.data(), Key{1, 2}, 3);
            const Expected e = oracle(logits, how);
            std::vector<int> kept;
            for (int i = 0; i < sampler.kept(); ++i) kept.push_back(sampler.kept(i));
            if ((k > 0 && k < n) || p < 1) CHECK(kept == e.kept);
            else CHECK(std::set<int>(kept.begin(), kept.end()) == std::set<int>(e.kept.begin(), e.kept.end()));
            CHECK(std::find(kept.begin(), kept.end(), token) != kept.end());
            double sum = 0;
            for (int i = 0; i < sampler.kept(); ++i) {
              sum += sampler.probability(i);
              const double ratio =
                  std::exp((static_cast<double>(logits[static_cast<std::size_t>(kept[0])]) -
                            static_cast<double>(logits[static_cast<std::size_t>(kept[static_cast<std::size_t>(i)])])) /
                           static_cast<double>(temperature));
              CHECK(sampler.probability(i) * ratio == doctest::Approx(sampler.probability(0)).epsilon(1e-4));
            }
            CHECK(sum == doctest::Approx(1).epsilon(1e-9));
          }
}

TEST_CASE("temperature comes before top-p, top-k before top-p") {
  // Of these, the two largest have 0.7 of the mass; with top-k 2 the first has 4/7; at temperature 1/4 it has 0.72.
  std::vector<float> logits;
  for (const double p : {0.1, 0.3, 0.4, 0.2}) logits.push_back(static_cast<float>(std::log(p)));
  const auto kept = [&](Sampling how) {
    Sampler s(4, how);
    s(logits.data(), Key{}, 0);
    return s.kept();
  };
  CHECK(kept({1, 0, 0.65F}) == 2);
  CHECK(kept({1, 0, 0.75F}) == 3);
  CHECK(kept({1, 2, 0.75F}) == 2);
  CHECK(kept({1, 2, 0.55F}) == 1);  // without top-k first it would keep two
  CHECK(kept({1, 0, 0.55F}) == 2);
  CHECK(kept({0.25F, 0, 0.65F}) == 1);
}

TEST_CASE("tokens come as often as their probabilities say") {
  const int n = 20, draws = 50000;
  const std::vector<float> logits = random_logits(n, 4, false);
  for (const Sampling how : {Sampling{}, Sampling{0.8F}, Sampling{1, 6}, Sampling{1.5F, 12, 0.9F}}) {
    Sampler sampler(n, how);
    const Expected e = oracle(logits, how);
    std::vector<int> count(static_cast<std::size_t>(n));
    for (int i = 0; i < draws; ++i)
      ++count[static_cast<std::size_t>(sampler(logits.data(), Key{1337, 7}, static_cast<std::uint64_t>(i)))];
    double chi = 0;
    int cells = 0;
    for (std::size_t i = 0; i < count.size(); ++i) {
      const double expected = draws * e.probability[i];
      if (expected == 0) CHECK(count[i] == 0);
      else chi += (count[i] - expected) * (count[i] - expected) / expected, ++cells;
    }
    // Mean cells - 1, variance twice that: five deviations leave one false alarm in about 1e5 seeds; the seed is fixed.
    CHECK(chi < cells - 1 + 5 * std::sqrt(2.0 * (cells - 1)));
  }
}

TEST_CASE("what is drawn at a position says nothing about the next one") {
  // The joint law of three tokens in a row, by enumeration: 125 cells.
  const int n = 5, draws = 60000;
  const std::vector<float> logits = random_logits(n, 6, false);
  const Sampling how{0.9F};
  Sampler sampler(n, how);
  const Expected e = oracle(logits, how);
  std::vector<int> count(125);
  for (std::uint64_t i = 0; i < draws; ++i) {
    std::size_t cell = 0;
    for (std::uint64_t j = 0; j < 3; ++j)
      cell = cell * 5 + static_cast<std::size_t>(sampler(logits.data(), Key{11, i}, j));
    ++count[cell];
  }
  double chi = 0;
  for (std::size_t cell = 0; cell < 125; ++cell) {
    const double expected = draws * e.probability[cell / 25] * e.probability[cell / 5 % 5] * e.probability[cell % 5];
    chi += (count[cell] - expected) * (count[cell] - expected) / expected;
  }
  CHECK(chi < 124 + 5 * std::sqrt(2.0 * 124));
}

TEST_CASE("two laws draw the same token as often as their noise allows") {
  // Each keeps the other's choice with at least (1 - TV) / (1 + TV); independent draws agree with the sum of p q.
  const int n = 12, draws = 20000;
  const std::vector<float> p = random_logits(n, 7, false), more = random_logits(n, 8, false);
  std::vector<float> q;
  for (std::size_t i = 0; i < p.size(); ++i) q.push_back(p[i] + 0.3F * more[i]);
  Sampler sampler(n);
  const Expected a = oracle(p, {}), b = oracle(q, {});
  double distance = 0, independent = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    distance += 0.5 * std::abs(a.probability[i] - b.probability[i]);
    independent += a.probability[i] * b.probability[i];
  }
  int same = 0;
  for (std::uint64_t i = 0; i < draws; ++i) same += sampler(p.data(), Key{3, 4}, i) == sampler(q.data(), Key{3, 4}, i);
  const double bound = (1 - distance) / (1 + distance), deviation = 0.5 / std::sqrt(draws);
  CHECK(bound > independent + 0.1);
  CHECK(same > draws * (bound - 5 * deviation));
}

TEST_CASE("temperature 0 takes the largest, the first of equals, whatever the key") {
  const std::vector<float> logits{1, 5, -3, 5, 2};
  Sampler greedy(5, {0, 3, 0.5F});
  for (std::uint64_t i = 0; i < 20; ++i) CHECK(greedy(logits.data(), Key{i, i}, i) == 1);
  Sampler one(5, {1, 1});
  for (std::uint64_t i = 0; i < 20; ++i) CHECK(one(logits.data(), Key{i, i}, i) == 1);
}

TEST_CASE("a draw depends on key and position alone") {
  const std::vector<float> logits = random_logits(65, 2, false), other = random_logits(65, 3, false);
  Sampler a(65, {1, 40, 0.95F}), b(65, {1, 40, 0.95F});
  std::vector<int> forward;
  for (std::uint64_t i = 0; i < 200; ++i) forward.push_back(a(logits.data(), Key{1, 2}, i));
  int same = 0;
  for (std::uint64_t i = 200; i-- > 0;) {
    b(other.data(), Key{9, 9}, i);  // what was sampled before leaves nothing behind
    CHECK(b(logits.data(), Key{1, 2}, i) == forward[i]);
    same += b(logits.data(), Key{1, 3}, i) == forward[i];
  }
  CHECK(same < 100);
}

TEST_CASE("forbidden tokens never come, also when they are among the k") {
  const std::vector<float> logits{-inf, 0, -inf, 1, -inf};
  for (const Sampling how : {Sampling{}, Sampling{1, 4}, Sampling{1, 0, 0.9999F}, Sampling{1e-30F}}) {
    Sampler s(5, how);
    for (std::uint64_t i = 0; i < 300; ++i) CHECK(s(logits.data(), Key{}, i) % 2 == 1);
  }
}

TEST_CASE("settings and logits that mean nothing are refused") {
  CHECK_THROWS_WITH_AS(Sampler(0), Contains("[sampling] a vocabulary of 0"), error);
  CHECK_THROWS_WITH_AS(Sampler(-1), Contains("[sampling] a vocabulary of -1"), error);
  CHECK_THROWS_WITH_AS(Sampler(3, {-1}), Contains("temperature"), error);
  CHECK_THROWS_WITH_AS(Sampler(3, {std::nanf("")}), Contains("temperature"), error);
  CHECK_THROWS_WITH_AS(Sampler(3, {1, -1}), Contains("top-k -1"), error);
  CHECK_THROWS_WITH_AS(Sampler(3, {1, 0, 0}), Contains("top-p"), error);
  CHECK_THROWS_WITH_AS(Sampler(3, {1, 0, 1.5F}), Contains("top-p"), error);
  for (const float bad : {-0.1F, 1.1F, std::nanf(""), inf})
    CHECK_THROWS_WITH_AS(Sampler(3, {1, 0, 1, bad}), Contains("[sampling] min-p"), error);
  for (const float bad : {0.0F, -1.0F, std::nanf(""), inf})
    CHECK_THROWS_WITH_AS(Sampler(3, {1, 0, 1, 0, bad}), Contains("[sampling] repetition penalty"), error);
  Sampler s(3);
  const float nan[3]{0, std::nanf(""), 1}, full[3]{0, inf, 1}, none[3]{-inf, -inf, -inf};
  CHECK_THROWS_WITH_AS(s(nan, Key{}, 0), Contains("logit 1 is NaN"), error);
  CHECK_THROWS_WITH_AS(s(full, Key{}, 0), Contains("+inf"), error);
  CHECK_THROWS_WITH_AS(s(none, Key{}, 0), Contains("-inf"), error);
}

}  // namespace test_sampling
