#include <doctest/doctest.h>

#include <fauna/ops/clamped_swiglu/cpu.hpp>
#include <fauna/ops/clamped_swiglu/ref.hpp>

#include "support/compare.hpp"
#include "support/op_check.hpp"
#include "support/random.hpp"

namespace test_clamped_swiglu {

using namespace fauna;
using test::Rows, test::with_threads;

namespace {
constexpr ClampedGate how{.limit = 1.5F, .slope = 1.702F};  // of numbers up to 4: many are beyond
}

TEST_CASE_TEMPLATE("clamped_swiglu: equals the reference on every tile and for any number of threads", B,
                   Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx2>, Cpu<f32_products, isa::avx512>) {
  test::Random random(1);
  const int shapes[][2] = {{1, 1}, {7, 1}, {1, 33}, {13, 20}, {64, 512}, {300, 65}};
  for (auto const& s : shapes) {
    const int rows = s[0], cols = s[1];
    const Rows<float> x(random, rows, 2 * cols, 3, 4), dy(random, rows, cols, 1);
    Rows<double> y(rows, cols), dx(rows, 2 * cols);
    clamped_swiglu<Ref<double>>::forward({}, how, x.as<double>(), y);
    clamped_swiglu<Ref<double>>::backward({}, how, x.as<double>(), dy.as<double>(), dx);

    Rows<float> y1(rows, cols, 2), dx1(rows, 2 * cols, 2);
    clamped_swiglu<B>::forward(with_threads<B>(1), how, x, y1);
    clamped_swiglu<B>::backward(with_threads<B>(1), how, x, dy, dx1);
    // activation/lanes.hpp states 3e-7 for σ and 4e-7 for the slope; times 4 and 2.5, and roundings
    CHECK(test::distance<float>(y1, y) < 6e-6);
    CHECK(test::distance<float>(dx1, dx) < 6e-6);
    CHECK(y1.gaps_untouched());
    CHECK(dx1.gaps_untouched());
    for (int threads : {2, 3, 8}) {
      Rows<float> again(rows, cols), d_again = x;
      clamped_swiglu<B>::forward(with_threads<B>(threads), how, x, again);
      clamped_swiglu<B>::backward(with_threads<B>(threads), how, d_again, dy, d_again);  // dx may be x
      CHECK(test::same_bits<float>(again, y1));
      CHECK(test::same_bits<float>(d_again, dx1));
    }
    Rows<float> in_place = x;
    const Matrix<float> left(in_place.data(), rows, cols, in_place.view().stride());
    clamped_swiglu<B>::forward(with_threads<B>(2), how, in_place, left);
    CHECK(test::same_bits<float>(left, y1));
  }
}

TEST_CASE("clamped_swiglu: known values, within the limits and beyond them") {
  // g = 1, u = 0.5: σ(1) · 1.5. g = 9 is 1.5 and u = -9 is -1.5: 1.5 σ(1.5) · -0.5, and no gradient.
  const double x[] = {1, 9, 0.5, -9}, one[] = {1, 1};
  double y[2], dx[4];
  const ClampedGate exact{.limit = 1.5F, .slope = 1};
  clamped_swiglu<Ref<double>>::forward({}, exact, Matrix<const double>(x, 1, 4), Matrix<double>(y, 1, 2));
  CHECK(y[0] == doctest::Approx(0.7310585786300049 * 1.5).epsilon(1e-14));
  CHECK(y[1] == doctest::Approx(1.5 * 0.8175744761936437 * -0.5).epsilon(1e-14));
  clamped_swiglu<Ref<double>>::backward({}, exact, Matrix<const double>(x, 1, 4), Matrix<const double>(one, 1, 2),
                                        Matrix<double>(dx, 1, 4));
  CHECK(dx[0] == doctest::Approx(1.5 * 0.9276705118714867).epsilon(1e-14));  // silu'(1)
  CHECK(dx[2] == doctest::Approx(0.7310585786300049).epsilon(1e-14));
  CHECK(dx[1] == 0);
  CHECK(dx[3] == 0);
}

TEST_CASE("clamped_swiglu: the gradient equals the derivative of dual numbers") {
  test::Random random(2);
  const int rows = 5, cols = 20;
  const Rows<double> x(random, rows, 2 * cols, 0, 4), xd(random, rows, 2 * cols), probe(random, rows, cols);
  Rows<Dual> y(rows, cols);
  clamped_swiglu<Ref<Dual>>::forward({}, how, test::dual(x, xd), y);
  Rows<double> dx(rows, 2 * cols);
  clamped_swiglu<Ref<double>>::backward({}, how, x, probe, dx);
  test::Dot dot;
  dot.add(dx, xd);
  CHECK(dot.error(test::derivative(probe, y)) < 1e-12);
}

}  // namespace test_clamped_swiglu
