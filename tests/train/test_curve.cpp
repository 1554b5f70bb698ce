// The loss curve: right places, right labels, nothing that breaks the file.
#include <doctest/doctest.h>

#include <fauna/train/curve.hpp>
#include <limits>

namespace test_curve {

using namespace fauna;

namespace {

bool has(std::string const& s, std::string const& part) { return s.find(part) != std::string::npos; }
std::size_t count(std::string const& s, std::string const& part) {
  std::size_t n = 0;
  for (std::size_t at = s.find(part); at != std::string::npos; at = s.find(part, at + 1)) ++n;
  return n;
}
LossSeries series(std::vector<LossPoint> const& points) { return {points.data(), points.size()}; }

}  // namespace

TEST_CASE("decimals") {
  CHECK(decimal(0, 0) == "0");
  CHECK(decimal(4.1744, 3) == "4.174");
  CHECK(decimal(0.05, 2) == "0.05");
  CHECK(decimal(-0.05, 2) == "-0.05");
  CHECK(decimal(-0.001, 2) == "0.00");
  CHECK(decimal(1999.9996, 3) == "2000.000");
  CHECK(decimal(12, 1) == "12.0");
  CHECK(decimal(-1e30, 3) == "-1e+30");
  CHECK(decimal(99999999999, 6) == "99999999999.000000");
}

TEST_CASE("axes begin and end on ticks of 1, 2 or 5") {
  const Axis a(1.77, 4.17, 6);
  CHECK(a.step == doctest::Approx(0.5));
  CHECK(a.low == doctest::Approx(1.5));
  CHECK(a.high == doctest::Approx(4.5));
  CHECK(a.ticks() == 6);
  CHECK(a.label(0) == "1.5");
  const Axis b(0, 2000, 8);
  CHECK(b.step == 500);
  CHECK(b.high == 2000);
  CHECK(b.label(b.ticks()) == "2000");
  const Axis c(0.0113, 0.0187, 5);
  CHECK(c.label(1) == "0.012");
  const Axis one(3, 3, 4);  // a range of nothing still has a width
  CHECK(one.high > 3);
  CHECK(one.low <= 3);
}

TEST_CASE("the picture puts a point where its axes say") {
  const std::vector<LossPoint> train{{0, 4}, {50, 3}, {100, 2}}, val{{0, 4}, {100, 2.5}};
  const std::string svg = loss_svg(series(train), series(val), "a < b & c");
  // x from 64 to 690 for steps 0 to 100; y from 344 up to 72 for losses 2 to 4.
  CHECK(has(svg, "<polyline class=\"line train\" points=\"64.0,72.0 377.0,208.0 690.0,344.0\"/>"));
  CHECK(has(svg, "<polyline class=\"line val\" points=\"64.0,72.0 690.0,276.0\"/>"));
  CHECK(count(svg, "<circle") == 2);
  CHECK(has(svg, ">a &lt; b &amp; c</text>"));
  CHECK(has(svg, ">train 2.000</text>"));
  CHECK(has(svg, ">val 2.500</text>"));
  CHECK(has(svg, ">step</text>"));
  CHECK(has(svg, ">loss</text>"));
  CHECK(has(svg, "prefers-color-scheme: dark"));
  CHECK(count(svg, "<text") == count(svg, "</text>"));
  CHECK(count(svg, "\"") % 2 == 0);
}

TEST_CASE("a long run is drawn as means, and says so") {
  std::vector<LossPoint> train;
  for (int i = 0; i < 1500; ++i) train.push_back({double(i), i % 3 == 0 ? 4.0 : 1.0});
  const std::string svg = loss_svg(series(train), {});
  CHECK(has(svg, ">train 2.000 (means of 3)</text>"));
  CHECK(!has(svg, "line val"));
  CHECK(svg.size() < 20000);
}

TEST_CASE("losses that are no numbers are left out") {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  const std::vector<LossPoint> train{{0, 4}, {1, nan}, {2, inf}, {3, 1e300}, {4, 2}}, broken{{0, nan}};
  const std::string svg = loss_svg(series(train), series(broken)), text = loss_text(series(train), series(broken));
  CHECK(has(svg, "points=\"64.0,72.0 690.0,344.0\""));
  CHECK(!has(svg, "nan"));
  CHECK(!has(svg, "inf"));
  CHECK(has(text, ". train 2.000"));
  CHECK(!has(text, "val"));
  CHECK(has(loss_svg(series(broken), {}), "no losses yet"));
  CHECK(has(loss_svg({}, {}), "</svg>"));
  CHECK(loss_text({}, {}) == "no losses yet\n");
}

TEST_CASE("the terminal's picture") {
  const std::vector<LossPoint> train{{0, 4}, {50, 3}, {100, 2}}, val{{0, 4}, {100, 3}};
  CHECK(loss_text(series(train), series(val), 21, 5) ==
        " 4.0 +o\n"
        " 3.5 +\n"
        " 3.0 +          .         o\n"
        " 2.5 +\n"
        " 2.0 +                    .\n"
        "      +---------+---------+\n"
        "      0        50        100\n"
        "      loss by step:  . train 2.000  o val 3.000\n");
}

}  // namespace test_curve
