// How long drafts are, chosen from numbers that are given: nothing here is timed.
#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include <fauna/decode/speculate/length.hpp>

#include "../support/random.hpp"

namespace test_draft_length {

using namespace fauna;

namespace {

/// What passes take here, what a drafted token takes, and how often each place of a draft stays.
struct Machine {
  std::vector<double> seconds{};  ///< by rows, from 1 on
  double draft = 0;
  std::vector<double> stays{};
  double found = 1;  ///< how often there is a draft at all

  /// Tokens a second with drafts of a length.
  double speed(int length) const {
    double tokens = 1, all = 1;
    for (int i = 0; i < length; ++i) tokens += all *= stays[static_cast<std::size_t>(i)];
    return tokens / (seconds[static_cast<std::size_t>(length)] + length * draft);
  }
  double best() const {
    double most = 0;
    for (int l = 0; l < static_cast<int>(seconds.size()); ++l) most = std::max(most, speed(l));
    return most;
  }
};
struct Run {
  double speed = 0;
  int drafts = 0;
};
/// Steps with drafts as long as it says, on a machine whose times vary by a tenth.
Run run(DraftLength& length, Machine const& m, int steps, test::Random& random) {
  Run out;
  double time = 0;
  long tokens = 0;
  const auto uniform = [&random] { return 0.5 + 0.5 * static_cast<double>(random.uniform()); };
  for (int i = 0; i < steps; ++i) {
    const int drafted = uniform() < m.found ? length.next() : 0;
    int accepted = 0;
    while (accepted < drafted && uniform() < m.stays[static_cast<std::size_t>(accepted)]) ++accepted;
    const double pass = m.seconds[static_cast<std::size_t>(drafted)] * (0.95 + 0.1 * uniform());
    length.add({.drafted = drafted, .accepted = accepted, .draft_seconds = drafted * m.draft, .pass_seconds = pass});
    time += pass + drafted * m.draft;
    tokens += 1 + accepted;
    out.drafts += drafted > 0;
  }
  out.speed = static_cast<double>(tokens) / time;
  return out;
}

std::vector<double> times(double first, double more, int most) {
  std::vector<double> t;
  for (int rows = 1; rows <= most + 1; ++rows) t.push_back(first + more * (rows - 1));
  return t;
}
const std::vector<double> often(8, 0.9), seldom(8, 0.1), never(8, 0.0);

}  // namespace

TEST_CASE("the length that gives the most tokens a second") {
  test::Random random(1);
  // rows that cost nothing; a tenth; and as much as a pass each
  const Machine machines[] = {{times(1, 0, 8), 0, often},
                              {times(1, 0.1, 8), 0, often},
                              {times(1, 0.1, 8), 0, std::vector<double>(8, 0.6)},
                              {times(1, 0.1, 8), 0.1, {0.9, 0.8, 0.3, 0.2, 0.1, 0.1, 0.1, 0.1}},
                              {times(1, 0.4, 8), 0.05, often},
                              {times(1, 1, 8), 0, std::vector<double>(8, 0.95)},
                              {times(1, 0.05, 8), 0, {0.5, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9}}};
  for (Machine const& m : machines) {
    DraftLength length(8);
    run(length, m, 300, random);
    CHECK(run(length, m, 1000, random).speed > 0.9 * m.best());
    CHECK(m.speed(length.next()) > 0.93 * m.best());
  }
  DraftLength free(8), dear(8);
  run(free, machines[0], 300, random);
  run(dear, machines[5], 300, random);
  CHECK(free.next() == 8);
  CHECK(dear.next() <= 1);
}

TEST_CASE("where drafts do not pay there are none, but for a look now and then") {
  test::Random random(2);
  for (Machine const& m : {Machine{times(1, 0.3, 8), 0, seldom}, Machine{times(1, 0.3, 8), 0.2, never},
                           Machine{times(1, 0.9, 8), 0, often, 0.3}}) {
    DraftLength length(8);
    const Run first = run(length, m, 200, random), later = run(length, m, 3000, random);
    CHECK(first.speed > 0.9 * m.speed(0));
    CHECK(later.speed > 0.985 * m.speed(0));
    CHECK(later.drafts > 5);
    CHECK(later.drafts < 250);
  }
}

TEST_CASE("texts change, and so does the processor") {
  test::Random random(3);
  const Machine quotes{times(1, 0.1, 8), 0, often}, prose{times(1, 0.1, 8), 0, never}, busy{times(1, 1.1, 8), 0, often};
  DraftLength length(8);
  run(length, prose, 2000, random);
  for (int again = 0; again < 3; ++again) {
    run(length, quotes, 300, random);  // until it looks again
    CHECK(run(length, quotes, 200, random).speed > 0.8 * quotes.best());
    run(length, prose, 100, random);
    CHECK(run(length, prose, 200, random).drafts < 70);
  }
  run(length, busy, 300, random);
  CHECK(run(length, busy, 300, random).drafts < 30);
}

TEST_CASE("times: measured, between those measured, and none without any") {
  DraftLength length(8);
  CHECK(length.seconds(3) == 0);
  CHECK(length.next() == 8);
  length.add({.drafted = 8, .accepted = 8, .draft_seconds = 0.8});  // a first pass, which tells no time
  CHECK(length.next() == 8);
  length.pass(9, 3);
  CHECK(length.seconds(1) == 3);
  length.add({.drafted = 8, .accepted = 8, .draft_seconds = 0.8, .pass_seconds = 3});
  CHECK(length.next() == 0);  // plain decoding has no time yet
  length.add({.pass_seconds = 1});
  CHECK(length.next() == 8);
  CHECK(length.seconds(1) == 1);
  CHECK(length.seconds(5) == doctest::Approx(2));
  CHECK(length.draft_seconds() == doctest::Approx(0.1));
  length.pass(5, 2.5);
  CHECK(length.seconds(7) == doctest::Approx(2.75));
  length.pass(1, 1000);  // somebody else had the processor
  CHECK(length.seconds(1) < 1.5);
  length.pass(10, 1);  // no draft is so long
  length.pass(1, 0);
  CHECK(length.seconds(9) == 3);
  CHECK(DraftLength(0).next() == 0);
  CHECK_THROWS_WITH_AS(DraftLength(-1), doctest::Contains("-1 tokens"), error);
}

TEST_CASE("how often a place stays: a place that was not seen does as the one before") {
  DraftLength length(4);
  CHECK(length.stays(3) == 0.5);
  for (int i = 0; i < 50; ++i) length.add({.drafted = 2, .accepted = 1, .pass_seconds = 1});
  CHECK(length.stays(0) > 0.95);
  CHECK(length.stays(1) < 0.05);
  CHECK(length.stays(3) == length.stays(1));
  for (int i = 0; i < 100; ++i) length.add({.drafted = 2, .accepted = 0, .pass_seconds = 1});
  CHECK(length.stays(0) < 0.1);  // the latest count most
}

}  // namespace test_draft_length
