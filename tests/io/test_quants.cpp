// What quantising costs: the error of normal numbers by type, as docs/quantisation.md states it.
#include <doctest/doctest.h>

#include <cmath>
#include <fauna/core/rng.hpp>
#include <fauna/io/quants.hpp>
#include <fauna/io/quants/mix.hpp>
#include <fauna/io/safetensors.hpp>
#include <map>
#include <string>
#include <vector>

#include "../support/source_dir.hpp"

namespace test_quants {

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

TEST_CASE("quants: a mix gives each matrix of Gemma-3-270M what its published Q4_K_M file has") {
  struct Matrix {
    const char* name;
    std::size_t columns;
  };
  constexpr Matrix layer[] = {{"attn_q", 640},   {"attn_k", 640}, {"attn_v", 640},   {"attn_output", 1024},
                              {"ffn_gate", 640}, {"ffn_up", 640}, {"ffn_down", 2048}};
  const auto types = [&](const char* mix) {
    std::map<std::string, int> count;
    ++count[std::string(mixed(*mix_of(mix), "token_embd.weight", {18}, true, 640))];
    for (int i = 0; i < 18; ++i)
      for (Matrix const& m : layer)
        ++count[std::string(
            mixed(*mix_of(mix), "blk." + std::to_string(i) + '.' + m.name + ".weight", {18}, false, m.columns))];
    return count;
  };
  const std::map<std::string, int> published{{"Q4_K", 27}, {"Q5_0", 81}, {"Q6_K", 9}, {"Q8_0", 10}};
  CHECK(types("Q4_K_M") == published);
  // attn_v of the first four and ffn_down of the first two layers in five bits; the head in eight.
  const std::map<std::string, int> small{{"Q4_K", 34}, {"Q5_0", 86}, {"Q5_1", 4}, {"Q5_K", 2}, {"Q8_0", 1}};
  CHECK(types("Q4_K_S") == small);
  CHECK(mix_of("Q4_0") == nullptr);
  // Of 32 layers the fifth is none that gets more bits.
  const auto type = [](const char* mix, const char* part, QuantModel const& model, int layer = 4) {
    return std::string(mixed(*mix_of(mix), "blk." + std::to_string(layer) + '.' + part + ".weight", model, false, 256));
  };
  const QuantModel mixtral{32, 8}, many{32, 64}, falcon{32, 0, true};
  for (const char* part : {"attn_k", "attn_v"}) {
    CHECK(type("Q4_K_M", part, mixtral) == "Q8_0");
    CHECK(type("Q4_K_M", part, many) == "Q4_K");
  }
  for (const char* part : {"ffn_down_exps", "ffn_down_shexp"}) {
    CHECK(type("Q4_K_M", part, many, 0) == "Q6_K");
    CHECK(type("Q3_K_M", part, mixtral) == "Q4_K");
  }
  CHECK(type("Q4_K_S", "attn_output", mixtral) == "Q5_K");
  CHECK(type("Q3_K_L", "attn_output", mixtral) == "Q3_K");
  CHECK(type("Q3_K_L", "attn_output", many) == "Q5_K");
  CHECK(type("Q3_K_L", "attn_output", falcon) == "Q4_K");
  CHECK(type("Q3_K_M", "ffn_down", falcon) == "Q3_K");
  CHECK(type("Q4_K_M", "ffn_down", falcon) == "Q4_K");
  CHECK(type("Q4_K_M", "ffn_down", falcon, 1) == "Q6_K");
  CHECK(type("Q4_K_M", "ffn_down", falcon, 2) == "Q5_K");
  CHECK(type("Q4_K_S", "ffn_down", falcon, 0) == "Q4_K");
  CHECK(mixed(*mix_of("Q4_K_M"), "output.weight", falcon, true, 256) == "Q8_0");
  CHECK(fitting("Q3_K", 32) == "Q4_0");
  CHECK(fitting("Q6_K", 31) == "F16");
}

}  // namespace test_quants
