// What quantising costs: the error of normal numbers by type, as docs/quantisation.md states it.
#include <doctest/doctest.h>

#include <cmath>
#include <fauna/core/rng.hpp>
#include <fauna/io/quants.hpp>
#include <fauna/io/safetensors.hpp>
#include <string>
#include <vector>

#include "../support/source_dir.hpp"

using namespace fauna;

TEST_CASE("quants: the relative error of normal numbers") {
  constexpr std::size_t n = 32 * 2048;
  const Key key{2024, 1};
  std::vector<float> x(n), y(n);
  for (std::size_t i = 0; i < n; ++i) {  // Box and Muller 1958
    const double u = 1.0 - static_cast<double>(key.uniform(2 * i)), v = static_cast<double>(key.uniform(2 * i + 1));
    x[i] = static_cast<float>(std::sqrt(-2 * std::log(u)) * std::cos(6.283185307179586 * v));
  }
  const struct {
    const char* type;
    double error;
  } stated[] = {{"Q4_0", 0.0860}, {"Q4_1", 0.0783}, {"Q5_0", 0.0427}, {"Q5_1", 0.0379},
                {"Q8_0", 0.0053}, {"MXFP4", 0.114}, {"Q2_K", 0.297},  {"Q3_K", 0.151},
                {"Q4_K", 0.0714}, {"Q5_K", 0.0361}, {"Q6_K", 0.0178}, {"IQ4_NL", 0.0787}};
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
    const float zeros[most_block_elements]{};
    float back[most_block_elements];
    std::byte bytes[256];
    f.write(zeros, bytes);
    f.read(bytes, back);
    for (std::size_t i = 0; i < f.elements; ++i) CHECK(back[i] == 0.0F);
  }
}

TEST_CASE("quants: K types and IQ4_NL are the reference's to the bit") {
  const SafeTensors golden(test::source_path("tests/golden/k_blocks.safetensors"));
  const SafeTensor* numbers = golden.find("x");
  REQUIRE(numbers != nullptr);
  std::vector<float> x(numbers->elements());
  read_floats(*numbers, 0, x.size(), x.data());
  for (const char* type : {"Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL"}) {
    BlockFormat const& f = *block_format(type);
    const SafeTensor* want = golden.find(type);
    REQUIRE(want != nullptr);
    REQUIRE(want->bytes == x.size() / f.elements * f.bytes);
    std::byte got[256];
    for (std::size_t i = 0; i < x.size() / f.elements; ++i) {
      f.write(x.data() + i * f.elements, got);
      INFO(std::string(type), " block ", i);
      CHECK(std::memcmp(got, want->data + i * f.bytes, f.bytes) == 0);
    }
  }
}
