// Accuracy of the vector functions against libm in double, over sweeps that include every binade.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <fauna/backend/simd.hpp>
#include <initializer_list>
#include <limits>

#include "support/sizes.hpp"
#include "support/worst.hpp"

namespace test_simd {

using namespace fauna;

namespace {

constexpr float inf = std::numeric_limits<float>::infinity();

/// The distance to the double result in units of the last place of its float rounding.
double ulps(float got, double want) {
  const float w = static_cast<float>(want);
  const float next = std::nextafter(std::fabs(w), inf);
  const double unit = static_cast<double>(next) - std::fabs(static_cast<double>(w));
  return std::fabs(static_cast<double>(got) - want) / unit;
}

enum class function { exp, exp2_fading, softplus, tanh, erf, sqrt, sin, cos };

template <int W> float call(function f, float x) {
  alignas(64) float t[W];
  for (int i = 0; i < W; ++i) t[i] = x;
  simd::vfloat<W> v, y{};
  simd::load<W>(v, t);
  if (f == function::exp) simd::exp<W>(y, v);
  if (f == function::exp2_fading) simd::exp2_fading<W>(y, v);
  if (f == function::softplus) simd::softplus<W>(y, v);
  if (f == function::tanh) simd::tanh<W>(y, v);
  if (f == function::erf) simd::erf<W>(y, v);
  if (f == function::sqrt) simd::sqrt<W>(y, v);
  simd::vfloat<W> other;
  if (f == function::sin) simd::sin_cos<W>(y, other, v);
  if (f == function::cos) simd::sin_cos<W>(other, y, v);
  simd::store<W>(t, y);
  for (int i = 1; i < W; ++i) CHECK(std::memcmp(&t[0], &t[i], 4) == 0);  // every lane computes the same
  return t[0];
}

/// The worst error over [lo, hi], evenly spaced, and over small magnitudes of every binade down to 2^-126.
template <int W, class Exact> double worst(function f, float lo, float hi, Exact exact) {
  double w = 0;
  const auto see = [&](float x) {
    if (x >= lo && x <= hi) test::see(w, ulps(call<W>(f, x), exact(static_cast<double>(x))));
  };
  constexpr int n = test::size(100'003, 10'007);
  for (int i = 0; i <= n; ++i) see(lo + (hi - lo) * (static_cast<float>(i) / static_cast<float>(n)));
  for (int e = -126; e <= 7; ++e)
    for (float m : {1.0F, 1.17F, 1.41F, 1.93F}) {
      see(std::ldexp(m, e));
      see(-std::ldexp(m, e));
    }
  return w;
}

template <int W> void sweep() {
  // The bounds are those that simd.hpp states. They hold with and without fused multiply-add.
  CHECK(worst<W>(function::exp, -87.33F, 88.72F, [](double x) { return std::exp(x); }) < 2.0);
  CHECK(worst<W>(function::exp2_fading, -125.9F, 0.0F, [](double x) { return std::exp2(x); }) < 2.0);
  CHECK(worst<W>(function::softplus, -86.0F, 200.0F, [](double x) { return std::log1p(std::exp(x)); }) < 4.0);
  CHECK(worst<W>(function::tanh, -12.0F, 12.0F, [](double x) { return std::tanh(x); }) < 4.0);
  CHECK(worst<W>(function::erf, -6.0F, 6.0F, [](double x) { return std::erf(x); }) < 10.0);
  CHECK(worst<W>(function::sqrt, 0.0F, 200.0F, [](double x) { return std::sqrt(x); }) <= 0.5);
  for (float edge : {4.0F, 1000.0F, 0x1p18F, 0x1p24F}) {
    CHECK(worst<W>(function::sin, -edge, edge, [](double x) { return std::sin(x); }) < 2.0);
    CHECK(worst<W>(function::cos, -edge, edge, [](double x) { return std::cos(x); }) < 2.0);
  }

  // the floats nearest to multiples of π/2, where all bits of the sine or cosine come from the reduction
  for (int k = 1; k < 20'000; k += 7) {
    const auto x = static_cast<float>(k * 1.57079632679489661923);
    CHECK(ulps(call<W>(function::sin, x), std::sin(static_cast<double>(x))) < 2.0);
    CHECK(ulps(call<W>(function::cos, x), std::cos(static_cast<double>(x))) < 2.0);
  }

  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(call<W>(function::sin, 0.0F) == 0.0F);
  CHECK(call<W>(function::cos, 0.0F) == 1.0F);
  for (auto f : {function::exp, function::exp2_fading, function::softplus, function::tanh, function::erf, function::sin,
                 function::cos})
    CHECK(std::isnan(call<W>(f, nan)));
  CHECK(call<W>(function::exp, -inf) == 0.0F);
  CHECK(call<W>(function::exp, -88.0F) == 0.0F);
  CHECK(call<W>(function::exp2_fading, -inf) == 0.0F);
  CHECK(call<W>(function::exp2_fading, -126.6F) == 0.0F);
  CHECK(call<W>(function::exp2_fading, 0.0F) == 1.0F);
  CHECK(call<W>(function::softplus, -inf) == 0.0F);
  CHECK(call<W>(function::softplus, inf) == inf);
  CHECK(call<W>(function::exp, 89.0F) == inf);
  CHECK(call<W>(function::exp, inf) == inf);
  CHECK(call<W>(function::exp, 0.0F) == 1.0F);
  simd::vfloat<W> v;
  simd::broadcast<W>(v, 50.0F);
  simd::exp<W>(v, v);  // over its own argument, where e^50 is more than the largest argument
  CHECK(float{v[0]} == call<W>(function::exp, 50.0F));
  for (auto f : {function::tanh, function::erf}) {
    CHECK(call<W>(f, inf) == 1.0F);
    CHECK(call<W>(f, -inf) == -1.0F);
    CHECK(call<W>(f, 0.0F) == 0.0F);
    CHECK(std::signbit(call<W>(f, -0.0F)));
    CHECK(call<W>(f, 50.0F) == 1.0F);
  }
}

template <int W> void memory() {
  alignas(64) float source[W + 1], out[W + 1];
  for (int i = 0; i <= W; ++i) source[i] = static_cast<float>(i + 1);
  for (int n = 0; n <= W; ++n) {
    simd::vfloat<W> v;
    simd::load_first<W>(v, source + 1, n);
    for (int i = 0; i < W; ++i) CHECK(float{v[i]} == (i < n ? static_cast<float>(i + 2) : 0.0F));
    for (float& o : out) o = -1.0F;
    simd::store_first<W>(out, v, n);
    for (int i = 0; i <= W; ++i) CHECK(out[i] == (i < n ? static_cast<float>(i + 2) : -1.0F));
  }
  simd::vfloat<W> v;
  simd::load<W>(v, source + 1);
  CHECK(simd::sum<W>(v) == static_cast<float>(W * (W + 3) / 2));
  CHECK(simd::max<W>(v) == static_cast<float>(W + 1));
  simd::broadcast<W>(v, -0.0F);
  for (int i = 0; i < W; ++i) CHECK(std::signbit(float{v[i]}));
  simd::load<W>(v, source);
  simd::swap_neighbours<W>(v, v);
  for (int i = 0; i < W; ++i) CHECK(float{v[i]} == source[i ^ 1]);
}

}  // namespace

TEST_CASE("simd: exp, tanh, erf, sin and cos stay within their stated error on every vector width") {
  sweep<4>();
  sweep<8>();
  sweep<16>();
}

TEST_CASE("simd: partial loads and stores, sums, maxima, broadcasts") {
  memory<4>();
  memory<8>();
  memory<16>();
}

}  // namespace test_simd
