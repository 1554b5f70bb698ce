// Initial values: the distributions, and that a part of a tensor is drawn as the whole has it.
#include <doctest/doctest.h>

#include <vector>

#include <fauna/core/fill.hpp>

namespace test_init {

using namespace fauna;

namespace {

std::vector<float> drawn(Init const& init, int rows, int cols, int from = 0, int to = -1, int layers = 0) {
  const Filling f{.key = {7, 3}, .rows = rows, .cols = cols, .from = from, .to = to < 0 ? rows : to, .layers = layers};
  std::vector<float> v(static_cast<std::size_t>(f.to - from) * static_cast<std::size_t>(cols));
  fill(init, f, v.data());
  return v;
}
struct Moments {
  double mean = 0, deviation = 0, least = 1e9, most = -1e9;
  explicit Moments(std::vector<float> const& v) {
    const double n = static_cast<double>(v.size());
    for (float x : v) {
      mean += static_cast<double>(x) / n;
      least = std::fmin(least, static_cast<double>(x));
      most = std::fmax(most, static_cast<double>(x));
    }
    for (float x : v) deviation += (static_cast<double>(x) - mean) * (static_cast<double>(x) - mean) / n;
    deviation = std::sqrt(deviation);
  }
};

}  // namespace

TEST_SUITE("init") {
  TEST_CASE("rows of a tensor are those of the whole") {
    for (const Init& init : {zeros, ones, normal(0.02F), residual_normal(0.02F), truncated_normal(1, 0.7F),
                             uniform(-1, 2), orthogonal(2), log_column(), inverse_softplus(1e-3F, 0.1F)}) {
      const auto whole = drawn(init, 9, 4), part = drawn(init, 9, 4, 2, 7);
      CHECK(part == std::vector<float>(whole.begin() + 2 * 4, whole.begin() + 7 * 4));
    }
  }

  TEST_CASE("distributions have their moments and bounds") {
    constexpr int n = 200;  // 40,000 draws: a mean within 5 of its standard errors
    const Moments normal_(drawn(normal(0.5F), n, n));
    CHECK(std::fabs(normal_.mean) < 5 * 0.5 / n);
    CHECK(normal_.deviation == doctest::Approx(0.5).epsilon(0.02));
    const Moments deep(drawn(residual_normal(0.5F), n, n, 0, -1, 8));
    CHECK(deep.deviation == doctest::Approx(0.125).epsilon(0.02));
    const Moments cut(drawn(truncated_normal(0.5F), n, n));
    CHECK(cut.deviation == doctest::Approx(0.5 * 0.87963).epsilon(0.02));  // √(1 - 4 φ(2) / (2 Φ(2) - 1))
    CHECK(cut.most <= 1);
    CHECK(cut.least >= -1);
    CHECK(cut.most > 0.95);
    const Moments flat(drawn(uniform(-1, 3), n, n));
    CHECK(flat.mean == doctest::Approx(1).epsilon(0.05));
    CHECK(flat.deviation == doctest::Approx(4 / std::sqrt(12.0)).epsilon(0.02));
    CHECK(flat.least >= -1);
    CHECK(flat.most < 3);
    CHECK(drawn(filled(1.5F), 1, 3) == std::vector<float>(3, 1.5F));
  }

  TEST_CASE("step sizes come back from softplus, uniform in their logarithm") {
    auto steps = drawn(inverse_softplus(1e-3F, 0.1F), 100, 100);
    for (float& x : steps) x = std::log(std::log1p(std::exp(x)));
    const Moments m(steps);
    CHECK(m.least >= std::log(1e-3) - 1e-4);
    CHECK(m.most <= std::log(0.1) + 1e-4);
    CHECK(m.mean == doctest::Approx(std::log(1e-2)).epsilon(0.02));
    CHECK(drawn(log_column(), 2, 3) ==
          std::vector<float>{0, std::log(2.0F), std::log(3.0F), 0, std::log(2.0F), std::log(3.0F)});
  }

  TEST_CASE("orthogonal: rows, or columns where those are fewer") {
    for (auto const& shape : {std::pair{5, 8}, std::pair{8, 5}, std::pair{6, 6}}) {
      const int rows = shape.first, cols = shape.second;
      const auto q = drawn(orthogonal(3), rows, cols);
      const bool wide = rows <= cols;
      const int n = wide ? rows : cols, length = wide ? cols : rows;
      const auto at = [&](int v, int i) {
        return static_cast<double>(q[static_cast<std::size_t>(wide ? v * cols + i : i * cols + v)]);
      };
      for (int u = 0; u < n; ++u)
        for (int v = 0; v < n; ++v) {
          double dot = 0;
          for (int i = 0; i < length; ++i) dot += at(u, i) * at(v, i);
          CHECK(std::fabs(dot - (u == v ? 9 : 0)) < 1e-5);
        }
    }
  }
}

}  // namespace test_init
