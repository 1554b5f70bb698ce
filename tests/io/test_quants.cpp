// What quantising costs: the error of normal numbers by type, as docs/quantisation.md states it.
#include <doctest/doctest.h>

#include <cmath>
#include <fauna/core/rng.hpp>
#include <fauna/io/quants.hpp>
#include <string>
#include <vector>

using namespace fauna;

TEST_CASE("quants: the relative error of normal numbers") {
  constexpr std::size_t n = 32 * 8192;
  const Key key{2024, 1};
  std::vector<float> x(n), y(n);
  for (std::size_t i = 0; i < n; ++i) {  // Box and Muller 1958
    const double u = 1.0 - static_cast<double>(key.uniform(2 * i)), v = static_cast<double>(key.uniform(2 * i + 1));
    x[i] = static_cast<float>(std::sqrt(-2 * std::log(u)) * std::cos(6.283185307179586 * v));
  }
  const struct {
    const char* type;
    double error;
  } stated[] = {{"Q4_0", 0.0860}, {"Q4_1", 0.0783}, {"Q5_0", 0.0427},
                {"Q5_1", 0.0379}, {"Q8_0", 0.0053}, {"MXFP4", 0.114}};
  for (auto const& s : stated) {
    CAPTURE(std::string(s.type));
    BlockFormat const& f = *block_format(s.type);
    std::vector<std::byte> bytes(n / f.elements * f.bytes);
    for (std::size_t i = 0; i < n / f.elements; ++i) f.write(x.data() + i * f.elements, bytes.data() + i * f.bytes);
    read_blocks(f, bytes.data(), 0, n, y.data());
    double squares = 0, all = 0;
    for (std::size_t i = 0; i < n; ++i) {
      squares += std::pow(static_cast<double>(y[i]) - static_cast<double>(x[i]), 2);
      all += std::pow(static_cast<double>(x[i]), 2);
    }
    CHECK(std::sqrt(squares / all) == doctest::Approx(s.error).epsilon(0.02));
  }
}

TEST_CASE("quants: a block of zeros stays zero") {
  for (BlockFormat const& f : block_formats) {
    if (f.write == nullptr) continue;
    CAPTURE(std::string(f.name));
    const float zeros[32]{};
    float back[32];
    std::byte bytes[64];
    f.write(zeros, bytes);
    f.read(bytes, back);
    for (const float b : back) CHECK(b == 0.0F);
  }
}
