// Muon: against torch.optim.Muon in double, the kernel against the reference, and what a step must be whatever the
// numbers.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include <fauna/core/dual.hpp>
#include <fauna/ops/muon/cpu.hpp>
#include <fauna/ops/muon/ref.hpp>

#include "support/golden.hpp"
#include "support/memory.hpp"
#include "support/random.hpp"
#include "support/worst.hpp"

namespace test_muon {

using namespace fauna;

namespace {

/// A tensor of matrices with its gradient and momentum.
template <class S> struct Weight {
  Matrices of;
  std::vector<S> value, gradient, m;
  Weight(Matrices shape, std::uint64_t stream) : of(shape) {
    const std::size_t n = of.size() * static_cast<std::size_t>(of.count);
    test::Random random(stream);
    for (auto* v : {&value, &gradient, &m})
      for (std::size_t i = 0; i < n; ++i) v->push_back(S(static_cast<double>(random.uniform())));
  }
  Segment<S> segment(float decay = 0.1F, float lr_scale = 0.5F) {
    return {.value = value.data(),
            .gradient = gradient.data(),
            .m = m.data(),
            .size = value.size(),
            .decay = decay,
            .lr_scale = lr_scale};
  }
};

template <class B>
void step(Segment<typename B::scalar> const& s, Matrices const& of, MuonStep const& a, int threads = 1) {
  test::Poisoned memory(muon<B>::workspace(of, threads));
  Arena scratch = memory.arena();
  B b;
  b.threads = threads;
  b.scratch = &scratch;
  muon<B>::step(b, s, of, a);
  CHECK(scratch.high_water() <= muon<B>::workspace(of, threads));
}

template <class A, class C> double distance(std::vector<A> const& a, std::vector<C> const& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    test::see(worst, std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return worst;
}

const Matrices shapes[] = {{5, 12}, {12, 5}, {8, 8}, {1, 7}, {7, 1}, {70, 33}, {33, 70}, {24, 40, 3}, {40, 24, 3}};

}  // namespace

TEST_CASE_TEMPLATE("muon: three steps of torch.optim.Muon", B, Ref<double>, Ref<float>, Cpu<>) {
  using S = typename B::scalar;
  const Golden golden("muon.bin");
  const MuonStep a{.lr = golden.number("lr"), .momentum = golden.number("momentum")};
  for (std::string const name : {"wide", "tall", "square"}) {
    CAPTURE(name);
    auto const& shape = golden.tensor(name + ".value").shape;
    const Matrices of{shape[0], shape[1]};
    const auto read = [&](std::string const& what) {
      const auto v = golden.floats(name + '.' + what);
      return std::vector<S>(v.begin(), v.end());
    };
    std::vector<S> value = read("value"), m(value.size());
    for (int t = 1; t <= 3; ++t) {
      auto gradient = read("gradient." + std::to_string(t));
      const Segment<S> s{.value = value.data(),
                         .gradient = gradient.data(),
                         .m = m.data(),
                         .size = value.size(),
                         .decay = static_cast<float>(golden.number("weight_decay"))};
      step<B>(s, of, a);
      // The file and the decay are floats: an error of 2^-23 of values below 3, where arithmetic adds none. In float
      // the iteration multiplies rounding by up to 3.44 in each of its five steps; of that a step is 0.014.
      const double bound = std::is_same_v<S, double> ? 4e-7 : 3e-6;
      CHECK(distance(value, read("value." + std::to_string(t))) < bound);
    }
    CHECK(distance(m, read("m.3")) < 1e-6);
  }
}

TEST_CASE_TEMPLATE("muon: the kernel equals the reference, and has the same bits for any number of threads", B,
                   Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx2>, Cpu<f32_products, isa::avx512>) {
  for (Matrices const& of : shapes) {
    CAPTURE(of.rows);
    CAPTURE(of.cols);
    Weight<double> want(of, 1);
    Weight<float> got(of, 1);
    MuonStep a{.lr = 0.1, .momentum = 0.9, .gradient_scale = 0.7, .clear_gradient = true};
    step<Ref<double>>(want.segment(), of, a);
    step<B>(got.segment(), of, a);
    CHECK(distance(got.m, want.m) < 2e-7);
    CHECK(distance(got.value, want.value) <
          1e-5 * std::sqrt(static_cast<double>(of.rows < of.cols ? of.cols : of.rows)));
    for (float g : got.gradient) CHECK(g == 0);
    for (int threads : {2, 3, 8}) {
      Weight<float> other(of, 1);
      step<B>(other.segment(), of, a, threads);
      CHECK(other.value == got.value);
      CHECK(other.m == got.m);
    }
  }
}

TEST_CASE("muon: bf16 products round the iteration, and not momentum") {
  const Matrices of{33, 70};
  Weight<float> rounded(of, 2), exact(of, 2);
  step<Cpu<bf16_products>>(rounded.segment(), of, {.lr = 0.1});
  step<Cpu<>>(exact.segment(), of, {.lr = 0.1});
  CHECK(rounded.m == exact.m);
  const double off = distance(rounded.value, exact.value);
  CHECK(off > 1e-5);
  CHECK(off < 0.02);  // of steps of 0.05 · 0.2 · √70 · X, X below 1: 2^-9 of each factor, times 3.44 in five steps
}

TEST_CASE("muon: matrices of a tensor are stepped as if each were alone") {
  const Matrices of{9, 6, 3};
  Weight<double> all(of, 3), apart(of, 3);
  step<Ref<double>>(all.segment(), of, {});
  for (std::size_t i = 0; i < 3; ++i) {
    Segment<double> s = apart.segment();
    s.value += i * of.size(), s.gradient += i * of.size(), s.m += i * of.size(), s.size = of.size();
    step<Ref<double>>(s, {9, 6}, {});
  }
  CHECK(all.value == apart.value);
  Weight<double> whole(of, 3);
  step<Ref<double>>(whole.segment(), {27, 6}, {});
  CHECK(distance(whole.value, all.value) > 1e-4);
}

TEST_CASE_TEMPLATE("muon: a step knows no size of the gradient, and the transposed matrix has the transposed step", B,
                   Ref<double>, Cpu<>) {
  using S = typename B::scalar;
  const Matrices of{5, 12};
  const double bound = std::is_same_v<S, double> ? 1e-12 : 1e-6;
  Weight<S> one(of, 4), large(of, 4), turned({12, 5}, 4);
  for (auto* w : {&one, &large}) std::fill(w->m.begin(), w->m.end(), S(0));
  for (S& g : large.gradient) g *= S(1e4);
  for (std::size_t r = 0; r < 5; ++r)
    for (std::size_t c = 0; c < 12; ++c) {
      turned.value[c * 5 + r] = one.value[r * 12 + c];
      turned.gradient[c * 5 + r] = one.gradient[r * 12 + c];
      turned.m[c * 5 + r] = S(0);
    }
  step<B>(one.segment(), of, {});
  step<B>(large.segment(), of, {});
  step<B>(turned.segment(), {12, 5}, {});
  CHECK(distance(one.value, large.value) < bound);
  for (std::size_t r = 0; r < 5; ++r)
    for (std::size_t c = 0; c < 12; ++c)
      CHECK(std::fabs(static_cast<double>(turned.value[c * 5 + r] - one.value[r * 12 + c])) < bound);
}

TEST_CASE_TEMPLATE("muon: without a gradient and momentum only decay is left", B, Ref<double>, Cpu<>) {
  using S = typename B::scalar;
  Weight<S> w({4, 6}, 5);
  const std::vector<S> before = w.value;
  std::fill(w.m.begin(), w.m.end(), S(0));
  std::fill(w.gradient.begin(), w.gradient.end(), S(0));
  step<B>(w.segment(0.1F, 1), w.of, {.lr = 0.5});
  for (std::size_t i = 0; i < before.size(); ++i)
    CHECK(static_cast<double>(w.value[i]) == doctest::Approx(0.95 * static_cast<double>(before[i])).epsilon(1e-6));
}

TEST_CASE("muon: the derivative of a step, by dual numbers and by differences") {
  const Matrices of{3, 4};
  Weight<Dual> w(of, 6);
  for (std::size_t i = 0; i < w.value.size(); ++i) w.gradient[i].d = 0.1 * static_cast<double>(i % 5);
  step<Ref<Dual>>(w.segment(), of, {.lr = 0.1});
  const auto at = [&](double h) {
    Weight<double> moved(of, 6);
    for (std::size_t i = 0; i < moved.value.size(); ++i) moved.gradient[i] += h * 0.1 * static_cast<double>(i % 5);
    step<Ref<double>>(moved.segment(), of, {.lr = 0.1});
    return moved.value;
  };
  const auto up = at(1e-5), down = at(-1e-5);
  for (std::size_t i = 0; i < up.size(); ++i)
    CHECK(w.value[i].d == doctest::Approx((up[i] - down[i]) / 2e-5).epsilon(1e-6));
}

}  // namespace test_muon
