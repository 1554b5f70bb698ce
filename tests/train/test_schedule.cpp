// Learning rates by step.
#include <doctest/doctest.h>

#include <cmath>
#include <fauna/train/schedule.hpp>

namespace test_schedule {

using namespace fauna;
using doctest::Contains;

namespace {

bool close(double a, double b) { return std::fabs(a - b) <= 1e-15 * std::fabs(b); }  // a few roundings of a double

}  // namespace

TEST_CASE("cosine is nanoGPT's rule") {
  // Values of the published rule in Python's doubles.
  const Schedule s = Cosine{1e-3, 1e-4, 100, 2000};
  CHECK(close(s(0), 9.900990099009901e-06));
  CHECK(close(s(1), 1.9801980198019803e-05));
  CHECK(close(s(99), 0.0009900990099009901));
  CHECK(s(100) == 0.001);
  CHECK(close(s(101), 0.0009999993848585915));
  CHECK(close(s(575), 0.0008681980515339464));
  CHECK(close(s(1050), 0.00055));
  CHECK(close(s(1525), 0.00023180194846605365));
  CHECK(close(s(1999), 0.00010000061514140841));
  CHECK(s(2000) == 0.0001);
  CHECK(s(2001) == 0.0001);
  CHECK(s(1000000) == 0.0001);
  const Schedule gpt2 = Cosine{6e-4, 6e-5, 2000, 600000};
  CHECK(close(gpt2(5000), 0.0005999664675978719));
  CHECK(close(gpt2(300000), 0.0003314184383189326));
}

TEST_CASE("linear falls evenly to its minimum") {
  const Schedule s = LinearDecay{1, 0.5, 4, 14};
  CHECK(s(0) == doctest::Approx(0.2));
  CHECK(s(3) == doctest::Approx(0.8));
  CHECK(s(4) == 1);
  CHECK(s(9) == doctest::Approx(0.75));
  CHECK(s(13) == doctest::Approx(0.55));
  CHECK(s(14) == 0.5);
  CHECK(s(15) == 0.5);
}

TEST_CASE("constant stays after its warm-up") {
  const Schedule s = Constant{0.25}, warm = Constant{1, 3};
  CHECK(s(0) == 0.25);
  CHECK(s(1000000) == 0.25);
  CHECK(warm(0) == 0.25);
  CHECK(warm(2) == 0.75);
  CHECK(warm(3) == 1);
}

TEST_CASE("warm-up, stable, decay") {
  const Schedule s = Wsd{1, 0.2, 10, 1000, 0.25};
  CHECK(s(4) == doctest::Approx(5.0 / 11));
  CHECK(s(10) == 1);
  CHECK(s(750) == 1);
  CHECK(s(751) < 1);
  CHECK(s(750 + 62) == doctest::Approx(1 - 0.8 * std::sqrt(62.0 / 250)));
  CHECK(s(1000) == 0.2);
  const Schedule all = Wsd{1, 0, 10, 100, 1};  // the decay starts no earlier than the warm-up ends
  CHECK(all(10) == 1);
  CHECK(all(55) == doctest::Approx(1 - std::sqrt(0.5)));
}

TEST_CASE("no schedule jumps, and none leaves [min, lr]") {
  for (const Schedule& s : {Schedule(Cosine{1, 0.1, 100, 2000}), Schedule(LinearDecay{1, 0.1, 100, 2000}),
                            Schedule(Constant{1, 100}), Schedule(Wsd{1, 0.1, 100, 2000, 0.3})})
    for (long i = 100; i < 2100; ++i) {
      CHECK(s(i) <= s(i - 1 < 100 ? 100 : i - 1));
      CHECK(s(i) >= 0.1);
      CHECK(std::fabs(s(i + 1) - s(i)) < 0.04);  // the square root's first step of 600: 0.9 / sqrt(600)
    }
}

TEST_CASE("a schedule without room for decay") {
  const Schedule s = Cosine{1, 0.5, 10, 10};
  CHECK(s(9) == doctest::Approx(10.0 / 11));
  CHECK(s(10) == 0.5);
}

TEST_CASE("settings that mean nothing are refused") {
  CHECK_THROWS_WITH_AS(Schedule(Cosine{1, 0, 11, 10}), Contains("a warm-up of 11 steps in 10"), error);
  CHECK_THROWS_WITH_AS(Schedule(Cosine{1, 0, -1, 10}), Contains("warmup"), error);
  CHECK_THROWS_WITH_AS(Schedule(LinearDecay{-1, 0, 0, 10}), Contains("lr = -1"), error);
  CHECK_THROWS_WITH_AS(Schedule(Constant{std::nan("")}), Contains("finite"), error);
  CHECK_THROWS_WITH_AS(Schedule(Wsd{1, 0, 0, 10, 1.5}), Contains("fraction"), error);
}

}  // namespace test_schedule
