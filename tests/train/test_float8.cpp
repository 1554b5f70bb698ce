// Training with linear layers in eight bits: gradients are off by what operands lose.
#include <doctest/doctest.h>

#include <cmath>
#include <type_traits>
#include <vector>

#include <fauna/ops/ref.hpp>

#include "../support/runs.hpp"

namespace test_float8 {

using namespace fauna;

namespace {

using Model = Gpt<GptConfig{.layers = 2, .heads = 2, .width = 32, .context = 16, .vocab = 27, .bias = true}>;
template <class P> using On = Trained<Model, Cpu<P>>;

struct Pass {
  double loss = 0;
  std::vector<std::vector<float>> gradients;
};
template <class P> Pass pass(int threads = 1) {
  On<P> m(seed{3}, threads);
  m.prepare_training({.sequences = 6, .length = 16});
  BatchMemory batch(6, 16);
  batch.draw(test::both().train, Key{1, 2}, 0);
  Pass all;
  all.loss = m.accumulate(batch.batch());
  for (Parameter const& p : m.parameters()) {
    auto const g = m.gradient(p);
    all.gradients.emplace_back(g.data(), g.data() + g.size());
  }
  return all;
}

/// ‖a - b‖ / ‖b‖
double off(std::vector<float> const& a, std::vector<float> const& b) {
  double d = 0, n = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
    d += (x - y) * (x - y);
    n += y * y;
  }
  return std::sqrt(d / n);
}

}  // namespace

TEST_SUITE("float8 training") {
  TEST_CASE_TEMPLATE("gradients are off by what operands lose, and have the same bits for any number of threads", P,
                     float8_products, float8_rowwise_products, mxfp8_products) {
    const Pass exact = pass<f32_products>(), got = pass<P>(), again = pass<P>(3);
    CHECK(std::fabs(got.loss - exact.loss) < 1e-2 * exact.loss);
    CHECK(got.loss != exact.loss);
    CHECK(again.gradients == got.gradients);
    // Half a unit in the last place is 2^-4 of a number at most in E4M3 and 2^-3 in E5M2, and a half of that on the
    // mean; a gradient has gone through eight products at most, whose errors are independent.
    const double most = (std::is_same_v<P, float8_products> ? 0x1p-4 : 0x1p-5) * std::sqrt(2.0 * 8);
    double worst = 0;
    for (std::size_t i = 0; i < exact.gradients.size(); ++i) {
      CAPTURE(i);
      const double d = off(got.gradients[i], exact.gradients[i]);
      CHECK(d < most);
      worst = d > worst ? d : worst;
    }
    CHECK(worst > 0x1p-7);
  }
}

}  // namespace test_float8
