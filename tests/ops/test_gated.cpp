#include <doctest/doctest.h>

#include <fauna/ops/gated/cpu.hpp>
#include <fauna/ops/gated/ref.hpp>
#include <initializer_list>

#include "support/compare.hpp"
#include "support/op_check.hpp"
#include "support/random.hpp"

namespace test_gated {

using namespace fauna;
using test::Rows, test::with_threads;

TEST_CASE_TEMPLATE("gated: equals the reference on every tile and for any number of threads", B,
                   Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx2>, Cpu<f32_products, isa::avx512>) {
  test::Random random(1);
  const int shapes[][2] = {{1, 1}, {7, 1}, {1, 33}, {13, 20}, {64, 512}, {300, 65}};
  for (auto const& s : shapes)
    for (auto kind : test::activations) {
      const int rows = s[0], cols = s[1];
      const Rows<float> x(random, rows, 2 * cols, 3, 4), dy(random, rows, cols, 1);
      Rows<double> y(rows, cols), dx(rows, 2 * cols);
      gated<Ref<double>>::forward({}, kind, x.as<double>(), y);
      gated<Ref<double>>::backward({}, kind, x.as<double>(), dy.as<double>(), dx);

      Rows<float> y1(rows, cols, 2), dx1(rows, 2 * cols, 2);
      gated<B>::forward(with_threads<B>(1), kind, x, y1);
      gated<B>::backward(with_threads<B>(1), kind, x, dy, dx1);
      // activation/lanes.hpp states 3e-7 of |x| <= 4 (x² for relu_squared) and 4e-7 for the slope; times |u| <= 4 or
      // |dy| <= 1, and a rounding
      CHECK(test::distance<float>(y1, y) < (kind == activation::relu_squared ? 2e-5 : 6e-6));
      CHECK(test::distance<float>(dx1, dx) < 6e-6);
      CHECK(y1.gaps_untouched());
      CHECK(dx1.gaps_untouched());
      for (int threads : {2, 3, 8}) {
        Rows<float> again(rows, cols), d_again = x;
        gated<B>::forward(with_threads<B>(threads), kind, x, again);
        gated<B>::backward(with_threads<B>(threads), kind, d_again, dy, d_again);  // dx may be x
        CHECK(test::same_bits<float>(again, y1));
        CHECK(test::same_bits<float>(d_again, dx1));
      }
      Rows<float> in_place = x;
      const Matrix<float> left(in_place.data(), rows, cols, in_place.view().stride());
      gated<B>::forward(with_threads<B>(2), kind, in_place, left);
      CHECK(test::same_bits<float>(left, y1));
    }
}

TEST_CASE("gated: a known value") {
  // silu(1) · 3 and, going back, 3 silu'(1) and silu(1)
  const double x[] = {1, 3}, one = 1;
  double y, dx[2];
  gated<Ref<double>>::forward({}, activation::silu, Matrix<const double>(x, 1, 2), Matrix<double>(&y, 1, 1));
  CHECK(y == doctest::Approx(3 * 0.7310585786300049).epsilon(1e-14));
  gated<Ref<double>>::backward({}, activation::silu, Matrix<const double>(x, 1, 2), Matrix<const double>(&one, 1, 1),
                               Matrix<double>(dx, 1, 2));
  CHECK(dx[0] == doctest::Approx(3 * 0.9276705118714867).epsilon(1e-14));
  CHECK(dx[1] == doctest::Approx(0.7310585786300049).epsilon(1e-14));
}

TEST_CASE("gated: the gradient equals the derivative of dual numbers") {
  test::Random random(2);
  for (auto kind : test::activations) {
    const int rows = 5, cols = 20;
    const Rows<double> x(random, rows, 2 * cols, 0, 4), xd(random, rows, 2 * cols), probe(random, rows, cols);
    Rows<Dual> y(rows, cols);
    gated<Ref<Dual>>::forward({}, kind, test::dual(x, xd), y);
    Rows<double> dx(rows, 2 * cols);
    gated<Ref<double>>::backward({}, kind, x, probe, dx);
    test::Dot dot;
    dot.add(dx, xd);
    CHECK(dot.error(test::derivative(probe, y)) < 1e-12);
  }
}

}  // namespace test_gated
