#include <doctest/doctest.h>

#include <cmath>
#include <fauna/ops/rms_norm/cpu.hpp>
#include <fauna/ops/rms_norm/ref.hpp>
#include <initializer_list>

#include "support/compare.hpp"
#include "support/memory.hpp"
#include "support/random.hpp"

using namespace fauna;
using test::Rows;

namespace {

constexpr double eps = 1e-5;

/// The inputs of one case, all representable in a float.
struct Case {
  Rows<float> x, weight, dy, base, dweight;
  int offset;
  Case(test::Random& random, int rows, int cols, int gap, int offset_)
      : x(random, rows, cols, gap, 2, 0.5F),
        weight(random, 1, cols),
        dy(random, rows, cols, gap),
        base(random, rows, cols, gap),
        dweight(random, 1, cols),
        offset(offset_) {}
};

struct Result {
  Rows<float> y, dx, rstd, dweight;
};

template <class B> Result run(Case const& k, int threads, bool residual) {
  const int rows = k.x.rows(), cols = k.x.cols();
  test::Poisoned memory(rms_norm<B>::workspace(rows, cols, threads));
  Arena scratch = memory.arena();
  B b;
  b.threads = threads;
  b.scratch = &scratch;
  Result r{Rows<float>(rows, cols, 3), Rows<float>(rows, cols, 5), Rows<float>(1, rows), k.dweight};
  rms_norm<B>::forward(b, k.x, k.weight.data(), k.offset, r.y, r.rstd.data(), eps);
  rms_norm<B>::backward(b, k.x, k.weight.data(), k.offset, r.rstd.data(), k.dy, r.dx,
                        residual ? k.base.view() : Matrix<const float>(), r.dweight.data());
  CHECK(scratch.high_water() <= rms_norm<B>::workspace(rows, cols, threads));
  CHECK(scratch.used() == 0);
  CHECK(r.y.gaps_untouched());
  CHECK(r.dx.gaps_untouched());
  return r;
}

template <class B> void check(Case const& k, bool residual) {
  const int rows = k.x.rows(), cols = k.x.cols();
  const auto x = k.x.as<double>(), weight = k.weight.as<double>(), dy = k.dy.as<double>(), base = k.base.as<double>();
  Rows<double> y(rows, cols), dx(rows, cols), rstd(1, rows), dweight = k.dweight.as<double>();
  rms_norm<Ref<double>>::forward({}, x, weight.data(), k.offset, y, rstd.data(), eps);
  rms_norm<Ref<double>>::backward({}, x, weight.data(), k.offset, rstd.data(), dy, dx,
                                  residual ? base.view() : Matrix<const double>(), dweight.data());

  const Result got = run<B>(k, 1, residual);
  // Of each row 32 roundings (sums of `cols` terms of one size, divided by cols) of numbers that rstd scales; it is
  // about 1 but in rows of one or two columns.
  double scale = 1;
  for (int r = 0; r < rows; ++r) scale = std::fmax(scale, rstd.view()(0, r));
  const double bound = 32 * 6e-8 * scale;
  CHECK(test::distance<float>(got.rstd, rstd) < bound);
  CHECK(test::distance<float>(got.y, y) < bound);
  CHECK(test::distance<float>(got.dx, dx) < 4 * bound);
  // sums over rows: at most `rows` roundings of partial sums below 2 rows, though they rarely align
  CHECK(test::distance<float>(got.dweight, dweight) < bound * (4 + rows));

  for (int threads : {2, 3, 8}) {
    const Result again = run<B>(k, threads, residual);
    CHECK(test::same_bits<float>(again.y, got.y));
    CHECK(test::same_bits<float>(again.dx, got.dx));
    CHECK(test::same_bits<float>(again.rstd, got.rstd));
    CHECK(test::same_bits<float>(again.dweight, got.dweight));
  }
}

}  // namespace

TEST_CASE_TEMPLATE("rms_norm: equals the reference on every tile and for any number of threads", B,
                   Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx2>, Cpu<f32_products, isa::avx512>) {
  test::Random random(1);
  const int shapes[][2] = {{1, 1}, {1, 128}, {5, 1}, {3, 2}, {17, 33}, {64, 128}, {700, 65}, {1100, 20}, {40, 768}};
  for (auto const& s : shapes) {
    CAPTURE(s[0]);
    CAPTURE(s[1]);
    check<B>(Case(random, s[0], s[1], 0, 0), false);
    check<B>(Case(random, s[0], s[1], 7, 1), true);
  }
  for (int i = 0; i < 20; ++i) {
    const int rows = random.integer(1, 90), cols = random.integer(3, 150);
    check<B>(Case(random, rows, cols, random.integer(0, 20), i % 2), i % 3 == 0);
  }
}

TEST_CASE_TEMPLATE("rms_norm: outputs may be inputs, statistics and parameter gradients may be left out", B, Ref<float>,
                   Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx512>) {
  test::Random random(2);
  const int rows = 37, cols = 50;
  const Case k(random, rows, cols, 2, 1);
  test::Poisoned memory(rms_norm<B>::workspace(rows, cols, 2));
  Arena scratch = memory.arena();
  B b;
  b.threads = 2;
  b.scratch = &scratch;
  Rows<float> y(rows, cols, 2), rstd(1, rows), dx(rows, cols, 2), in_place = k.x;
  rms_norm<B>::forward(b, k.x, k.weight.data(), 1, y, rstd.data(), eps);
  rms_norm<B>::forward(b, in_place, k.weight.data(), 1, in_place, nullptr, eps);
  CHECK(test::same_bits<float>(in_place, y));

  const auto backward = [&](Matrix<const float> dy, Matrix<float> to, Matrix<const float> base) {
    rms_norm<B>::backward(b, k.x, k.weight.data(), 1, rstd.data(), dy, to, base, nullptr);
  };
  backward(k.dy, dx, k.base);
  Rows<float> over_base = k.base, over_dy = k.dy, dy_as_base(rows, cols, 2), all = k.dy;
  backward(k.dy, over_base, over_base);
  CHECK(test::same_bits<float>(over_base, dx));
  backward(over_dy, over_dy, k.base);
  CHECK(test::same_bits<float>(over_dy, dx));
  backward(k.dy, dy_as_base, k.dy);
  backward(all, all, all);
  CHECK(test::same_bits<float>(all, dy_as_base));
}

TEST_CASE("rms_norm: the gradient equals the derivative of dual numbers") {
  test::Random random(3);
  const int shapes[][2] = {{1, 2}, {4, 7}, {9, 32}};
  for (auto const& s : shapes)
    for (int offset : {0, 1}) {
      const int rows = s[0], cols = s[1];
      const Rows<double> x(random, rows, cols), xd(random, rows, cols), w(random, 1, cols), wd(random, 1, cols),
          probe(random, rows, cols);
      Rows<Dual> y(rows, cols);
      const auto wv = test::dual(w, wd);
      rms_norm<Ref<Dual>>::forward({}, test::dual(x, xd), wv.data(), offset, y, nullptr, eps);
      Dual loss = 0;
      for (int r = 0; r < rows; ++r)
        for (int c = 0; c < cols; ++c) loss += Dual(probe.view()(r, c)) * y.view()(r, c);

      Rows<double> out(rows, cols), rstd(1, rows), dx(rows, cols), dw(1, cols);
      for (int c = 0; c < cols; ++c) dw.view()(0, c) = 0;
      rms_norm<Ref<double>>::forward({}, x, w.data(), offset, out, rstd.data(), eps);
      rms_norm<Ref<double>>::backward({}, x, w.data(), offset, rstd.data(), probe, dx, {}, dw.data());
      test::Dot dot;
      dot.add(dx, xd);
      dot.add(dw, wd);
      CHECK(dot.error(loss.d) < 1e-12);
    }
}
