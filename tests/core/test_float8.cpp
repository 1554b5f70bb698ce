// Eight-bit numbers and their scales, value by value: against PyTorch's types and torchao's scales.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include <fauna/core/float8.hpp>

#include "support/golden.hpp"

namespace test_float8 {

using namespace fauna;

namespace {

/// Equal bits, but for the many of NaN.
bool same(float a, float b) { return a == b ? std::signbit(a) == std::signbit(b) : a != a && b != b; }

}  // namespace

TEST_CASE_TEMPLATE("float8: the value of every code, and the code of every value", F, e4m3, e5m2) {
  const Golden golden("float8.bin");
  const auto values = golden.floats(std::string(F::has_infinity ? "e5m2" : "e4m3") + ".values");
  REQUIRE(values.size() == 256);
  for (int code = 0; code < 256; ++code) {
    CAPTURE(code);
    const auto bits = static_cast<std::uint8_t>(code);
    const auto v = static_cast<float>(F::of(bits)), want = values[static_cast<std::size_t>(code)];
    CHECK(same(v, want));
    if (v - v == 0) CHECK(F(v).bits == bits);
    else CHECK(same(F(v), std::isinf(v) ? std::copysign(F::most, v) : v));
  }
}

TEST_CASE_TEMPLATE("float8: casts are PyTorch's: ties to even, what is beside them, subnormals, what is too large", F,
                   e4m3, e5m2) {
  const Golden golden("float8.bin");
  const auto x = golden.floats("x");
  const auto codes = golden.ints(std::string(F::has_infinity ? "e5m2" : "e4m3") + ".codes");
  REQUIRE(x.size() == codes.size());
  REQUIRE(x.size() > 1500);
  for (std::size_t i = 0; i < x.size(); ++i) {
    CAPTURE(x[i]);
    CHECK(int{F(x[i]).bits} == codes[i]);
    CHECK(same(F::rounded(x[i]), static_cast<float>(F(x[i]))));
  }
}

TEST_CASE("float8: NaN stays, infinities become the largest, constants cast at compile time") {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  CHECK(std::isnan(e4m3::rounded(nan)));
  CHECK(std::isnan(e5m2::rounded(-nan)));
  CHECK(int{e4m3(nan).bits} == 0x7f);
  CHECK(int{e5m2(nan).bits} == 0x7f);
  CHECK(e4m3::rounded(infinity) == 448);
  CHECK(e5m2::rounded(-infinity) == -57344);
  static_assert(e4m3(1.0625F) == 1.0F && e4m3(17.0F) == 16.0F && e4m3(19.0F) == 20.0F && e4m3(0x3p-10F) == 0x1p-8F);
  static_assert(e5m2(1.375F) == 1.5F && e5m2(0x1p-17F) == 0.0F && e5m2(61440.0F) == 57344.0F);
}

TEST_CASE("float8: scales") {
  CHECK(float8_scale(448, 3) == 149.33333F);
  CHECK(float8_scale(448, 0) == 4.48e14F);
  CHECK(power_below(float8_scale(448, 3)) == 128);
  CHECK(power_below(0x1p-20F) == 0x1p-20F);
  const Golden golden("float8.bin");
  const auto amax = golden.floats("amax");
  const auto bytes = golden.ints("mx.bytes");
  for (std::size_t i = 0; i < amax.size(); ++i) {
    CAPTURE(amax[i]);
    CHECK(int{e8m0_scale(amax[i])} == bytes[i]);
  }
  CHECK(int{e8m0_scale(std::nextafter(1.75F, 2.0F))} == 120);  // torchao's logarithm in f32 does not see this much
  CHECK(int{e8m0_scale(std::numeric_limits<float>::infinity())} == 255);
  CHECK(std::isnan(e8m0_inverse(255)));
  for (int e = 0; e < 255; ++e) {
    const auto byte = static_cast<std::uint8_t>(e);
    CHECK(e8m0_value(byte) == std::ldexp(1.0F, e - 127));
    CHECK(e8m0_inverse(byte) == std::ldexp(1.0F, 127 - e));
  }
}

}  // namespace test_float8
