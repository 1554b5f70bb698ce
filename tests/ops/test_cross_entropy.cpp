#include <doctest/doctest.h>

#include <cmath>
#include <fauna/ops/cross_entropy/cpu.hpp>
#include <fauna/ops/cross_entropy/ref.hpp>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <vector>

#include "support/compare.hpp"
#include "support/memory.hpp"
#include "support/random.hpp"

namespace test_cross_entropy {

using namespace fauna;
using test::Rows;

namespace {

constexpr int ignore = -1;

struct Case {
  Rows<float> x, w, bias, dw, dbias;
  std::vector<int> targets;
  float scale;
  bool biased;
  double cap = 0;
  Case(test::Random& random, int rows, int cols, int vocab, bool with_bias)
      : x(random, rows, cols, 3),
        w(random, vocab, cols, 1, 0.5F),
        bias(random, 1, vocab),
        dw(random, vocab, cols, 2),
        dbias(random, 1, vocab),
        targets(random.integers(rows, ignore, vocab - 1)),
        scale(1.0F / static_cast<float>(rows)),
        biased(with_bias) {}
};

struct Result {
  Rows<float> losses, eval, dx, dw, dbias;
};

template <class B, class E> Result run(Case const& k, Rows<E> const& w, int threads) {
  const int rows = k.x.rows(), cols = k.x.cols(), vocab = w.rows();
  const std::size_t planned = cross_entropy<B>::workspace(rows, cols, vocab, threads);
  test::Poisoned memory(planned);
  Arena scratch = memory.arena();
  B b;
  b.threads = threads;
  b.scratch = &scratch;
  Result r{Rows<float>(1, rows), Rows<float>(1, rows), Rows<float>(rows, cols, 4), k.dw, k.dbias};
  const float* bias = k.biased ? k.bias.data() : nullptr;
  cross_entropy<B>::loss(b, k.x, w.view(), bias, k.targets.data(), ignore, r.eval.data(), k.cap);
  memory.poison();
  cross_entropy<B>::loss_and_gradient(b, k.x, w.view(), bias, k.targets.data(), ignore, k.scale, r.losses.data(), r.dx,
                                      r.dw, k.biased ? r.dbias.data() : nullptr, k.cap);
  CHECK(scratch.high_water() <= planned);
  CHECK(scratch.used() == 0);
  CHECK(r.dx.gaps_untouched());
  CHECK(r.dw.gaps_untouched());
  return r;
}

/// `rounding`: of one factor of a product; f32 or bf16.
template <class B, class E> void check(Case const& k, Rows<E> const& w, double rounding) {
  const int rows = k.x.rows(), cols = k.x.cols();
  const auto x = k.x.as<double>(), wd = w.template as<double>(), bias = k.bias.as<double>();
  Rows<double> losses(1, rows), dx(rows, cols), dw = k.dw.as<double>(), dbias = k.dbias.as<double>();
  cross_entropy<Ref<double>>::loss_and_gradient({}, x, wd.view(), k.biased ? bias.data() : nullptr, k.targets.data(),
                                                ignore, static_cast<double>(k.scale), losses.data(), dx, dw,
                                                k.biased ? dbias.data() : nullptr, k.cap);
  const Result got = run<B>(k, w, 1);
  // A logit is a sum of `cols` products below 1/2, so it is off by `rounding` · (4 + cols / 2) at most, a loss by twice
  // that. Probabilities are off by as much relatively, and the |dz| of a row sum to at most 2 scale: so dx is off by
  // scale times the same and by the V additions of its own sum, dw and dbias by the sum over rows, beside the rounding
  // of the float that they are added to.
  const double bound = 2 * rounding * (4 + 0.5 * cols) + 4e-7;
  const auto scale = static_cast<double>(k.scale);
  CHECK(test::distance<float>(got.losses, losses) < bound + 5e-7);  // a loss itself, up to 16, is rounded
  CHECK(test::distance<float>(got.eval, losses) < bound + 5e-7);
  CHECK(test::distance<float>(got.dx, dx) < 2 * scale * (bound + 0x1p-25 * w.rows()));
  CHECK(test::distance<float>(got.dw, dw) < 2 * scale * bound * rows + 2e-7);
  CHECK(test::distance<float>(got.dbias, dbias) < 2 * scale * bound * rows + 2e-7);
  for (int r = 0; r < rows; ++r)
    if (k.targets[static_cast<std::size_t>(r)] == ignore) {
      CHECK(got.losses.view()(0, r) == 0.0F);
      for (int c = 0; c < cols; ++c) CHECK(got.dx.view()(r, c) == 0.0F);
    }
  for (int threads : {2, 3, 8}) {
    const Result again = run<B>(k, w, threads);
    CHECK(test::same_bits<float>(again.losses, got.losses));
    CHECK(test::same_bits<float>(again.eval, got.eval));
    CHECK(test::same_bits<float>(again.dx, got.dx));
    CHECK(test::same_bits<float>(again.dw, got.dw));
    CHECK(test::same_bits<float>(again.dbias, got.dbias));
  }
}

}  // namespace

TEST_CASE_TEMPLATE("cross_entropy: equals the reference on every tile and for any number of threads", B,
                   Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx2>, Cpu<f32_products, isa::avx512>,
                   Cpu<bf16_products, isa::avx512bf16>) {
  constexpr double rounding = std::is_same_v<typename B::products, bf16_products> ? 0x1p-8 : 0x1p-24;
  test::Random random(1);
  const int shapes[][3] = {{1, 1, 1}, {1, 5, 2}, {3, 1, 17}, {33, 20, 65}, {70, 64, 96}, {300, 31, 65}};
  for (auto const& s : shapes)
    for (bool biased : {false, true}) {
      CAPTURE(s[0]);
      CAPTURE(s[2]);
      const Case k(random, s[0], s[1], s[2], biased);
      check<B>(k, k.w, rounding);
      check<B>(k, k.w.as<bf16>(), rounding);
      Case capped = k;
      capped.cap = 0.7;
      check<B>(capped, k.w, rounding);
    }
}

TEST_CASE("cross_entropy: chunks of rows depend on the vocabulary alone, and join without a seam") {
  using B = Cpu<>;
  CHECK(cross_entropy<B>::chunk_rows(50257) == 128);
  CHECK(cross_entropy<B>::chunk_rows(1'000'000) == 32);
  test::Random random(2);
  const Case k(random, 150, 3, 50257, true);  // two chunks
  check<B>(k, k.w, 0x1p-24);
}

TEST_CASE_TEMPLATE("cross_entropy: all rows ignored, gradients left out, dx over x, huge logits", B, Ref<float>,
                   Cpu<>) {
  test::Random random(3);
  const int rows = 40, cols = 8, vocab = 21;
  Case k(random, rows, cols, vocab, true);
  test::Poisoned memory(cross_entropy<B>::workspace(rows, cols, vocab, 2));
  Arena scratch = memory.arena();
  B b;
  b.threads = 2;
  b.scratch = &scratch;
  Rows<float> losses(1, rows), dx(rows, cols), dw = k.dw, in_place = k.x;
  const auto all = [&](std::vector<int> const& targets, Matrix<const float> x, Matrix<float> to,
                       Matrix<float> dweight) {
    cross_entropy<B>::loss_and_gradient(b, x, k.w.view(), k.bias.data(), targets.data(), ignore, 0.5F, losses.data(),
                                        to, dweight, nullptr);
  };
  all(std::vector<int>(rows, ignore), k.x, dx, dw);
  for (int r = 0; r < rows; ++r) {
    CHECK(losses.view()(0, r) == 0.0F);
    for (int c = 0; c < cols; ++c) CHECK(dx.view()(r, c) == 0.0F);
  }
  CHECK(test::distance<float>(dw, k.dw.as<double>()) == 0);

  all(k.targets, k.x, dx, dw);
  all(k.targets, in_place, in_place, {});
  CHECK(test::same_bits<float>(in_place, dx));

  // logits up to ±1e4: exp of any of them alone would overflow or vanish
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < cols; ++c) k.x.view()(r, c) *= 1e4F;
  all(k.targets, k.x, dx, {});
  for (int r = 0; r < rows; ++r) CHECK(std::isfinite(losses.view()(0, r)));
  CHECK(test::distance<float>(dx, dx.as<double>()) == 0);  // no NaN
}

TEST_CASE_TEMPLATE("cross_entropy: a target outside the vocabulary is an error that says where", B, Ref<float>, Cpu<>) {
  Rows<float> x(2, 3), w(5, 3), losses(1, 2);
  const std::vector<int> targets{0, 5};
  std::string message;
  try {
    cross_entropy<B>::loss(B{}, x, w.view(), nullptr, targets.data(), ignore, losses.data());
  } catch (error const& e) {
    message = e.what();
  }
  CHECK(message.find("[cross_entropy.loss] target 5 in row 1, expected 0 to 4, or -1 to ignore the row") == 0);
}

TEST_CASE_TEMPLATE("cross_entropy: a NaN among the logits shows in the loss", B, Ref<float>, Cpu<>) {
  test::Random random(4);
  Case k(random, 3, 4, 30, false);
  k.x.view()(1, 2) = std::nanf("");
  const std::vector<int> targets{1, 2, 3};
  test::Poisoned memory(cross_entropy<B>::workspace(3, 4, 30, 1));
  Arena scratch = memory.arena();
  B b;
  b.scratch = &scratch;
  Rows<float> losses(1, 3);
  cross_entropy<B>::loss(b, k.x, k.w.view(), nullptr, targets.data(), ignore, losses.data());
  CHECK(std::isfinite(losses.view()(0, 0)));
  CHECK(std::isnan(losses.view()(0, 1)));
}

TEST_CASE("cross_entropy: the gradient equals the derivative of dual numbers") {
  test::Random random(5);
  const double shapes[][4] = {{1, 3, 2, 0}, {12, 7, 19, 0}, {12, 7, 19, 0.6}};
  for (auto const& s : shapes) {
    const int rows = static_cast<int>(s[0]), cols = static_cast<int>(s[1]), vocab = static_cast<int>(s[2]);
    const Rows<double> x(random, rows, cols), xd(random, rows, cols), w(random, vocab, cols), wd(random, vocab, cols),
        b(random, 1, vocab), bd(random, 1, vocab);
    auto targets = random.integers(rows, ignore, vocab - 1);
    targets[0] = 0;
    Rows<Dual> losses(1, rows);
    const auto bv = test::dual(b, bd);
    cross_entropy<Ref<Dual>>::loss({}, test::dual(x, xd), test::dual(w, wd).view(), bv.data(), targets.data(), ignore,
                                   losses.data(), s[3]);
    Dual total = 0;
    for (int r = 0; r < rows; ++r) total += losses.view()(0, r) * Dual(0.7);

    Rows<double> values(1, rows), dx(rows, cols), dw(vocab, cols), db(1, vocab);
    for (int v = 0; v < vocab; ++v) {
      db.view()(0, v) = 0;
      for (int c = 0; c < cols; ++c) dw.view()(v, c) = 0;
    }
    cross_entropy<Ref<double>>::loss_and_gradient({}, x, w.view(), b.data(), targets.data(), ignore, 0.7, values.data(),
                                                  dx, dw, db.data(), s[3]);
    test::Dot dot;
    dot.add(dx, xd);
    dot.add(dw, wd);
    dot.add(db, bd);
    CHECK(dot.error(total.d) < 1e-12);
  }
}

}  // namespace test_cross_entropy
