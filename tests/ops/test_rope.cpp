#include <doctest/doctest.h>

#include <cmath>
#include <fauna/ops/rope/cpu.hpp>
#include <fauna/ops/rope/ref.hpp>
#include <initializer_list>
#include <iterator>
#include <vector>

#include "support/batches.hpp"
#include "support/compare.hpp"
#include "support/op_check.hpp"
#include "support/random.hpp"

namespace test_rope {

using namespace fauna;
using test::Rows, test::with_threads;

namespace {

/// Frequencies of any number of pairs.
std::vector<float> frequencies(int pairs) {
  std::vector<float> f;
  for (int i = 0; i < pairs; ++i) f.push_back(std::pow(10000.0F, -static_cast<float>(i) / static_cast<float>(pairs)));
  return f;
}

}  // namespace

TEST_CASE_TEMPLATE("rope: equals the reference on every tile and for any number of threads", B,
                   Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx2>, Cpu<f32_products, isa::avx512>) {
  test::Random random(1);
  const struct {
    int heads, size, rotary;
  } shapes[] = {{1, 2, 2}, {3, 64, 64}, {2, 80, 20}, {4, 7, 6}, {1, 300, 290}, {9, 128, 128}};
  for (Batch batch : {test::plain(1, 1), test::plain(3, 50), test::ragged()})
    for (auto const& s : shapes)
      for (auto pairs : {rope_pairs::half, rope_pairs::interleaved}) {
        const int past[] = {5000, 0, 123'456};
        if (batch.positions == nullptr) batch.past = past;
        const auto f = frequencies(s.rotary / 2);
        const Rotation how{s.heads, s.size, s.rotary, pairs, f.data(), s.size == 64 ? 0.75F : 1};
        const int rows = batch.rows, cols = s.heads * s.size;
        const Rows<float> x(random, rows, cols, 3), dy(random, rows, cols, 1);
        Rows<double> y(rows, cols), dx(rows, cols);
        rope<Ref<double>>::forward({}, batch, how, x.as<double>(), y);
        rope<Ref<double>>::backward({}, batch, how, dy.as<double>(), dx);

        Rows<float> y1(rows, cols, 2), dx1(rows, cols, 2);
        rope<B>::forward(with_threads<B>(1), batch, how, x, y1);
        rope<B>::backward(with_threads<B>(1), batch, how, dy, dx1);
        // two products of numbers below 1, the cosine and sine within 2 ulp, 6e-8 each
        CHECK(test::distance<float>(y1, y) < 4e-7);
        CHECK(test::distance<float>(dx1, dx) < 4e-7);
        CHECK(y1.gaps_untouched());
        CHECK(dx1.gaps_untouched());
        for (int threads : {2, 3, 8}) {
          Rows<float> again = x, d_again = dy;  // in place
          rope<B>::forward(with_threads<B>(threads), batch, how, again, again);
          rope<B>::backward(with_threads<B>(threads), batch, how, d_again, d_again);
          CHECK(test::same_bits<float>(again, y1));
          CHECK(test::same_bits<float>(d_again, dx1));
        }
      }
}

TEST_CASE("rope: turns pairs by position times frequency, and scores depend on the distance alone") {
  const float theta[] = {1.0F, 0.5F};
  const double x[] = {1, 2, 3, 4, 5};
  double y[5];
  const int past[] = {2};
  Batch batch = Batch::uniform(1, 1);
  batch.past = past;
  const auto turned = [&](rope_pairs pairs) {
    rope<Ref<double>>::forward({}, batch, {1, 5, 4, pairs, theta}, Matrix<const double>(x, 1, 5),
                               Matrix<double>(y, 1, 5));
  };
  const double c0 = std::cos(2.0), s0 = std::sin(2.0), c1 = std::cos(1.0), s1 = std::sin(1.0);
  turned(rope_pairs::half);  // (1, 3) and (2, 4)
  const double half[] = {c0 - 3 * s0, 2 * c1 - 4 * s1, 3 * c0 + s0, 4 * c1 + 2 * s1, 5};
  for (int i = 0; i < 5; ++i) CHECK(y[i] == doctest::Approx(half[i]).epsilon(1e-15));
  turned(rope_pairs::interleaved);  // (1, 2) and (3, 4)
  const double neighbours[] = {c0 - 2 * s0, 2 * c0 + s0, 3 * c1 - 4 * s1, 4 * c1 + 3 * s1, 5};
  for (int i = 0; i < 5; ++i) CHECK(y[i] == doctest::Approx(neighbours[i]).epsilon(1e-15));

  test::Random random(2);
  const Rows<double> q(random, 1, 8), k(random, 1, 8);
  const auto f = frequencies(4);
  const auto score = [&](int at, int distance) {
    const int positions[] = {at, at - distance};
    Batch b = Batch::uniform(1, 2);
    b.positions = positions;
    Rows<double> rows(2, 8), out(2, 8);
    for (int c = 0; c < 8; ++c) {
      rows.view()(0, c) = q.view()(0, c);
      rows.view()(1, c) = k.view()(0, c);
    }
    rope<Ref<double>>::forward({}, b, {1, 8, 8, rope_pairs::half, f.data()}, rows, out);
    double s = 0;
    for (int c = 0; c < 8; ++c) s += out.view()(0, c) * out.view()(1, c);
    return s;
  };
  CHECK(score(7, 3) == doctest::Approx(score(1000, 3)).epsilon(1e-4));  // angles are floats
  CHECK(std::abs(score(7, 3) - score(7, 4)) > 1e-3);
}

TEST_CASE("rope: backward undoes forward and is its transpose") {
  test::Random random(3);
  const Batch b = test::ragged();
  const auto f = frequencies(5);
  for (auto pairs : {rope_pairs::half, rope_pairs::interleaved}) {
    Rotation how{2, 12, 10, pairs, f.data()};
    const Rows<double> x(random, b.rows, 24), dy(random, b.rows, 24);
    Rows<double> y(b.rows, 24), back(b.rows, 24), dx(b.rows, 24);
    rope<Ref<double>>::forward({}, b, how, x, y);
    rope<Ref<double>>::backward({}, b, how, y, back);
    CHECK(test::distance<double>(back, x) < 1e-15);
    how.magnitude = 1.25;
    rope<Ref<double>>::forward({}, b, how, x, y);
    rope<Ref<double>>::backward({}, b, how, dy, dx);
    test::Dot left, right;
    left.add(y, dy);
    right.add(x, dx);
    CHECK(left.error(right.sum) < 1e-15);
  }
}

TEST_CASE("rope: frequencies are the reference implementation's, bit by bit") {
  // transformers 5.24, Llama-3.2-1B: heads of 64 columns, base 500000, scaled for contexts 32 times as long.
  constexpr float want[] = {0x1.000000p+0F,  0x1.53c38cp-1F,  0x1.c2ef78p-2F,  0x1.2b3dc6p-2F,  0x1.8d2760p-3F,
                            0x1.078d40p-3F,  0x1.5dc95ap-4F,  0x1.d03ccep-5F,  0x1.341190p-5F,  0x1.98de92p-6F,
                            0x1.0f5386p-6F,  0x1.681adap-7F,  0x1.ddee9ep-8F,  0x1.3d2804p-8F,  0x1.a4ee40p-9F,
                            0x1.524f36p-10F, 0x1.c26c40p-12F, 0x1.9731eep-14F, 0x1.46831ap-16F, 0x1.b15902p-17F,
                            0x1.1f91f0p-17F, 0x1.7da9e8p-18F, 0x1.fa8b86p-19F, 0x1.5024d6p-19F, 0x1.be2188p-20F,
                            0x1.280d96p-20F, 0x1.88ec20p-21F, 0x1.04be68p-21F, 0x1.5a0f4ep-22F, 0x1.cb4a9ap-23F,
                            0x1.30c94ep-23F, 0x1.948360p-24F};
  constexpr auto got = rope_frequencies<32>(
      {.base = 500000, .scaling = {.kind = rope_scaling::llama3, .factor = 32, .low = 1, .high = 4, .original = 8192}});
  for (int i = 0; i < 32; ++i) CHECK(got.of[i] == want[i]);

  constexpr auto plain = rope_frequencies<4>({});
  constexpr auto linear = rope_frequencies<4>({.scaling = {.kind = rope_scaling::linear, .factor = 4}});
  const double powers[] = {1, 0.1, 0.01, 0.001};
  for (int i = 0; i < 4; ++i) {
    CHECK(plain.of[i] == static_cast<float>(powers[i]));
    CHECK(linear.of[i] == plain.of[i] / 4);
  }
}

TEST_CASE("rope: frequencies of YaRN and LongRoPE are the reference implementation's") {
  // transformers 5.24: Qwen2.5's way to 131,072 rows, gpt-oss's, and eight factors of a Phi-3.
  constexpr float qwen[] = {0x1.0p+0F,       0x1.4c7bcp-1F,   0x1.afd136p-2F,  0x1.186a08p-2F,  0x1.6c310ep-3F,
                            0x1.d8ffacp-4F,  0x1.33281ap-4F,  0x1.8eec7ep-5F,  0x1.030dc6p-5F,  0x1.507316p-6F,
                            0x1.b4f7e4p-7F,  0x1.1bc25ap-7F,  0x1.51d31ep-8F,  0x1.8ede16p-9F,  0x1.d23b26p-10F,
                            0x1.0d1f26p-10F, 0x1.31d5aep-11F, 0x1.547688p-12F, 0x1.707be8p-13F, 0x1.7edbdap-14F,
                            0x1.74eea6p-15F, 0x1.e459c4p-16F, 0x1.3a8748p-16F, 0x1.987f7cp-17F, 0x1.094564p-17F,
                            0x1.58863ap-18F, 0x1.bf749ep-19F, 0x1.2291c6p-19F, 0x1.796182p-20F, 0x1.ea20ep-21F,
                            0x1.3e47c8p-21F, 0x1.9d5ef2p-22F};
  constexpr float gpt_oss[] = {0x1.0p+0F,       0x1.60ca6ap-1F,  0x1.e62d44p-2F,  0x1.4eff54p-2F,  0x1.cda7f4p-3F,
                               0x1.3e19fap-3F,  0x1.b65f3ep-4F,  0x1.2e0ec8p-4F,  0x1.a04328p-5F,  0x1.03bbaap-5F,
                               0x1.3cc8dep-6F,  0x1.7bd928p-7F,  0x1.bd508p-8F,   0x1.f9fc28p-9F,  0x1.127006p-9F,
                               0x1.13eefp-10F,  0x1.dea878p-12F, 0x1.0f3372p-13F, 0x1.415b8cp-15F, 0x1.badbf8p-16F,
                               0x1.31265p-16F,  0x1.a485f4p-17F, 0x1.21c258p-17F, 0x1.8f5056p-18F, 0x1.132518p-18F,
                               0x1.7b2c8ep-19F, 0x1.05448ap-19F, 0x1.680cdp-20F,  0x1.f02e5p-21F,  0x1.55e4p-21F,
                               0x1.d727d6p-22F, 0x1.44a5a6p-22F};
  constexpr float beyond[] = {0x1.de813p-1F,   0x1.211f5ep-2F,  0x1.47ae14p-5F,  0x1.a91d2ap-9F,
                              0x1.501502p-12F, 0x1.26bee2p-14F, 0x1.154f32p-16F, 0x1.4b1252p-18F},
                  within[] = {0x1.0p+0F,      0x1.3465bap-2F, 0x1.745d18p-4F,  0x1.afc19cp-6F,
                              0x1.f81f82p-8F, 0x1.280fbep-9F, 0x1.5d867cp-11F, 0x1.4b96cp-13F};
  constexpr RopeScaling yarn{.kind = rope_scaling::yarn, .factor = 4, .low = 1, .high = 32, .original = 32768};
  constexpr RopeScaling open{
      .kind = rope_scaling::yarn, .factor = 32, .low = 1, .high = 32, .original = 4096, .truncate = false};
  constexpr RopeScaling phi{.kind = rope_scaling::longrope,
                            .factor = 32,
                            .original = 4096,
                            .factors = {1.07F, 1.12F, 2.5F, 9.75F, 31.2F, 45, 60.5F, 64.1F},
                            .short_factors = {1, 1.05F, 1.1F, 1.2F, 1.3F, 1.4F, 1.5F, 2}};
  const auto same = [](auto const& got, auto const& want, float ulps = 0) {
    for (std::size_t i = 0; i < std::size(want); ++i) CHECK(std::abs(got.of[i] - want[i]) <= ulps * 0x1p-23F * want[i]);
  };
  same(rope_frequencies<32>({.base = 1e6, .scaling = yarn}), qwen);
  same(rope_frequencies<32>({.base = 150000, .scaling = open}), gpt_oss,
       1);  // PyTorch's powers of 150000 are not all rounded to nearest
  same(rope_frequencies<8>({.scaling = phi.within(131072)}), beyond);
  same(rope_frequencies<8>({.scaling = phi.within(4096)}), within);
  CHECK(rope_magnitude(yarn) == doctest::Approx(1.138629436111989).epsilon(1e-15));
  CHECK(rope_magnitude(open) == doctest::Approx(1.3465735902799727).epsilon(1e-15));
  CHECK(rope_magnitude(phi) == doctest::Approx(1.1902380714238083).epsilon(1e-15));
  CHECK(rope_magnitude({.kind = rope_scaling::yarn, .factor = 4, .attention = 0.5}) == 0.5);
  CHECK(rope_magnitude({.kind = rope_scaling::yarn, .factor = 1}) == 1);
  CHECK(rope_magnitude({.kind = rope_scaling::llama3, .factor = 8}) == 1);
}

}  // namespace test_rope
