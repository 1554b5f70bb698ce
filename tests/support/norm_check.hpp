// What norms of rows are tested for. A Norm calls its op with all parameters as one matrix, the weight first, and all
// statistics that are kept as another, 1/σ last:
//   centred: there is a bias, and a mean; variant: 0 or 1, which of its forms
//   workspace<B>(rows, cols, threads)      forward(b, x, parameters, variant, y, statistics)
//   backward(b, x, parameters, variant, statistics, dy, dx, base, dparameters)
// where statistics of forward and dparameters may be views of null.
#pragma once
#include <doctest/doctest.h>

#include <cmath>

#include "compare.hpp"
#include "memory.hpp"
#include "random.hpp"

namespace test {

template <class Norm> struct NormCase {
  static constexpr int vectors = Norm::centred ? 2 : 1;

  /// The inputs, all representable in a float.
  Rows<float> x, parameters, dy, base, dparameters;
  int variant;
  NormCase(Random& random, int rows, int cols, int gap, int variant_)
      : x(random, rows, cols, gap, 2, 0.5F),
        parameters(random, vectors, cols),
        dy(random, rows, cols, gap),
        base(random, rows, cols, gap),
        dparameters(random, vectors, cols),
        variant(variant_) {}

  struct Result {
    Rows<float> y, dx, statistics, dparameters;
  };
  template <class B> Result run(int threads, bool residual) const {
    const int rows = x.rows(), cols = x.cols();
    Poisoned memory(Norm::template workspace<B>(rows, cols, threads));
    fauna::Arena scratch = memory.arena();
    B b;
    b.threads = threads;
    b.scratch = &scratch;
    Result r{Rows<float>(rows, cols, 3), Rows<float>(rows, cols, 5), Rows<float>(vectors, rows), dparameters};
    Norm::forward(b, x, parameters, variant, r.y, r.statistics);
    Norm::backward(b, x, parameters, variant, r.statistics, dy, r.dx,
                   residual ? base.view() : fauna::Matrix<const float>(), r.dparameters);
    CHECK(scratch.high_water() <= Norm::template workspace<B>(rows, cols, threads));
    CHECK(scratch.used() == 0);
    CHECK(r.y.gaps_untouched());
    CHECK(r.dx.gaps_untouched());
    return r;
  }

  template <class B> void check(bool residual) const {
    const int rows = x.rows(), cols = x.cols();
    const auto xs = x.as<double>(), ps = parameters.as<double>(), dys = dy.as<double>(), bases = base.as<double>();
    Rows<double> y(rows, cols), dx(rows, cols), statistics(vectors, rows), dps = dparameters.as<double>();
    const fauna::Ref<double> ref;
    Norm::forward(ref, xs, ps, variant, y, statistics);
    Norm::backward(ref, xs, ps, variant, statistics, dys, dx, residual ? bases.view() : fauna::Matrix<const double>(),
                   dps);

    const Result got = run<B>(1, residual);
    // A row's results are sums of `cols` floats of size 1 divided by cols, then scaled by 1/σ, which is about 1 except
    // in rows of one or two columns, where it reaches 1/√eps: 32 roundings of what was scaled.
    const double rounding = 32 * 6e-8;
    double scale = 1;
    for (int r = 0; r < rows; ++r) scale = std::fmax(scale, statistics.view()(vectors - 1, r));
    const double bound = rounding * scale;
    const auto row = [](auto const& of, int i) { return of.view().middle_rows(i, 1); };
    if (Norm::centred) CHECK(distance<float>(row(got.statistics, 0), row(statistics, 0)) < rounding);
    CHECK(distance<float>(row(got.statistics, vectors - 1), row(statistics, vectors - 1)) <
          bound * (Norm::centred ? scale : 1));
    CHECK(distance<float>(got.y, y) < bound);
    CHECK(distance<float>(got.dx, dx) < 4 * bound);
    // sums over rows: at most `rows` roundings of partial sums below 2 rows, though they rarely align
    CHECK(distance<float>(got.dparameters, dps) < bound * (4 + rows));

    for (const int threads : {2, 3, 8}) {
      const Result again = run<B>(threads, residual);
      CHECK(same_bits<float>(again.y, got.y));
      CHECK(same_bits<float>(again.dx, got.dx));
      CHECK(same_bits<float>(again.statistics, got.statistics));
      CHECK(same_bits<float>(again.dparameters, got.dparameters));
    }
  }
};

/// B equals the reference within roundings, with the same bits for any number of threads.
template <class Norm, class B> void check_norm() {
  Random random(1);
  const int shapes[][2] = {{1, 1}, {1, 128}, {5, 1}, {3, 2}, {17, 33}, {64, 128}, {700, 65}, {1100, 20}, {40, 768}};
  for (auto const& s : shapes) {
    CAPTURE(s[0]);
    CAPTURE(s[1]);
    NormCase<Norm>(random, s[0], s[1], 0, 0).template check<B>(false);
    NormCase<Norm>(random, s[0], s[1], 7, 1).template check<B>(true);
  }
  for (int i = 0; i < 20; ++i) {
    const int rows = random.integer(1, 90), cols = random.integer(3, 150);
    NormCase<Norm>(random, rows, cols, random.integer(0, 20), i % 2).template check<B>(i % 3 == 0);
  }
}

/// Outputs may be inputs; statistics and the parameters' gradients may be left out.
template <class Norm, class B> void check_norm_in_place() {
  using fauna::Matrix;
  Random random(2);
  const int rows = 37, cols = 50;
  for (const int variant : {0, 1}) {
    const NormCase<Norm> k(random, rows, cols, 2, variant);
    Poisoned memory(Norm::template workspace<B>(rows, cols, 2));
    fauna::Arena scratch = memory.arena();
    B b;
    b.threads = 2;
    b.scratch = &scratch;
    Rows<float> y(rows, cols, 2), statistics(k.vectors, rows), dx(rows, cols, 2), in_place = k.x;
    Norm::forward(b, k.x, k.parameters, variant, y, statistics);
    Norm::forward(b, in_place, k.parameters, variant, in_place, Matrix<float>());
    CHECK(same_bits<float>(in_place, y));

    const auto backward = [&](Matrix<const float> dy, Matrix<float> to, Matrix<const float> base) {
      Norm::backward(b, k.x, k.parameters, variant, statistics, dy, to, base, Matrix<float>());
    };
    backward(k.dy, dx, k.base);
    Rows<float> over_base = k.base, over_dy = k.dy, dy_as_base(rows, cols, 2), all = k.dy;
    backward(k.dy, over_base, over_base);
    CHECK(same_bits<float>(over_base, dx));
    backward(over_dy, over_dy, k.base);
    CHECK(same_bits<float>(over_dy, dx));
    backward(k.dy, dy_as_base, k.dy);
    backward(all, all, all);
    CHECK(same_bits<float>(all, dy_as_base));
  }
}

/// The reference's gradient equals the derivative of dual numbers.
template <class Norm> void check_norm_gradient() {
  using fauna::Dual, fauna::Ref;
  Random random(3);
  const int shapes[][2] = {{1, 2}, {4, 7}, {9, 32}}, vectors = NormCase<Norm>::vectors;
  for (auto const& s : shapes)
    for (const int variant : {0, 1}) {
      const int rows = s[0], cols = s[1];
      const Rows<double> x(random, rows, cols), xd(random, rows, cols), p(random, vectors, cols),
          pd(random, vectors, cols), probe(random, rows, cols);
      Rows<Dual> y(rows, cols);
      Norm::forward(Ref<Dual>{}, dual(x, xd), dual(p, pd), variant, y, fauna::Matrix<Dual>());

      Rows<double> out(rows, cols), statistics(vectors, rows), dx(rows, cols), dp(vectors, cols);
      for (int v = 0; v < vectors; ++v)
        for (int c = 0; c < cols; ++c) dp.view()(v, c) = 0;
      Norm::forward(Ref<double>{}, x, p, variant, out, statistics);
      Norm::backward(Ref<double>{}, x, p, variant, statistics, probe, dx, {}, dp);
      Dot dot;
      dot.add(dx, xd);
      dot.add(dp, pd);
      CHECK(dot.error(derivative(probe, y)) < 1e-12);
    }
}

}  // namespace test
