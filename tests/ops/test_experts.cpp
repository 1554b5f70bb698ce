// The router's choice, rows on their way to experts and back, and rows that a number opens.
#include <doctest/doctest.h>

#include <vector>

#include <fauna/ops/experts/cpu.hpp>
#include <fauna/ops/experts/ref.hpp>
#include <fauna/ops/router/cpu.hpp>
#include <fauna/ops/router/ref.hpp>
#include <fauna/ops/row_gate/cpu.hpp>
#include <fauna/ops/row_gate/ref.hpp>

#include "support/compare.hpp"
#include "support/memory.hpp"
#include "support/op_check.hpp"
#include "support/random.hpp"

namespace test_experts {

using namespace fauna;
using test::Rows, test::with_threads;

namespace {

/// Whole numbers, which have no NaN to be poisoned with.
struct Ints {
  std::vector<int> all;
  int cols;
  Ints(int rows, int cols_) : all(static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols_), -1), cols(cols_) {}
  int* data() { return all.data(); }
  operator Matrix<int>() { return Matrix<int>(all.data(), static_cast<int>(all.size()) / cols, cols); }
  operator Matrix<const int>() const {
    return Matrix<const int>(all.data(), static_cast<int>(all.size()) / cols, cols);
  }
};

}  // namespace

TEST_CASE("router: known choices, the lower index first among equals") {
  const double logits[] = {0, std::log(3.0), std::log(3.0), 0};
  double p[4], w[2];
  int ids[2];
  for (const bool renormalised : {true, false}) {
    router<Ref<double>>::forward({}, Matrix<const double>(logits, 1, 4), {.renormalised = renormalised}, nullptr,
                                 Matrix<double>(p, 1, 4), Matrix<int>(ids, 1, 2), Matrix<double>(w, 1, 2));
    CHECK(ids[0] == 1);
    CHECK(ids[1] == 2);
    CHECK(p[0] == doctest::Approx(1.0 / 8));
    CHECK(w[0] == doctest::Approx(renormalised ? 0.5 : 3.0 / 8));
  }
}

TEST_CASE("router: what is judged by something else is weighed by its score") {
  const double logits[] = {0, std::log(3.0), std::log(3.0), 0}, judged[] = {4, -1, 3, 4};
  double p[4], w[2];
  int ids[2];
  router<Ref<double>>::forward({}, Matrix<const double>(logits, 1, 4), {.renormalised = false},
                               Matrix<const double>(judged, 1, 4), Matrix<double>(p, 1, 4), Matrix<int>(ids, 1, 2),
                               Matrix<double>(w, 1, 2));
  CHECK(ids[0] == 0);
  CHECK(ids[1] == 3);
  CHECK(w[0] == doctest::Approx(1.0 / 8));
}

TEST_CASE("router: groups are judged by their best or their two best, and a bias counts in the choice alone") {
  // σ of these: 0.9, 0.1 | 0.6, 0.6 | 0.5, 0.5
  const double logits[] = {std::log(9.0), -std::log(9.0), std::log(1.5), std::log(1.5), 0, 0};
  double p[6], w[2];
  int ids[2];
  const auto choose = [&](Choice const& how, const double* bias) {
    router<Ref<double>>::forward({}, Matrix<const double>(logits, 1, 6), how, bias, Matrix<double>(p, 1, 6),
                                 Matrix<int>(ids, 1, 2), Matrix<double>(w, 1, 2));
  };
  Choice how{.scores = router_scores::sigmoid, .scale = 3, .groups = 3, .kept_groups = 1};
  choose(how, nullptr);
  CHECK(ids[0] == 2);
  CHECK(ids[1] == 3);
  CHECK(w[0] == doctest::Approx(1.5));
  how.by = group_score::best;
  choose(how, nullptr);
  CHECK(ids[0] == 0);
  CHECK(ids[1] == 1);
  CHECK(w[0] == doctest::Approx(2.7));
  CHECK(w[1] == doctest::Approx(0.3));
  how.by = group_score::two_best;
  const double bias[] = {-2, -2, -1, -1, -1.05, 0.2};  // all sums but one of the last group are negative
  choose(how, bias);
  CHECK(ids[0] == 5);
  CHECK(ids[1] == 4);
  CHECK(w[0] == doctest::Approx(1.5));
  how.renormalised = false;
  choose(how, bias);
  CHECK(w[1] == doctest::Approx(1.5));
  CHECK(p[4] == doctest::Approx(0.5));
}

TEST_CASE_TEMPLATE("row_gate: equals the reference, for any number of threads", B, Cpu<f32_products, isa::baseline>,
                   Cpu<f32_products, isa::avx2>, Cpu<f32_products, isa::avx512>) {
  for (auto const& size : {std::pair{1, 1}, std::pair{7, 33}, std::pair{300, 64}}) {
    const int R = size.first, C = size.second;
    test::Random random(9);
    const Rows<float> x(random, R, C + 1, 2), dy(random, R, C, 1);
    Rows<double> y(R, C), dx(R, C + 1);
    row_gate<Ref<double>>::forward({}, x.as<double>(), y);
    row_gate<Ref<double>>::backward({}, x.as<double>(), dy.as<double>(), dx);
    for (const int threads : {1, 2, 8}) {
      const B b = with_threads<B>(threads);
      Rows<float> y1(R, C, 1), dx1(R, C + 1, 2);
      row_gate<B>::forward(b, x, y1);
      row_gate<B>::backward(b, x, dy, dx1);
      CHECK(test::distance<float>(y1, y) < 1e-6);
      CHECK(test::distance<float>(dx1, dx) < 1e-5);  // sums of 64 products
    }
  }
}

TEST_CASE_TEMPLATE("router: equals the reference, for any number of threads and any policy's products", B,
                   Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx2>, Cpu<bf16_products, isa::avx2>,
                   Cpu<f32_products, isa::avx512>) {
  for (auto const& size : {std::pair{1, 1}, std::pair{7, 3}, std::pair{200, 9}}) {
    const int R = size.first, E = size.second, K = E < 2 ? 1 : 2, C = 21;
    test::Random random(5);
    const Rows<float> x(random, R, C, 1), gate(random, E, C), dweights(random, R, K), dp(random, R, E);
    test::Poisoned memory(router<B>::workspace(R, C, E, 8));
    Rows<double> logits(R, E), p(R, E), w(R, K), dl(R, E), dgate = gate.as<double>(), dx = x.as<double>();
    Ints ids(R, K);
    router<Ref<double>>::scores({}, x.as<double>(), gate.as<double>(), logits);
    Choice how;
    if (E == 9) how = {.scores = router_scores::sigmoid, .scale = 2.5F, .groups = 3, .kept_groups = 2};
    const Rows<float> bias(random, 1, E);
    const Rows<double> wide_bias = bias.as<double>();
    router<Ref<double>>::forward({}, logits, how, wide_bias.data(), p, ids, w);
    router<Ref<double>>::backward({}, p, how, ids, w, dweights.as<double>(), dp.as<double>(), dl);
    router<Ref<double>>::scores_backward({}, x.as<double>(), gate.as<double>(), dl, dgate, dx);
    for (const int threads : {1, 2, 3, 8}) {
      Arena scratch = memory.arena();
      B b = with_threads<B>(threads);
      b.scratch = &scratch;
      Rows<float> logits1(R, E), p1(R, E), w1(R, K), dl1 = dp, dgate1 = gate, dx1 = x;
      Ints ids1(R, K);
      router<B>::scores(b, x, gate, logits1);
      router<B>::forward(b, logits1, how, bias.data(), p1, ids1, w1);
      router<B>::backward(b, p1, how, ids1, w1, dweights, dl1, dl1);  // in the place of dprobabilities
      router<B>::scores_backward(b, x, gate, dl1, dgate1, dx1);
      // Sums of 21 products in f32, also under bf16; those of dgate over 200 rows.
      CHECK(test::distance<float>(logits1, logits) < 1e-5);
      CHECK(ids1.all == ids.all);
      CHECK(test::distance<float>(p1, p) < 1e-5);
      CHECK(test::distance<float>(w1, w) < 1e-5);
      CHECK(test::distance<float>(dl1, dl) < 1e-5);
      CHECK(test::distance<float>(dgate1, dgate) < 1e-4);
      CHECK(test::distance<float>(dx1, dx) < 1e-5);
    }
  }
}

TEST_CASE_TEMPLATE("expert rows: equal the reference, for any number of threads", B, Cpu<f32_products, isa::baseline>,
                   Cpu<f32_products, isa::avx2>, Cpu<f32_products, isa::avx512>) {
  for (auto const& size : {std::pair{1, 1}, std::pair{7, 33}, std::pair{300, 65}}) {
    const int R = size.first, C = size.second, K = 2, n = R * K;
    test::Random random(6);
    const Rows<float> x(random, R, C, 2), z(random, n, C, 1), w(random, R, K), dy(random, R, C, 3),
        base(random, R, C, 1);
    Ints places(R, K), sources(n, 1);
    for (int i = 0; i < n; ++i) {  // a permutation: 7 and 601 share no factor with n
      const int place = static_cast<int>(static_cast<long long>(i) * 601 % n);
      places.all[static_cast<std::size_t>(i)] = place;
      sources.all[static_cast<std::size_t>(place)] = i / K;
      if (i % 5 == 3) places.all[static_cast<std::size_t>(i)] = -1;  // dropped; what stands there stays
    }
    Rows<double> y(n, C), dx(R, C), sum(R, C), dz = z.as<double>(), dw(R, K), scattered = z.as<double>(),
                                               alike = scattered;
    expert_rows<Ref<double>>::scatter({}, x.as<double>(), places, w.as<double>(), scattered);
    expert_rows<Ref<double>>::scatter({}, x.as<double>(), places, {}, alike);
    Rows<double> products(R, K);
    expert_rows<Ref<double>>::dots({}, x.as<double>(), z.as<double>(), places, products);
    expert_rows<Ref<double>>::gather({}, x.as<double>(), sources.data(), y);
    expert_rows<Ref<double>>::gather_backward({}, z.as<double>(), places, base.as<double>(), dx);
    expert_rows<Ref<double>>::combine({}, z.as<double>(), places, w.as<double>(), {}, sum);
    expert_rows<Ref<double>>::combine_backward({}, dy.as<double>(), z.as<double>(), places, w.as<double>(), dz, dw);
    for (const int threads : {1, 2, 3, 8}) {
      const B b = with_threads<B>(threads);
      Rows<float> y1(n, C, 1), dx1 = base, sum1(R, C, 2), dz1 = z, dw1(R, K), scattered1 = z, alike1 = z;
      expert_rows<B>::scatter(b, x, places, w, scattered1);
      expert_rows<B>::scatter(b, x, places, {}, alike1);
      Rows<float> products1(R, K);
      expert_rows<B>::dots(b, x, z, places, products1);
      CHECK(test::distance<float>(products1, products) < 1e-5);
      expert_rows<B>::gather(b, x, sources.data(), y1);
      expert_rows<B>::gather_backward(b, z, places, dx1, dx1);
      expert_rows<B>::combine(b, z, places, w, {}, sum1);
      expert_rows<B>::combine_backward(b, dy, z, places, w, dz1, dw1);
      CHECK(test::distance<float>(y1, y) == 0);
      CHECK(test::distance<float>(dx1, dx) < 1e-6);
      CHECK(test::distance<float>(sum1, sum) < 1e-6);
      CHECK(test::distance<float>(dz1, dz) < 1e-6);
      CHECK(test::distance<float>(dw1, dw) < 1e-5);
      CHECK(test::distance<float>(scattered1, scattered) < 1e-6);
      CHECK(test::distance<float>(alike1, alike) == 0);
      CHECK(sum1.gaps_untouched());
    }
  }
}

}  // namespace test_experts
