#include <doctest/doctest.h>

#include <cmath>
#include <fauna/backend/cpu.hpp>
#include <fauna/ops/activation/cpu.hpp>
#include <fauna/ops/activation/ref.hpp>
#include <initializer_list>
#include <limits>

#include "support/compare.hpp"
#include "support/op_check.hpp"
#include "support/random.hpp"

namespace test_activation {

using namespace fauna;
using test::Rows, test::with_threads;

namespace {
/// What lanes.hpp states for the slope.
double slope_bound(activation kind) { return kind == activation::tanh ? 7e-7 : 4e-7; }
}  // namespace

TEST_CASE_TEMPLATE("activation: equals the reference on every tile and for any number of threads", B,
                   Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx2>, Cpu<f32_products, isa::avx512>) {
  test::Random random(1);
  const int shapes[][2] = {{1, 1}, {7, 1}, {1, 33}, {13, 20}, {64, 512}, {300, 65}};
  for (auto const& s : shapes)
    for (auto kind : test::activations) {
      const int rows = s[0], cols = s[1];
      const Rows<float> x(random, rows, cols, 3, kind == activation::relu_squared ? 2 : 6), dy(random, rows, cols, 1);
      Rows<double> y(rows, cols), dx(rows, cols);
      activate<Ref<double>>::forward({}, kind, x.as<double>(), y);
      activate<Ref<double>>::backward({}, kind, x.as<double>(), dy.as<double>(), dx);

      Rows<float> y1(rows, cols, 2), dx1(rows, cols, 2);
      activate<B>::forward(with_threads<B>(1), kind, x, y1);
      activate<B>::backward(with_threads<B>(1), kind, x, dy, dx1);
      // lanes.hpp states 3e-7 |x| for the value, and |x| <= 6
      CHECK(test::distance<float>(y1, y) < 1.8e-6);
      CHECK(test::distance<float>(dx1, dx) < slope_bound(kind));
      CHECK(y1.gaps_untouched());
      CHECK(dx1.gaps_untouched());
      for (int threads : {2, 3, 8}) {
        Rows<float> again(rows, cols), d_again = dy;
        activate<B>::forward(with_threads<B>(threads), kind, x, again);
        activate<B>::backward(with_threads<B>(threads), kind, x, d_again, d_again);  // dx may be dy
        CHECK(test::same_bits<float>(again, y1));
        CHECK(test::same_bits<float>(d_again, dx1));
      }
      Rows<float> in_place = x;
      activate<B>::forward(with_threads<B>(2), kind, in_place, in_place);
      CHECK(test::same_bits<float>(in_place, y1));
    }
}

TEST_CASE_TEMPLATE("activation: vectors stay within their stated error everywhere", B, Cpu<f32_products, isa::baseline>,
                   Cpu<f32_products, isa::avx2>, Cpu<f32_products, isa::avx512>) {
  constexpr int W = B::lanes;
  const auto at = [](activation kind, bool slope, float x) {
    simd::vfloat<W> v, y{};
    simd::broadcast<W>(v, x);
    simd::with_form(kind, [&](auto form) {
      if (slope) simd::activate_gradient_lanes<form.value, W>(y, v);
      else simd::activate_lanes<form.value, W>(y, v);
    });
    return static_cast<float>(y[W - 1]);
  };
  constexpr float inf = std::numeric_limits<float>::infinity();
  for (auto kind : test::activations) {
    const bool bounded = kind == activation::sigmoid || kind == activation::tanh;
    double value = 0, slope = 0;
    for (int i = -20'000; i <= 20'000; ++i) {
      const float x = static_cast<float>(i) * (kind == activation::silu || bounded ? 1.1e-3F : 3.7e-4F);
      const auto d = static_cast<double>(x);
      if (i != 0)
        test::see(value, std::fabs(static_cast<double>(at(kind, false, x)) - activation_value(kind, d)) /
                             (bounded ? 1 : std::fabs(d)));
      test::see(slope, std::fabs(static_cast<double>(at(kind, true, x)) - activation_gradient(kind, d)));
    }
    CHECK(value < 3e-7 * (kind == activation::relu_squared ? 7.4 : 1));  // of x², and |x| <= 7.4
    CHECK(slope < slope_bound(kind));
    CHECK(at(kind, false, 0.0F) == (kind == activation::sigmoid ? 0.5F : 0.0F));
    CHECK(at(kind, false, inf) == (bounded ? 1.0F : inf));
    CHECK(std::isnan(at(kind, false, std::nanf(""))));
    if (kind != activation::relu) CHECK(std::isnan(at(kind, true, std::nanf(""))) == (kind != activation::none));
    if (kind == activation::relu_squared) continue;
    if (bounded) {
      CHECK(at(kind, false, 1e30F) == 1.0F);
      // Not 0 to the bit: where a product and a sum are fused, t is not rounded to -1/2 first.
      CHECK(std::fabs(at(kind, false, -1e30F) - (kind == activation::tanh ? -1.0F : 0.0F)) < 3e-7F);
      CHECK(at(kind, true, 1e30F) == 0.0F);
      CHECK(at(kind, true, -1e30F) == 0.0F);
      continue;
    }
    CHECK(std::fabs(at(kind, false, 1e30F) - 1e30F) < 1e23F);
    CHECK(std::fabs(at(kind, true, 1e30F) - 1.0F) < 4e-7F);
    if (kind == activation::none) continue;
    CHECK(std::fabs(at(kind, false, -1e30F)) < 1e22F);
    CHECK(std::fabs(at(kind, true, -1e30F)) < 4e-7F);
  }
}

TEST_CASE("activation: known values") {
  // Φ(1) = 0.841344746..., φ(1) = 0.241970724...; the tanh form of 1 is 0.841191990...
  CHECK(activation_value(activation::gelu, 1.0) == doctest::Approx(0.8413447460685429).epsilon(1e-14));
  CHECK(activation_value(activation::gelu, -1.0) == doctest::Approx(-0.15865525393145707).epsilon(1e-14));
  CHECK(activation_gradient(activation::gelu, 1.0) == doctest::Approx(1.0833154705876858).epsilon(1e-14));
  CHECK(activation_value(activation::gelu_tanh, 1.0) == doctest::Approx(0.8411919906082768).epsilon(1e-14));
  CHECK(activation_value(activation::none, 1.5) == 1.5);
  // σ(1) = 0.731058578..., silu'(1) = σ(1) (1 + 1 - σ(1))
  CHECK(activation_value(activation::silu, 1.0) == doctest::Approx(0.7310585786300049).epsilon(1e-14));
  CHECK(activation_value(activation::silu, -1.0) == doctest::Approx(-0.2689414213699951).epsilon(1e-14));
  CHECK(activation_gradient(activation::silu, 1.0) == doctest::Approx(0.9276705118714867).epsilon(1e-14));
  CHECK(activation_value(activation::relu, -2.0) == 0.0);
  CHECK(activation_gradient(activation::relu, 0.0) == 0.0);
  CHECK(activation_value(activation::relu_squared, 3.0) == 9.0);
  CHECK(activation_gradient(activation::relu_squared, 3.0) == 6.0);
  CHECK(activation_value(activation::sigmoid, 1.0) == doctest::Approx(0.7310585786300049).epsilon(1e-14));
  CHECK(activation_gradient(activation::sigmoid, 1.0) == doctest::Approx(0.19661193324148185).epsilon(1e-14));
  CHECK(activation_value(activation::tanh, 1.0) == doctest::Approx(0.7615941559557649).epsilon(1e-14));
  CHECK(activation_gradient(activation::tanh, 1.0) == doctest::Approx(0.41997434161402614).epsilon(1e-14));
}

TEST_CASE("activation: the gradient equals the derivative of dual numbers") {
  test::Random random(2);
  for (auto kind : test::activations) {
    const int rows = 5, cols = 40;
    const Rows<double> x(random, rows, cols, 0, 4), xd(random, rows, cols), probe(random, rows, cols);
    Rows<Dual> y(rows, cols);
    activate<Ref<Dual>>::forward({}, kind, test::dual(x, xd), y);
    Rows<double> dx(rows, cols);
    activate<Ref<double>>::backward({}, kind, x, probe, dx);
    test::Dot dot;
    dot.add(dx, xd);
    CHECK(dot.error(test::derivative(probe, y)) < 1e-12);
  }
}

}  // namespace test_activation
