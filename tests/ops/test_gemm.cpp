#include <doctest/doctest.h>

#include <Eigen/Core>
#include <cmath>
#include <fauna/ops/activation/cpu.hpp>
#include <fauna/ops/gemm/cpu.hpp>
#include <fauna/ops/gemm/ref.hpp>
#include <type_traits>

#include "support/compare.hpp"
#include "support/memory.hpp"
#include "support/random.hpp"
#include "support/sizes.hpp"

using namespace fauna;
using test::Poisoned;
using test::Random;
using test::Rows;

namespace {

enum class form { nt, nn, tn };
constexpr form forms[] = {form::nt, form::nn, form::tn};
constexpr activation activations[] = {activation::none, activation::gelu, activation::gelu_tanh,
                                      activation::silu, activation::relu, activation::relu_squared};

template <class B> constexpr bool rounds_to_bf16 = false;
template <isa T, unsigned Tag> constexpr bool rounds_to_bf16<Cpu<bf16_products, T, Tag>> = true;

template <class B, class A, class W, class S>
void product(form f, B const& b, Matrix<A> x, Matrix<W> w, Matrix<S> c, Epilogue<S> const& e = {}) {
  if (f == form::nt) gemm<B>::nt(b, x, w, c, e);
  else if (f == form::nn) gemm<B>::nn(b, x, w, c, e);
  else gemm<B>::tn(b, x, w, c, e);
}

/// Runs on `threads` threads with as much scratch as was declared, all of it NaN.
template <class B, class A, class W>
void run(form f, int threads, int k, Rows<A> const& x, Rows<W> const& w, Rows<float>& c,
         Epilogue<float> const& e = {}) {
  Poisoned memory(gemm<B>::workspace(c.rows(), c.cols(), k, threads));
  Arena arena = memory.arena();
  B b;
  b.threads = threads;
  b.scratch = &arena;
  product(f, b, x.view(), w.view(), c.view(), e);
  CHECK(arena.high_water() <= gemm<B>::workspace(c.rows(), c.cols(), k, threads));
  CHECK(arena.used() == 0);
}

/// The operands of C[m,n] in one form, as stored, with gaps between their rows.
template <class A, class W = A> struct Operands {
  Rows<A> x;
  Rows<W> w;
  Operands(Random& random, form f, int m, int n, int k)
      : x(random, f == form::tn ? k : m, f == form::tn ? m : k, random.integer(0, 3)),
        w(random, f == form::nt ? n : k, f == form::nt ? k : n, random.integer(0, 3)) {}
};

/// Exactly the numbers that are multiplied, or their magnitudes.
template <class B, class E> Rows<double> multiplied(Rows<E> const& v, bool magnitude) {
  Rows<double> r = v.template as<double>();
  for (int i = 0; i < r.rows(); ++i)
    for (int j = 0; j < r.cols(); ++j) {
      double& x = r.view()(i, j);
      if (rounds_to_bf16<B>) x = static_cast<float>(bf16(static_cast<float>(x)));
      if (magnitude) x = std::fabs(x);
    }
  return r;
}

/// A size that is 1, small, or around a multiple of the tiles.
int size(Random& random) {
  const int kind = random.integer(0, 3);
  return kind == 0   ? random.integer(1, 3)
         : kind == 1 ? random.integer(4, 40)
         : kind == 2 ? 48 * random.integer(1, 3) + random.integer(-1, 1)
                     : random.integer(50, 130);
}

/// Which members of the epilogue a round of the comparison uses.
struct With {
  bool base, bias, pre, gate;
  activation act;
};

/// Compares with the naive loop in double precision, element by element. The error of a sum of k + 2 terms, in any
/// order, is at most (k + 2) 2^-24 times the sum of their magnitudes (Higham 2002, "Accuracy and Stability of Numerical
/// Algorithms", section 3.1). The activation adds 4e-7 of its argument, and amplifies by at most its slope of 1.13; so
/// does the gate.
template <class B, class A, class W> void compare(Random& random, form f, int m, int n, int k, int threads, With with) {
  CAPTURE(static_cast<int>(f));
  CAPTURE(m);
  CAPTURE(n);
  CAPTURE(k);
  CAPTURE(threads);
  const Operands<A, W> o(random, f, m, n, k);
  const Rows<float> base(random, m, n, 1), bias(random, 1, n), gate(random, m, n, 2, 3);
  Rows<float> c(m, n, random.integer(0, 3)), pre(m, n, 1);
  Epilogue<float> e;
  Epilogue<double> d;
  const Rows<double> base_d = base.as<double>(), bias_d = bias.as<double>(), gate_d = gate.as<double>();
  Rows<double> want(m, n), want_pre(m, n), terms(m, n);
  if (with.base) {
    e.base = base.data();
    e.base_stride = base.view().stride();
    d.base = base_d.data();
    d.base_stride = base_d.view().stride();
  }
  if (with.bias) {
    e.bias = bias.data();
    d.bias = bias_d.data();
  }
  if (with.pre) {
    e.pre = pre.data();
    e.pre_stride = pre.view().stride();
    d.pre = want_pre.data();
    d.pre_stride = n;
  }
  if (with.gate) {
    e.gate = gate.data();
    e.gate_stride = gate.view().stride();
    d.gate = gate_d.data();
    d.gate_stride = gate_d.view().stride();
  }
  e.act = d.act = with.act;
  run<B>(f, threads, k, o.x, o.w, c, e);
  product(f, Ref<double>{}, multiplied<B>(o.x, false).view(), multiplied<B>(o.w, false).view(), want.view(), d);
  product(f, Ref<double>{}, multiplied<B>(o.x, true).view(), multiplied<B>(o.w, true).view(), terms.view());

  double worst = 0, worst_pre = 0;  // in units of the bound
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) {
      const double all = terms.view()(i, j) + (with.base ? std::fabs(base.view()(i, j)) : 0) +
                         (with.bias ? std::fabs(bias.view()(0, j)) : 0);
      const double sum = (k + 2) * 0x1p-24 * all, last = with.act == activation::none ? sum : 1.13 * sum + 4e-7 * all;
      test::see(worst, std::fabs(c.view()(i, j) - want.view()(i, j)) / (last + 1e-30));
      if (with.pre) test::see(worst_pre, std::fabs(pre.view()(i, j) - want_pre.view()(i, j)) / (sum + 1e-30));
    }
  CHECK(worst <= 1);
  CHECK(worst_pre <= 1);
  CHECK(c.gaps_untouched());
  CHECK(pre.gaps_untouched());
}

template <class B, class A, class W> void compare_many(std::uint64_t stream, int rounds) {
  Random random(stream);
  for (int round = 0; round < rounds; ++round)
    for (form f : forms) {
      const With with{random.integer(0, 1) == 1, random.integer(0, 1) == 1, random.integer(0, 1) == 1,
                      random.integer(0, 2) == 0, activations[random.integer(0, 2)]};
      compare<B, A, W>(random, f, size(random), size(random), round % 8 == 7 ? 0 : size(random), random.integer(1, 3),
                       with);
    }
}

template <class T> bool equal(Rows<T> const& a, Rows<T> const& b) { return test::same_bits(a.view(), b.view()); }

#define EVERY_TILE                                                                                \
  Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx2>, Cpu<f32_products, isa::avx512>, \
      Cpu<bf16_products, isa::baseline>, Cpu<bf16_products, isa::avx2>, Cpu<bf16_products, isa::avx512bf16>

}  // namespace

TEST_CASE_TEMPLATE("gemm: equals the reference on every tile, for every form, epilogue and storage", B, EVERY_TILE) {
  compare_many<B, float, float>(1, 24);
  compare_many<B, bf16, bf16>(2, 12);
}

TEST_CASE("gemm: one operand in bf16 storage, the other in f32") {
  compare_many<Cpu<>, float, bf16>(3, 8);
  compare_many<Cpu<bf16_products>, bf16, float>(4, 8);
}

TEST_CASE_TEMPLATE("gemm: deep, wide and tall enough for several blocks", B, Cpu<f32_products>, Cpu<bf16_products>) {
  Random random(5);
  for (form f : forms) {
    compare<B, float, float>(random, f, 9, 50, 4200, 2, {true, true, true, false, activation::gelu});
    compare<B, float, float>(random, f, test::size(50, 7), 530, 1100, 2,
                             {true, false, false, true, activation::gelu_tanh});
    compare<B, float, float>(random, f, test::size(700, 600), test::size(60, 5), 2000, 1,
                             {false, true, false, false, activation::none});
  }
}

TEST_CASE("gemm: equals Eigen") {
  using Dense = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Random random(6);
  const int m = 131, n = 97, k = 300;
  const auto dense = [](Rows<float> const& r) {
    Dense d(r.rows(), r.cols());
    for (int i = 0; i < r.rows(); ++i)
      for (int j = 0; j < r.cols(); ++j) d(i, j) = r.view()(i, j);
    return d;
  };
  for (form f : forms) {
    const Operands<float> o(random, f, m, n, k);
    Rows<float> c(m, n, 2);
    run<Cpu<>>(f, 2, k, o.x, o.w, c);
    const Dense x = dense(o.x), w = dense(o.w);
    const Dense left = f == form::tn ? Dense(x.transpose()) : x, right = f == form::nt ? Dense(w.transpose()) : w;
    const Dense bound = (k + 2) * 0x1p-24 * left.cwiseAbs().lazyProduct(right.cwiseAbs());
    CHECK(((dense(c) - left.lazyProduct(right)).cwiseAbs().array() <= bound.array()).all());
  }
}

TEST_CASE_TEMPLATE("gemm: a fused bias, activation and gate give the bits of the separate operations", B, EVERY_TILE) {
  Random random(7);
  const int m = 37, n = 101, k = 70;
  const Operands<float> o(random, form::nt, m, n, k);
  const Rows<float> bias(random, 1, n), gate(random, m, n, 0, 4);
  Rows<float> plain(m, n);
  run<B>(form::nt, 1, k, o.x, o.w, plain);
  Rows<float> biased = plain;
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) biased.view()(i, j) += bias.view()(0, j);
  for (activation act : activations) {
    Rows<float> separate(m, n), fused(m, n), pre(m, n), gated(m, n);
    activate<B>::forward({}, act, biased, separate);
    run<B>(form::nt, 2, k, o.x, o.w, fused, {.bias = bias.data(), .act = act, .pre = pre.data(), .pre_stride = n});
    CHECK(equal(fused, separate));
    CHECK(equal(pre, biased));
    activate<B>::backward({}, act, gate, plain, separate);
    run<B>(form::nt, 2, k, o.x, o.w, gated, {.act = act, .gate = gate.data(), .gate_stride = n});
    CHECK(equal(gated, separate));
  }
}

TEST_CASE_TEMPLATE("gemm: a row's bits depend neither on the other rows nor on the number of threads", B, EVERY_TILE) {
  Random random(8);
  const int sizes[][3] = {{75, 130, 230}, {30, 300, 100}, {19, 21, 2500}};
  for (auto const& s : sizes)
    for (form f : forms) {
      const int m = s[0], n = s[1], k = s[2];
      CAPTURE(m);
      CAPTURE(static_cast<int>(f));
      const Operands<float> o(random, f, m, n, k);
      const Rows<float> base(random, m, n);
      const Epilogue<float> e{.base = base.data(), .base_stride = n};
      Rows<float> one(m, n);
      run<B>(f, 1, k, o.x, o.w, one, e);
      for (int threads : {2, 3, 8}) {
        Rows<float> c(m, n);
        run<B>(f, threads, k, o.x, o.w, c, e);
        CHECK(equal(c, one));
      }
      if (f == form::tn) continue;
      for (int rows : {1, 5}) {
        const int first = m - rows;
        Rows<float> x(rows, k), c(rows, n);
        for (int i = 0; i < rows; ++i)
          for (int p = 0; p < k; ++p) x.view()(i, p) = o.x.view()(first + i, p);
        run<B>(f, 2, k, x, o.w, c, {.base = base.view().row(first), .base_stride = n});
        CHECK(test::same_bits<float>(c.view(), one.view().middle_rows(first, rows)));
      }
    }
}

TEST_CASE_TEMPLATE("gemm: accumulating in place continues the chain of the first product", B, EVERY_TILE) {
  Random random(9);
  const int m = 21, n = 67, k = 128, cut = 50;
  const Rows<float> x(random, k, m), w(random, k, n);
  const auto from = [](Rows<float> const& r, int first, int count) {
    Rows<float> part(count, r.cols());
    for (int i = 0; i < count; ++i)
      for (int j = 0; j < r.cols(); ++j) part.view()(i, j) = r.view()(first + i, j);
    return part;
  };
  Rows<float> whole(m, n), parts(m, n);
  run<B>(form::tn, 2, k, x, w, whole);
  run<B>(form::tn, 2, cut, from(x, 0, cut), from(w, 0, cut), parts);
  run<B>(form::tn, 2, k - cut, from(x, cut, k - cut), from(w, cut, k - cut), parts,
         {.base = parts.data(), .base_stride = n});
  CHECK(equal(parts, whole));
}

TEST_CASE("gemm: bf16 storage gives the bits of f32 storage that is rounded on the way") {
  Random random(10);
  for (form f : forms)
    for (int k : {64, 77}) {
      const Operands<float> o(random, f, 33, 50, k);
      Rows<float> a(33, 50), b(33, 50);
      run<Cpu<bf16_products>>(f, 2, k, o.x, o.w, a);
      run<Cpu<bf16_products>>(f, 2, k, o.x.as<bf16>(), o.w.as<bf16>(), b);
      CHECK(equal(a, b));
    }
}

TEST_CASE_TEMPLATE("gemm: NaN and infinity reach exactly the rows they belong to", B, EVERY_TILE) {
  Random random(11);
  const int m = 20, n = 50, k = 40;
  Operands<float> o(random, form::nt, m, n, k);
  o.x.view()(3, 7) = std::nanf("");
  o.x.view()(5, 8) = HUGE_VALF;
  Rows<float> c(m, n);
  run<B>(form::nt, 1, k, o.x, o.w, c);
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) {
      CHECK(std::isnan(c.view()(i, j)) == (i == 3));
      CHECK(std::isinf(c.view()(i, j)) == (i == 5));
    }
}

TEST_CASE("gemm: no rows, no columns") {
  Random random(12);
  for (form f : forms) {
    const Operands<float> o(random, f, 0, 5, 4), p(random, f, 5, 0, 4);
    Rows<float> c(0, 5), d(5, 0);
    run<Cpu<>>(f, 2, 4, o.x, o.w, c);
    run<Cpu<>>(f, 2, 4, p.x, p.w, d);
  }
}

TEST_CASE("gemm: scratch planned for many rows and threads serves fewer") {
  using G = gemm<Cpu<>>;
  for (int m : {1, 7, 64, 500, 3000})
    for (int n : {1, 100, 5000})
      for (int k : {1, 300, 5000}) {
        CHECK(G::workspace(m, n, k, 3) <= G::workspace(m + 1, n, k, 3));
        CHECK(G::workspace(m, n, k, 3) <= G::workspace(m, n + 1, k, 3));
        CHECK(G::workspace(m, n, k, 3) <= G::workspace(m, n, k, 4));
      }
}
