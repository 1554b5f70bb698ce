#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <fauna/backend/cpu.hpp>
#include <fauna/ops/dropout/cpu.hpp>
#include <fauna/ops/dropout/ref.hpp>
#include <initializer_list>

#include "support/compare.hpp"
#include "support/op_check.hpp"
#include "support/random.hpp"

namespace test_dropout {

using namespace fauna;
using test::Rows, test::with_threads;

namespace {

template <int W> bool words_agree(Key key, std::uint64_t block) {
  std::uint32_t out[4 * W];
  simd::philox_words<W>(out, key, block);
  for (int i = 0; i < 4 * W; ++i)
    if (out[i] != key.word(4 * block + static_cast<std::uint64_t>(i))) return false;
  return true;
}

}  // namespace

TEST_CASE("dropout: vectors of Philox equal the scalar generator, also across 2^32 blocks") {
  const Key key{0x0123456789abcdefULL, 0xfedcba9876543210ULL};
  for (std::uint64_t block :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{0xfffffffaU}, std::uint64_t{0x123456789abcULL}}) {
    CHECK(words_agree<4>(key, block));
    CHECK(words_agree<8>(key, block));
    CHECK(words_agree<16>(key, block));
  }
}

TEST_CASE_TEMPLATE("dropout: equals the reference on every tile and for any number of threads", B,
                   Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx2>, Cpu<f32_products, isa::avx512>) {
  test::Random random(1);
  const int shapes[][2] = {{1, 1}, {11, 1}, {3, 7}, {1, 1500}, {40, 130}, {9, 513}};
  for (auto const& s : shapes)
    for (float p : {0.0F, 0.1F, 0.5F, 1e-7F, 1.0F}) {
      const int rows = s[0], cols = s[1];
      const Key key = Key{7, 9}.child(static_cast<std::uint64_t>(cols));
      const Rows<float> x(random, rows, cols, 2), base(random, rows, cols, 3);
      // Multiplication and addition may be fused: one rounding of a sum below 2/(1-p) + 1.
      const double bound = 1.2e-7 * (2 * static_cast<double>(dropout_scale(p)) + 1);
      Rows<double> kept(rows, cols), added(rows, cols);
      dropout<Ref<double>>::apply({}, key, p, x.as<double>(), {}, kept);
      dropout<Ref<double>>::apply({}, key, p, x.as<double>(), base.as<double>(), added);
      Rows<float> first(rows, cols, 4), first_added(rows, cols, 4);
      for (int threads : {1, 2, 3, 8}) {
        const B b = with_threads<B>(threads);
        Rows<float> y(rows, cols, 4), z = base;
        dropout<B>::apply(b, key, p, x, {}, y);
        dropout<B>::apply(b, key, p, x, z, z);  // y may be base
        CHECK(test::distance<float>(y, kept) <= bound);
        CHECK(test::distance<float>(z, added) <= bound);
        CHECK(y.gaps_untouched());
        if (threads == 1) first = y, first_added = z;
        CHECK(test::same_bits<float>(y, first));
        CHECK(test::same_bits<float>(z, first_added));
      }
    }
}

TEST_CASE("dropout: drops the share that it is asked to drop, and keeps the mean") {
  const int rows = 200, cols = 500;
  Rows<float> x(rows, cols), y(rows, cols);
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < cols; ++c) x.view()(r, c) = 1;
  dropout<Cpu<>>::apply(Cpu<>{}, Key{1, 2}, 0.2F, x, {}, y);
  double sum = 0;
  int dropped = 0;
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < cols; ++c) {
      sum += static_cast<double>(y.view()(r, c));
      dropped += y.view()(r, c) == 0.0F;
    }
  // a binomial of 100,000 draws: five standard deviations are 632
  CHECK(std::abs(dropped - 20'000) < 632);
  CHECK(std::fabs(sum / (rows * cols) - 1) < 0.008);
}

TEST_CASE("dropout: the same call on gradients equals the derivative of dual numbers") {
  test::Random random(2);
  const int rows = 9, cols = 21;
  const Key key{3, 4};
  const Rows<double> x(random, rows, cols), xd(random, rows, cols), probe(random, rows, cols);
  Rows<Dual> y(rows, cols);
  dropout<Ref<Dual>>::apply({}, key, 0.3F, test::dual(x, xd), {}, y);
  Dual loss = 0;
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < cols; ++c) loss += Dual(probe.view()(r, c)) * y.view()(r, c);
  Rows<double> dx(rows, cols);
  dropout<Ref<double>>::apply({}, key, 0.3F, probe, {}, dx);
  test::Dot dot;
  dot.add(dx, xd);
  CHECK(dot.error(loss.d) < 1e-12);
}

}  // namespace test_dropout
