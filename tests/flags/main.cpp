// Two parts with different flags in one program: each must run its own kernels, and both must be right. Without the tag
// in the backend's type the linker would keep one of two kernels of the same name, for both parts.
#include <cmath>
#include <cstdio>
#include <vector>

#include "../support/worst.hpp"
#include "side.hpp"

namespace {

constexpr int M = 61, N = 53, K = 170;

/// Largest error over what rounding allows: each of the K steps rounds a partial sum below Σ|a b|.
double worst_error(Side const& side, std::vector<float> const& a, std::vector<float> const& b) {
  std::vector<float> c(M * N);
  side.product(a.data(), b.data(), c.data(), M, N, K);
  double worst = 0;
  for (int i = 0; i < M; ++i)
    for (int j = 0; j < N; ++j) {
      double sum = 0, size = 0;
      for (int k = 0; k < K; ++k) {
        const double term = double{a[static_cast<std::size_t>(i * K + k)]} * b[static_cast<std::size_t>(j * K + k)];
        sum += term;
        size += std::fabs(term);
      }
      const double error = std::fabs(double{c[static_cast<std::size_t>(i * N + j)]} - sum);
      test::see(worst, error / (K * 0x1p-24 * size));
    }
  return worst;
}

}  // namespace

int main() {
  std::vector<float> a(M * K), b(N * K);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = std::sin(static_cast<float>(i));
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = std::cos(static_cast<float>(3 * i));
  const Side sides[] = {narrow::side(), wide::side()};
  bool good = true;
  for (Side const& side : sides) {
    const double error = worst_error(side, a, b);
    std::printf("%s: tag %u, kernel %p, error %.3f of its bound\n", side.name, side.tag, side.kernel, error);
    good = good && error <= 1;
  }
  if (sides[0].tag == sides[1].tag || sides[0].kernel == sides[1].kernel) {
    std::puts("both parts have the same tag or share one kernel");
    good = false;
  }
  return good ? 0 : 1;
}
