// Products of linear layers in eight bits: operands are torchao's, and the product is that of what they hold.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include <fauna/ops/gemm/float8.hpp>
#include <fauna/ops/gemm/ref.hpp>

#include "support/golden.hpp"
#include "support/memory.hpp"
#include "support/random.hpp"
#include "support/worst.hpp"

namespace test_float8_products {

using namespace fauna;
using gemm_detail::Float8Copy, gemm_detail::summed_over;

namespace {

using Values = std::vector<float>;

template <class P, class F> Values held(Matrix<const float> from, summed_over along, int threads = 1) {
  Values to(from.size(), std::nanf(""));
  Float8Copy<P, F>::run(threads, from, Matrix<float>(to.data(), from.rows(), from.cols()), along);
  return to;
}

/// One of the three products of a policy, and of the reference in double from operands that are held already.
struct Case {
  int m, n, k;
};
template <class B, class F> Values product(Case const& s, int threads, F&& f) {
  test::Poisoned memory(layer_gemm<B>::workspace(s.m, s.n, s.k, threads));
  Arena scratch = memory.arena();
  B b;
  b.threads = threads;
  b.scratch = &scratch;
  Values c(static_cast<std::size_t>(s.m) * static_cast<std::size_t>(s.n), 0.5F);
  const Matrix<float> to(c.data(), s.m, s.n);
  f(b, to, Epilogue<float>{.base = c.data(), .base_stride = s.n});
  CHECK(scratch.high_water() <= layer_gemm<B>::workspace(s.m, s.n, s.k, threads));
  return c;
}

}  // namespace

TEST_CASE("float8: scaled operands are torchao's, bit for bit, for any number of threads") {
  const Golden golden("float8.bin");
  const Values x = golden.floats("matrix");
  const Matrix<const float> matrix(x.data(), 9, 96);
  using enum summed_over;
  for (int threads : {1, 2, 3, 8}) {
    CHECK(held<float8_products, e4m3>(matrix, cols, threads) == golden.floats("tensorwise.e4m3"));
    CHECK(held<float8_products, e5m2>(matrix, rows, threads) == golden.floats("tensorwise.e5m2"));
    CHECK(held<float8_rowwise_products, e4m3>(matrix, cols, threads) == golden.floats("rowwise.rows"));
    CHECK(held<float8_rowwise_products, e4m3>(matrix, rows, threads) == golden.floats("rowwise.columns"));
    CHECK(held<mxfp8_products, e4m3>(matrix, cols, threads) == golden.floats("mx.rows"));
  }
}

TEST_CASE_TEMPLATE("float8: along columns is along rows of the transposed, in whole and in shorter blocks", P,
                   float8_rowwise_products, mxfp8_products) {
  for (int n : {1, 31, 32, 33, 64, 100}) {
    test::Random random(static_cast<std::uint64_t>(n));
    const int width = 70;
    Values x(static_cast<std::size_t>(n * width)), turned(x.size());
    for (float& v : x) v = std::ldexp(random.uniform(), random.integer(-12, 12));
    for (std::size_t r = 0; r < static_cast<std::size_t>(n); ++r)
      for (std::size_t c = 0; c < width; ++c) turned[c * static_cast<std::size_t>(n) + r] = x[r * width + c];
    const Values down = held<P, e4m3>(Matrix<const float>(x.data(), n, width), summed_over::rows, 2),
                 along = held<P, e4m3>(Matrix<const float>(turned.data(), width, n), summed_over::cols);
    for (std::size_t r = 0; r < static_cast<std::size_t>(n); ++r)
      for (std::size_t c = 0; c < width; ++c)
        REQUIRE(down[r * width + c] == along[c * static_cast<std::size_t>(n) + r]);
  }
}

TEST_CASE("float8: a large number costs its neighbours their last digits only where they share a scale") {
  Values x(2 * 64, 1.0F);
  x[0] = 1e6F;
  const Matrix<const float> matrix(x.data(), 2, 64);
  const Values tensorwise = held<float8_products, e4m3>(matrix, summed_over::cols),
               rowwise = held<float8_rowwise_products, e4m3>(matrix, summed_over::cols),
               mx = held<mxfp8_products, e4m3>(matrix, summed_over::cols);
  CHECK(tensorwise[127] == 0);  // 448e-6 of a unit is below half of 2^-9
  CHECK(rowwise[63] == 0);
  CHECK(rowwise[127] == 1);
  CHECK(mx[31] == 0);
  CHECK(mx[32] == 1);
}

TEST_CASE_TEMPLATE("float8: the three products are those of what the operands hold", P, float8_products,
                   float8_rowwise_products, mxfp8_products) {
  using B = Cpu<P>;
  using enum summed_over;
  using Gradient = std::conditional_t<std::is_same_v<P, float8_products>, e5m2, e4m3>;
  for (Case const& s : {Case{5, 7, 3}, {1, 1, 1}, {33, 20, 40}, {64, 96, 100}}) {
    CAPTURE(s.m);
    const auto check = [&](const char* what, auto first_format, int r1, int c1, summed_over along1, int r2, int c2,
                           summed_over along2, auto run, auto reference) {
      CAPTURE(what);
      test::Random random(7);
      test::Rows<float> one(random, r1, c1, 3, 2), two(random, r2, c2, 5, 0.3F);
      const Values got = product<B>(
          s, 1, [&](B const& b, Matrix<float> to, Epilogue<float> const& e) { run(b, one.view(), two.view(), to, e); });
      const Values h1 = held<P, typename decltype(first_format)::type>(reading(one.view()), along1),
                   h2 = held<P, e4m3>(reading(two.view()), along2);
      const std::vector<double> d1(h1.begin(), h1.end()), d2(h2.begin(), h2.end());
      std::vector<double> want(got.size(), 0.5);
      reference(Matrix<const double>(d1.data(), r1, c1), Matrix<const double>(d2.data(), r2, c2),
                Matrix<double>(want.data(), s.m, s.n), Epilogue<double>{.base = want.data(), .base_stride = s.n});
      double worst = 0;
      for (std::size_t i = 0; i < got.size(); ++i) test::see(worst, std::fabs(static_cast<double>(got[i]) - want[i]));
      CHECK(worst < s.k * 0.6 * 0x1p-23);  // products are exact; each of k sums rounds once
      for (int threads : {2, 3, 8})
        CHECK(product<B>(s, threads, [&](B const& b, Matrix<float> to, Epilogue<float> const& e) {
                run(b, one.view(), two.view(), to, e);
              }) == got);
    };
    check(
        "nt", std::type_identity<e4m3>{}, s.m, s.k, cols, s.n, s.k, cols,
        [](auto const& b, auto x, auto w, auto c, auto const& e) { layer_gemm<B>::nt(b, x, w, c, e); },
        [](auto x, auto w, auto c, auto const& e) { gemm<Ref<double>>::nt({}, x, w, c, e); });
    check(
        "nn", std::type_identity<Gradient>{}, s.m, s.k, cols, s.k, s.n, rows,
        [](auto const& b, auto x, auto w, auto c, auto const& e) { layer_gemm<B>::nn(b, x, w, c, e); },
        [](auto x, auto w, auto c, auto const& e) { gemm<Ref<double>>::nn({}, x, w, c, e); });
    check(
        "tn", std::type_identity<Gradient>{}, s.k, s.m, rows, s.k, s.n, rows,
        [](auto const& b, auto x, auto w, auto c, auto const& e) { layer_gemm<B>::tn(b, x, w, c, e); },
        [](auto x, auto w, auto c, auto const& e) { gemm<Ref<double>>::tn({}, x, w, c, e); });
  }
}

TEST_CASE_TEMPLATE("float8: what is no number is seen", P, float8_products, float8_rowwise_products, mxfp8_products) {
  for (const float wrong : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    Values x(64, 1.0F);
    x[3] = wrong;
    CHECK(!std::isfinite(held<P, e4m3>(Matrix<const float>(x.data(), 1, 64), summed_over::cols)[3]));
  }
}

TEST_CASE("float8: products of no layer are f32's") {
  CHECK(std::is_base_of_v<gemm<Cpu<>>, layer_gemm<Cpu<>>>);
  CHECK(std::is_base_of_v<gemm<Cpu<bf16_products>>, layer_gemm<Cpu<bf16_products>>>);
  test::Random random(3);
  const test::Rows<float> x(random, 9, 40), w(random, 8, 40);
  const auto of = [&]<class B>(std::type_identity<B>) {
    return product<B>({9, 8, 40}, 1, [&](B const& b, Matrix<float> to, Epilogue<float> const& e) {
      gemm<B>::nt(b, x.view(), w.view(), to, e);
    });
  };
  CHECK(of(std::type_identity<Cpu<float8_products>>{}) == of(std::type_identity<Cpu<>>{}));
}

}  // namespace test_float8_products
