// Products with weights in blocks: as the blocks' numbers times the activations, and the same bits for any number of
// rows and threads and whichever instructions multiply bytes.
#include <doctest/doctest.h>

#include <cmath>
#include <fauna/ops/cross_entropy/cpu.hpp>
#include <fauna/ops/embedding/cpu.hpp>
#include <fauna/ops/gemm/blocks.hpp>
#include <vector>

#include "support/compare.hpp"
#include "support/memory.hpp"
#include "support/random.hpp"
#include "support/sizes.hpp"

namespace test_blocks {

using namespace fauna;
using test::Poisoned;
using test::Random;
using test::Rows;

namespace {

constexpr BlockCode codes[] = {{4, 8, false},
                               {4, 0, true},
                               {5, 16, false},
                               {5, 0, true},
                               {8, 128, false},
                               {4, 0, true, true},
                               {5, 0, true, true},
                               {2, 0, true, false, true},
                               {3, 4, false, false, true},
                               {6, 32, false, false, true},
                               {4, 0, false, false, false, code_table::nonlinear},
                               {4, 0, false, true, false, code_table::nonlinear},
                               {4, 0, false, true, false, code_table::e2m1}};

/// As core/block_code.hpp writes it.
float value(BlockCode const& code, CodeBlock const& b, int i) {
  const auto q = b.q[i];
  const int w = code.table == code_table::none ? q - code.zero : code_tables[static_cast<int>(code.table)][q];
  return b.d * static_cast<float>(b.s[i / 16] * w) + b.m * static_cast<float>(b.t[i / 16]);
}

/// A matrix of random blocks, with the greatest and the least q in the first ones.
template <class B> struct Weights {
  Blocks<B> blocks{};
  std::vector<float> values;
  Poisoned memory;

  Weights(BlockCode const& code, int n, int k)
      : values(static_cast<std::size_t>(n * k)), memory(gemm_detail::BlockPanels{n, k, code}.bytes()) {
    Random random(5);
    blocks.code = code;
    Arena arena = memory.arena();
    place(blocks, Tensor{.rows = n, .cols = k}, arena);
    const gemm_detail::BlockPanels p{n, k, code};
    std::memset(blocks.data, 0, p.bytes());
    const int most = (1 << code.bits) - 1;
    for (int r = 0; r < n; ++r)
      for (int j = 0; j < p.blocks(); ++j) {
        CodeBlock block;
        for (auto& q : block.q)
          q = static_cast<std::uint8_t>(r + j == 0 ? most : r + j == 1 ? 0 : random.integer(0, most));
        // Wide ones have 17 bits in all formats: what is rounded then does not depend on what is fused.
        const auto scale = [&code](float x) { return static_cast<float>(f16(x)) * (code.wide ? 57.0F : 1.0F); };
        block.d = scale(random.uniform() * (r == 1 ? 0x1p-18F : 0.1F));  // one row's are subnormal in f16
        block.m = scale(code.offset ? random.uniform() : 0.0F);
        for (int h = 0; h < 2 && code.halves; ++h) {
          block.s[h] = random.integer(-128, 127);
          block.t[h] = code.offset ? random.integer(-128, 127) : 1;
        }
        p.put(blocks.data, r, j, block);
        CodeBlock back;
        p.get(blocks.data, r, j, back);
        CHECK(std::memcmp(&back, &block, sizeof block) == 0);
        for (int i = 0; i < BlockCode::elements; ++i)
          values[static_cast<std::size_t>(r * k + j * BlockCode::elements + i)] = value(code, block, i);
      }
  }
  float operator()(int r, int c) const { return values[static_cast<std::size_t>(r * blocks.cols + c)]; }
};

template <class B>
void run(int threads, Rows<float> const& x, Blocks<B> const& w, Rows<float>& c, Epilogue<float> const& e) {
  Poisoned memory(gemm<B>::workspace(c.rows(), c.cols(), x.cols(), threads));
  Arena arena = memory.arena();
  B b;
  b.threads = threads;
  b.scratch = &arena;
  gemm<B>::nt(b, x.view(), reading(w), c.view(), e);
  CHECK(arena.used() == 0);
}

/// Outputs against sums in f64: rounding x moves each of its numbers by half a step of its block at most, and what is
/// rounded in f32 is a chain of two additions a block.
template <class B> void close_to_the_numbers(BlockCode const& code, int n, int k, int m) {
  CAPTURE(code.bits);
  CAPTURE(code.offset);
  const Weights<B> w(code, n, k);
  Random random(3);
  Rows<float> x(random, m, k, 1), bias(random, 1, n, 0), y(m, n, 2);
  for (int c = 0; c < k; ++c) x.view()(0, c) *= c < 32 ? 100 : 1;
  for (int c = 32; c < 64 && c < k; ++c) x.view()(0, c) = c == 40 ? 1e-40F : 0;  // a block without a scale
  run(2, x, w.blocks, y, {.bias = bias.data()});
  CHECK(y.gaps_untouched());
  for (int r = 0; r < m; ++r)
    for (int j = 0; j < n; ++j) {
      double sum = bias.view()(0, j), steps = 0, terms = 0;
      for (int from = 0; from < k; from += 32) {
        double most = 0, weight = 0;
        for (int c = from; c < from + 32; ++c) {
          const double a = x.view()(r, c), b = w(j, c);
          sum += a * b;
          most = std::max(most, std::fabs(a));
          weight += std::fabs(b);
          terms += std::fabs(a * b);
        }
        steps += 0.5 * most / 127 * weight;
      }
      CHECK(std::fabs(y.view()(r, j) - sum) <= 1.001 * steps + 1e-6 * (terms + 1));
    }
}

template <class B> Rows<float> product(BlockCode const& code, int n, int k, int m, int threads) {
  const Weights<B> w(code, n, k);
  Random of_x(3), of_base(4);
  const Rows<float> x(of_x, m, k, 0), base(of_base, m, n, 0);
  Rows<float> y(m, n, 0);
  run(threads, x, w.blocks, y, {.base = base.data(), .base_stride = n, .act = activation::silu});
  return y;
}

using Narrow = Cpu<f32_products, isa::baseline>;
using Middle = Cpu<f32_products, isa::avx2>;
using Wide = Cpu<f32_products, isa::avx512>;

}  // namespace

TEST_SUITE("blocks") {
  TEST_CASE("the product of the numbers, for every code") {
    for (BlockCode const& code : codes) {
      close_to_the_numbers<Middle>(code, 1, 32, 1);
      close_to_the_numbers<Middle>(code, 21, 96, 5);
      close_to_the_numbers<Narrow>(code, 9, 64, 3);
      close_to_the_numbers<Wide>(code, 9, 64, 4);
    }
  }
  TEST_CASE("the same bits for any rows, threads and instructions") {
    for (BlockCode const& code : codes) {
      CAPTURE(code.bits);
      CAPTURE(code.offset);
      const int n = 77, k = 1056, most = 70;
      const Rows<float> all = product<Middle>(code, n, k, most, 1);
      for (const int threads : {2, 3, 8})
        CHECK(test::same_bits<float>(product<Middle>(code, n, k, most, threads), all));
      for (const int m : test::sizes({1, 2, 3, 4, 5, 8, 17}, {1, 5})) {
        const Rows<float> some = product<Middle>(code, n, k, m, 2);
        for (int r = 0; r < m; ++r)
          for (int c = 0; c < n; ++c) REQUIRE(some.view()(r, c) == all.view()(r, c));
      }
#if defined(__FMA__)  // with it in all lowerings
      CHECK(test::same_bits<float>(product<Narrow>(code, n, k, 5, 2), product<Middle>(code, n, k, 5, 2)));
      CHECK(test::same_bits<float>(product<Wide>(code, n, k, 5, 2), product<Middle>(code, n, k, 5, 2)));
#endif
    }
  }
  TEST_CASE("rows that do not fit the workspace at once are taken in parts") {
    const int n = 8, k = 32 * 700, m = 60;  // 60 rows of 33,600 bytes
    const Rows<float> all = product<Middle>(codes[0], n, k, m, 1), few = product<Middle>(codes[0], n, k, 3, 1);
    for (int c = 0; c < n; ++c) CHECK(few.view()(2, c) == all.view()(2, c));
    CHECK(std::isfinite(all.view()(m - 1, n - 1)));
  }
  TEST_CASE("a table that is looked up, and a head whose loss is taken") {
    using B = Middle;
    for (BlockCode const& code : codes) {
      const Weights<B> w(code, 40, 64);
      const int ids[] = {39, 0, 7};
      Random random(9);
      Rows<float> y(3, 64, 0), base(random, 3, 64, 0), z(3, 40, 0);
      Poisoned memory(cross_entropy<B>::workspace(3, 64, 40, 1) + gemm<B>::workspace(3, 40, 64, 1));
      Arena arena = memory.arena();
      B b;
      b.threads = 1;
      b.scratch = &arena;
      embedding<B>::forward(b, ids, reading(w.blocks), Matrix<const float>(base.view()), y.view());
      for (int r = 0; r < 3; ++r)
        for (int c = 0; c < 64; ++c) CHECK(y.view()(r, c) == base.view()(r, c) + w(ids[r], c));
      float losses[3];
      cross_entropy<B>::loss(b, Matrix<const float>(y.view()), reading(w.blocks), nullptr, ids, -1, losses);
      run(1, y, w.blocks, z, {});
      for (int r = 0; r < 3; ++r) {
        double sum = 0, most = z.view()(r, 0);
        for (int c = 0; c < 40; ++c) most = std::max(most, static_cast<double>(z.view()(r, c)));
        for (int c = 0; c < 40; ++c) sum += std::exp(z.view()(r, c) - most);
        CHECK(losses[r] == doctest::Approx(std::log(sum) + most - z.view()(r, ids[r])).epsilon(1e-5));
      }
    }
  }
}

}  // namespace test_blocks
