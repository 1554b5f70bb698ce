// AdamW, SGD and the global norm: against scalar loops in double, against numbers that PyTorch gives, and over segments
// of every awkward size.
#include <doctest/doctest.h>

#include <cmath>
#include <fauna/core/dual.hpp>
#include <fauna/ops/adamw/cpu.hpp>
#include <fauna/ops/adamw/ref.hpp>
#include <fauna/ops/clip/cpu.hpp>
#include <fauna/ops/clip/ref.hpp>
#include <fauna/ops/sgd/cpu.hpp>
#include <fauna/ops/sgd/ref.hpp>
#include <initializer_list>
#include <limits>
#include <vector>

#include "support/memory.hpp"
#include "support/random.hpp"
#include "support/sizes.hpp"
#include "support/worst.hpp"

namespace test_optimizers {

using namespace fauna;

namespace {

/// Tensors of sizes around the vector and piece sizes, each with its own decay and rate; number 3 is frozen.
template <class S> struct Parameters {
  std::vector<std::vector<S>> value, gradient, m, v;
  std::vector<Segment<S>> segments;
  explicit Parameters(std::uint64_t stream) {
    test::Random random(stream);
    int i = 0;
    for (int size : {1, 100, 4095, 4096, 4097, 16, 50'000, 3}) {
      const auto n = static_cast<std::size_t>(size);
      value.emplace_back(n), gradient.emplace_back(n), m.emplace_back(n), v.emplace_back(n);
      for (S& x : value.back()) x = random.uniform();
      Segment<S> s{.size = n};
      s.decay = i % 2 == 0 ? 0.1F : 0.0F;
      s.lr_scale = i == 2 ? 0.5F : 1.0F;
      s.trainable = i != 3;
      segments.push_back(s);
      ++i;
    }
    for (std::size_t k = 0; k < segments.size(); ++k) {
      segments[k].value = value[k].data();
      segments[k].gradient = segments[k].trainable ? gradient[k].data() : nullptr;
      segments[k].m = segments[k].trainable ? m[k].data() : nullptr;
      segments[k].v = segments[k].trainable ? v[k].data() : nullptr;
    }
  }
  Parameters(Parameters const&) = delete;
  Parameters& operator=(Parameters const&) = delete;
  int count() const { return static_cast<int>(segments.size()); }
  void new_gradients(int step) {
    test::Random random(1000 + static_cast<std::uint64_t>(step));
    for (auto& g : gradient)
      for (S& x : g) x = random.uniform();
  }
};

/// The largest difference of any value, m or v.
template <class A, class B> double difference(Parameters<A> const& a, Parameters<B> const& b) {
  double worst = 0;
  const auto see = [&](auto const& x, auto const& y) {
    for (std::size_t i = 0; i < x.size(); ++i)
      for (std::size_t k = 0; k < x[i].size(); ++k) {
        test::see(worst, std::fabs(static_cast<double>(x[i][k]) - static_cast<double>(y[i][k])));
      }
  };
  see(a.value, b.value);
  see(a.m, b.m);
  see(a.v, b.v);
  return worst;
}

template <class B> B with_threads(int threads) {
  B b;
  b.threads = threads;
  return b;
}

AdamWStep adamw_step(int t) {
  return {.lr = 1e-2,
          .beta1 = 0.9,
          .beta2 = 0.99,
          .eps = 1e-8,
          .step = t,
          .gradient_scale = 0.7,
          .clear_gradient = t % 2 == 0};
}
SgdStep sgd_step(int t) {
  return {.lr = 1e-2,
          .momentum = t < 0 ? 0 : 0.9,
          .nesterov = t % 3 == 0,
          .gradient_scale = 0.7,
          .clear_gradient = t % 2 == 0};
}

/// AdamW on one number, written as Loshchilov and Hutter's algorithm 2 has it.
void adamw_by_hand(double& p, double g, double& m, double& v, AdamWStep const& a, double decay, double rate) {
  const double t = static_cast<double>(a.step), lr = a.lr * rate;
  g = g * a.gradient_scale;
  m = a.beta1 * m + (1 - a.beta1) * g;
  v = a.beta2 * v + (1 - a.beta2) * g * g;
  const double m_hat = m / (1 - std::pow(a.beta1, t)), v_hat = v / (1 - std::pow(a.beta2, t));
  p = p - lr * decay * p - lr * m_hat / (std::sqrt(v_hat) + a.eps);
}

template <class S> bool cleared(Parameters<S> const& p, bool want) {
  bool all_zero = true;
  for (std::size_t i = 0; i < p.segments.size(); ++i)
    if (p.segments[i].trainable)
      for (S g : p.gradient[i]) all_zero = all_zero && g == S(0);
  return all_zero == want;
}

}  // namespace

TEST_CASE_TEMPLATE("adamw: ten steps equal a loop in double, for any number of threads", B, Ref<float>,
                   Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx2>, Cpu<f32_products, isa::avx512>) {
  Parameters<double> want(1);
  Parameters<float> got(1), two(1), three(1), eight(1);
  for (int t = 1; t <= test::size(10, 4); ++t) {
    const AdamWStep a = adamw_step(t);
    want.new_gradients(t);
    for (std::size_t i = 0; i < want.segments.size(); ++i)
      for (std::size_t k = 0; want.segments[i].trainable && k < want.segments[i].size; ++k)
        adamw_by_hand(want.value[i][k], want.gradient[i][k], want.m[i][k], want.v[i][k], a,
                      static_cast<double>(want.segments[i].decay), static_cast<double>(want.segments[i].lr_scale));
    int threads[] = {1, 2, 3, 8}, i = 0;
    for (auto* p : {&got, &two, &three, &eight}) {
      p->new_gradients(t);
      adamw<B>::step(with_threads<B>(threads[i++]), p->segments.data(), p->count(), a);
      CHECK(cleared(*p, a.clear_gradient));
    }
    // Values below 1.1 take about four roundings a step, m and v (below 1) two; the step itself is lr = 0.01 at most.
    CHECK(difference(got, want) < 3e-7 * t);
    CHECK(difference(two, got) == 0);
    CHECK(difference(three, got) == 0);
    CHECK(difference(eight, got) == 0);
  }
}

TEST_CASE_TEMPLATE("adamw and clip: three steps of PyTorch", B, Ref<double>, Ref<float>, Cpu<>) {
  // torch.optim.AdamW (lr 0.01, betas 0.9 and 0.99, decay 0.1 on p and 0 on q) after clip_grad_norm_ to 0.5, in double
  using S = typename B::scalar;
  const double norms[] = {0.5408326913195984, 1.0201102881551583, 1.5133663726202515};
  const double want[3][4] = {{0.4895000003605558, -1.2387500005408336, 1.9880000021633344, 0.7599999997295832},
                             {0.4790008506357948, -1.228092913132047, 1.977611169420425, 0.7700096495415166},
                             {0.46850480411376405, -1.217981775736959, 1.9684340010293022, 0.7800266952993268}};
  S p[] = {S(0.5), S(-1.25), S(2)}, q[] = {S(0.75)}, gp[3], gq[1], m[4]{}, v[4]{};
  const Segment<S> segments[] = {{p, gp, m, v, 3, 0.1F}, {q, gq, m + 3, v + 3, 1}};
  test::Poisoned memory(clip<B>::workspace(segments, 2));
  Arena scratch = memory.arena();
  B b;
  b.scratch = &scratch;
  // decay and gradients are floats of the decimals: one rounding each
  const double bound = std::is_same_v<B, Ref<double>> ? 1e-10 : 1e-6;
  for (int t = 1; t <= 3; ++t) {
    gp[0] = S(0.3 * t), gp[1] = S(-0.2), gp[2] = S(0.05 / t), gq[0] = S(-0.4 * t);
    const double norm = clip<B>::global_norm(b, segments, 2);
    CHECK(std::fabs(norm - norms[t - 1]) < bound);
    adamw<B>::step(b, segments, 2,
                   {.lr = 0.01, .beta1 = 0.9, .beta2 = 0.99, .step = t, .gradient_scale = clip_coefficient(0.5, norm)});
    for (int i = 0; i < 3; ++i) CHECK(std::fabs(static_cast<double>(p[i]) - want[t - 1][i]) < bound);
    CHECK(std::fabs(static_cast<double>(q[0]) - want[t - 1][3]) < bound);
  }
}

TEST_CASE_TEMPLATE("sgd: equals the reference in double, for any number of threads", B,
                   Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx2>, Cpu<f32_products, isa::avx512>) {
  Parameters<double> want(2);
  Parameters<float> got(2), two(2), three(2), eight(2);
  for (int t = -2; t <= test::size(6, 2); ++t) {
    const SgdStep a = sgd_step(t);
    want.new_gradients(t);
    sgd<Ref<double>>::step({}, want.segments.data(), want.count(), a);
    int threads[] = {1, 2, 3, 8}, i = 0;
    for (auto* p : {&got, &two, &three, &eight}) {
      p->new_gradients(t);
      sgd<B>::step(with_threads<B>(threads[i++]), p->segments.data(), p->count(), a);
      CHECK(cleared(*p, a.clear_gradient));
    }
    // momentum buffers stay below 7 and round twice a step; values round once a step
    CHECK(difference(got, want) < 1e-6 * (t + 3));
    CHECK(difference(two, got) == 0);
    CHECK(difference(three, got) == 0);
    CHECK(difference(eight, got) == 0);
  }
}

TEST_CASE_TEMPLATE("sgd: three steps of PyTorch, plain and Nesterov", B, Ref<double>, Ref<float>, Cpu<>) {
  // torch.optim.SGD (lr 0.1, momentum 0.9, decay 0.01), in double
  using S = typename B::scalar;
  const double want[2][3] = {{0.21207136949999997, -1.1308894787500001, 1.9688444263333333},
                             {0.0597377848005, -1.07925414924625, 1.9568536163203332}};
  for (bool nesterov : {false, true}) {
    S p[] = {S(0.5), S(-1.25), S(2)}, g[3], m[3]{};
    const Segment<S> segment{p, g, m, nullptr, 3, 0.01F};
    for (int t = 1; t <= 3; ++t) {
      g[0] = S(0.3 * t), g[1] = S(-0.2), g[2] = S(0.05 / t);
      sgd<B>::step(B{}, &segment, 1, {.lr = 0.1, .momentum = 0.9, .nesterov = nesterov});
    }
    // 0.01F is off by 2e-10
    for (int i = 0; i < 3; ++i)
      CHECK(std::fabs(static_cast<double>(p[i]) - want[nesterov][i]) < (std::is_same_v<S, double> ? 1e-9 : 1e-6));
  }
}

TEST_CASE_TEMPLATE("clip: the norm equals the reference and has the same bits for any number of threads", B,
                   Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx2>, Cpu<f32_products, isa::avx512>) {
  Parameters<float> p(3);
  Parameters<double> d(3);
  p.new_gradients(1);
  d.new_gradients(1);
  const double want = clip<Ref<double>>::global_norm({}, d.segments.data(), d.count());
  test::Poisoned memory(clip<B>::workspace(p.segments.data(), p.count()));
  Arena scratch = memory.arena();
  B b;
  b.scratch = &scratch;
  const double got = clip<B>::global_norm(b, p.segments.data(), p.count());
  // a piece is summed in at least 16 parts of at most 256 squares
  CHECK(std::fabs(got / want - 1) < 256 * 0x1p-25);
  CHECK(scratch.high_water() <= clip<B>::workspace(p.segments.data(), p.count()));
  for (int threads : {2, 3, 8}) {
    b.threads = threads;
    memory.poison();
    CHECK(clip<B>::global_norm(b, p.segments.data(), p.count()) == got);
  }
}

TEST_CASE_TEMPLATE("clip: says which gradients are zero, not finite, or frozen", B, Ref<float>,
                   Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx512>) {
  Parameters<float> p(4);
  p.new_gradients(1);
  const auto fill = [&](std::size_t i, float x) {
    for (float& g : p.gradient[i]) g = x;
  };
  fill(1, 0);
  fill(4, 1e-30F);  // the square is no float
  fill(5, 0);
  p.gradient[2].back() = std::nanf("");
  p.gradient[6][30'000] = std::numeric_limits<float>::infinity();
  test::Poisoned memory(clip<B>::workspace(p.segments.data(), p.count()));
  Arena scratch = memory.arena();
  B b;
  b.scratch = &scratch;
  gradient_state s[8];
  CHECK(!std::isfinite(clip<B>::global_norm(b, p.segments.data(), p.count(), s)));
  using enum gradient_state;
  const gradient_state want[] = {finite, zero, not_finite, frozen, finite, zero, not_finite, finite};
  for (int i = 0; i < 8; ++i) CHECK(s[i] == want[i]);
  p.gradient[2].back() = 1e30F;  // finite, though its square is no float
  p.gradient[6][30'000] = 0;
  const double norm = clip<B>::global_norm(b, p.segments.data(), p.count(), s);
  CHECK(std::fabs(norm / 1e30 - 1) < 1e-6);
  CHECK(s[2] == finite);
}

TEST_CASE("clip: the coefficient is PyTorch's") {
  CHECK(clip_coefficient(1.0, 4.0) == 1.0 / (4.0 + 1e-6));
  CHECK(clip_coefficient(1.0, 0.5) == 1);
  CHECK(clip_coefficient(0, 100) == 1);
  CHECK(std::isnan(clip_coefficient(1.0, std::nan(""))));
}

TEST_CASE("adamw: the derivative of a step along value, gradient and moments") {
  // The step is differentiable, so dual numbers pass through it: a check that the reference is generic in its scalar.
  Dual p(0.5, 1), g(0.3, 0.2), m(0.1), v(0.04);
  const Segment<Dual> s{&p, &g, &m, &v, 1, 0.1F};
  const AdamWStep a{.lr = 0.01, .beta1 = 0.9, .beta2 = 0.99, .step = 3};
  adamw<Ref<Dual>>::step({}, &s, 1, a);
  const auto at = [&](double h) {
    double value = 0.5 + h, mean = 0.1, square = 0.04;
    adamw_by_hand(value, 0.3 + 0.2 * h, mean, square, a, static_cast<double>(0.1F), 1);
    return value;
  };
  CHECK(p.v == doctest::Approx(at(0)).epsilon(1e-14));
  CHECK(p.d == doctest::Approx((at(1e-5) - at(-1e-5)) / 2e-5).epsilon(1e-8));
}

TEST_CASE("segments: pieces cover every trainable element once, whatever the ranges") {
  Parameters<float> p(5);
  const std::size_t total = trainable_size(p.segments.data(), p.count());
  for (std::size_t parts : {1U, 2U, 3U, 7U, 64U}) {
    std::vector<std::vector<int>> seen;
    for (auto const& v : p.value) seen.emplace_back(v.size());
    std::size_t next = 0;
    for (std::size_t k = 0; k < parts; ++k)
      for_pieces(p.segments.data(), p.count(), total * k / parts, total * (k + 1) / parts,
                 [&](int i, std::size_t piece, std::size_t first, std::size_t count) {
                   CHECK(piece == next++);
                   CHECK(first % piece_size == 0);
                   for (std::size_t e = first; e < first + count; ++e) ++seen[static_cast<std::size_t>(i)][e];
                 });
    CHECK(next == piece_count(p.segments.data(), p.count()));
    for (std::size_t i = 0; i < seen.size(); ++i)
      for (int n : seen[i]) REQUIRE(n == (p.segments[i].trainable ? 1 : 0));
  }
}

}  // namespace test_optimizers
