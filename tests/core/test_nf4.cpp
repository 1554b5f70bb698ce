// NF4 to the bit as bitsandbytes has it (tools/oracles/nf4.py).
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include <fauna/core/nf4.hpp>
#include <fauna/core/rng.hpp>
#include <fauna/io/safetensors.hpp>

#include "../support/source_dir.hpp"

namespace test_nf4 {

namespace {

using namespace fauna;

template <class T> std::vector<T> read(SafeTensors const& file, const char* name) {
  SafeTensor const* t = file.find(name);
  REQUIRE(t != nullptr);
  std::vector<T> v(t->elements());
  REQUIRE(v.size() * sizeof(T) == t->bytes);
  std::memcpy(v.data(), t->data, t->bytes);
  return v;
}
bool same_bits(std::vector<float> const& a, std::vector<float> const& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace

TEST_SUITE("nf4") {
  const char* const path = "tests/golden/nf4.safetensors";

  TEST_CASE("codes and absmax, and the numbers that they stand for") {
    const SafeTensors file(test::source_path(path));
    const auto x = read<float>(file, "x"), absmax = read<float>(file, "absmax"), values = read<float>(file, "values");
    const auto codes = read<std::uint8_t>(file, "codes");
    std::vector<std::uint8_t> packed((x.size() + 1) / 2);
    std::vector<float> most((x.size() + 63) / 64), back(x.size());
    nf4::quantise(x.data(), x.size(), packed.data(), most.data());
    CHECK(same_bits(most, absmax));
    std::size_t other = 0;
    for (std::size_t i = 0; i < codes.size(); ++i) other += packed[i] != codes[i];
    CHECK(other == 0);
    nf4::dequantise(codes.data(), absmax.data(), 0, x.size(), back.data());
    CHECK(same_bits(back, values));
    nf4::dequantise(codes.data(), absmax.data(), 131, 5, back.data());
    CHECK(std::memcmp(back.data(), values.data() + 131, 5 * sizeof(float)) == 0);
  }

  TEST_CASE("double quantisation: the map, what its bytes stand for, and the bytes") {
    const SafeTensors file(test::source_path(path));
    const auto map = read<float>(file, "map"), absmax = read<float>(file, "absmax"),
               nested = read<float>(file, "nested_absmax"), offset = read<float>(file, "offset"),
               absmax2 = read<float>(file, "absmax2");
    const auto bytes = read<std::uint8_t>(file, "bytes");
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < 256; ++i) wrong += map[i] != nf4::dynamic_map()[i];
    CHECK(wrong == 0);
    std::vector<float> back(absmax.size());
    nf4::dequantise_absmax(bytes.data(), nested.data(), offset[0], absmax.size(), back.data());
    CHECK(same_bits(back, absmax2));
    std::vector<std::uint8_t> own(absmax.size());
    std::vector<float> scales((absmax.size() + 255) / 256);
    CHECK(nf4::quantise_absmax(absmax.data(), absmax.size(), own.data(), scales.data()) == offset[0]);
    CHECK(same_bits(scales, nested));
    // The nearest of the map; its kernel for a CPU takes that of one of 65536 evenly spaced numbers of [-1, 1] instead.
    std::size_t off_grid = 0, not_nearest = 0;
    for (std::size_t i = 0; i < own.size(); ++i) {
      const float x = (absmax[i] - offset[0]) / nested[i / 256];
      const int point = static_cast<int>((x + 1) * 0.5F * 65535 + 0.5F);
      off_grid += bytes[i] != nf4::nearest(map.data(), 256, static_cast<float>(point) / 65535 * 2 - 1);
      for (const float other : map) not_nearest += std::fabs(other - x) < std::fabs(map[own[i]] - x);
    }
    CHECK(off_grid == 0);
    CHECK(not_nearest == 0);
  }

  TEST_CASE("the relative error of normal numbers, hardly more with double quantisation") {
    constexpr std::size_t n = std::size_t{1} << 18;
    std::vector<float> x(n), absmax(n / 64), rough(n / 64), scales(n / 64 / 256), back(n);
    std::vector<std::uint8_t> packed(n / 2), bytes(n / 64);
    for (std::size_t i = 0; i < n; ++i) x[i] = Key{7, 1}.normal(i);
    nf4::quantise(x.data(), n, packed.data(), absmax.data());
    const float offset = nf4::quantise_absmax(absmax.data(), absmax.size(), bytes.data(), scales.data());
    nf4::dequantise_absmax(bytes.data(), scales.data(), offset, rough.size(), rough.data());
    const auto error = [&](std::vector<float> const& by) {
      nf4::dequantise(packed.data(), by.data(), 0, n, back.data());
      double off = 0, all = 0;
      for (std::size_t i = 0; i < n; ++i) {
        const double d = static_cast<double>(back[i] - x[i]), v = static_cast<double>(x[i]);
        off += d * d;
        all += v * v;
      }
      return std::sqrt(off / all);
    };
    CHECK(error(absmax) == doctest::Approx(0.0920).epsilon(0.005));
    CHECK(error(rough) != error(absmax));
    CHECK(error(rough) == doctest::Approx(error(absmax)).epsilon(5e-4));
  }
}

}  // namespace test_nf4
