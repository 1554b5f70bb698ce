// What surrounds the matrix products: their epilogue, and the output layer's loss.
#include <doctest/doctest.h>

#include <vector>

#include <fauna/ops/cross_entropy/kernel.cuh>
#include <fauna/ops/cross_entropy/ref.hpp>
#include <fauna/ops/gemm/ref.hpp>

#include "support/compare.hpp"
#include "support/kernels.hpp"
#include "support/random.hpp"

namespace test_simt_products {

using namespace fauna;
using test::Bf16Kernels;
using test::Kernels;
using test::Rows;

TEST_CASE("simt: bias, activation and gate after a product") {
  test::Random random(1);
  const int M = 19, N = 300, K = 5;
  const Rows<float> a(random, M, K, 1), b(random, N, K), base(random, M, N, 2), bias(random, 1, N),
      gate(random, M, N, 3);
  using enum activation;
  for (const activation act : {none, gelu, gelu_tanh, silu, relu, relu_squared})
    for (int parts = 0; parts < 16; ++parts) {
      CAPTURE(static_cast<int>(act));
      CAPTURE(parts);
      const auto run = [&](auto const& bk, auto const& a_, auto const& b_, auto const& base_, auto const& bias_,
                           auto const& gate_, auto& pre, auto& c) {
        using B = std::remove_cvref_t<decltype(bk)>;
        Epilogue<typename B::scalar> e;
        e.act = act;
        if (parts & 1) e.base = base_.data(), e.base_stride = base_.view().stride();
        if (parts & 2) e.bias = bias_.data();
        if (parts & 4) e.pre = pre.data(), e.pre_stride = pre.view().stride();
        if (parts & 8) e.gate = gate_.data(), e.gate_stride = gate_.view().stride();
        gemm<B>::nt(bk, a_.view(), b_.view(), c.view(), e);
      };
      Rows<double> pre64(M, N), c64(M, N);
      run(Ref<double>{}, a.as<double>(), b.as<double>(), base.as<double>(), bias.as<double>(), gate.as<double>(), pre64,
          c64);
      for (const auto o : {test::simt::order::ascending, test::simt::order::descending, test::simt::order::random}) {
        Kernels::order = o;
        Rows<float> pre(M, N, 1), c(M, N, 2);
        run(Kernels{}, a, b, base, bias, gate, pre, c);
        // Values of up to 7, their squares of up to 49, a few roundings each.
        CHECK(test::distance<float>(c, c64) <= 4 * 49 * 0x1p-24);
        CHECK(c.gaps_untouched());
        if (parts & 4) CHECK(test::distance<float>(pre, pre64) <= 8 * 7 * 0x1p-24);
      }
    }
  Kernels::order = test::simt::order::ascending;
}

TEST_CASE("simt: products with weights in bf16, and bf16 products, round their operands to nearest") {
  const int sizes[][3] = {{1, 1, 1}, {3, 7, 300}, {33, 40, 17}};
  for (auto const& s : sizes)
    for (const auto o : {test::simt::order::ascending, test::simt::order::descending, test::simt::order::random}) {
      Kernels::order = o;
      test::Random random(4);
      const int M = s[0], N = s[1], K = s[2];
      Rows<float> x(random, M, K, 3), w(random, N, K), w_t(K, N);
      for (int p = 0; p < K; ++p)
        for (int j = 0; j < N; ++j) w_t.view()(p, j) = w.view()(j, p);
      x.view()(0, 0) = 1 + 0x1p-8F;                 // halfway between neighbours: to the even one below
      if (K > 1) x.view()(0, 1) = 1 + 3 * 0x1p-8F;  // and to the even one above
      const auto bias = Rows<float>(random, 1, N);
      const Rows<bf16> x16 = x.as<bf16>(), w16 = w.as<bf16>();
      Rows<double> want(M, N);
      Epilogue<double> e64;
      const auto bias64 = bias.as<double>();
      e64.bias = bias64.data();
      gemm<Ref<double>>::nt({}, x16.view(), w16.view(), want.view(), e64);
      Epilogue<float> e;
      e.bias = bias.data();
      const auto close = [&](Rows<float> const& c) {
        // Up to 300 terms below 1: each addition rounds a sum that stays below 32.
        CHECK(test::distance<float>(c, want) <= 300 * 16 * 0x1p-24);
        CHECK(c.gaps_untouched());
      };
      Rows<float> stored(M, N, 1), rounded(M, N, 1), straight(M, N, 1);
      gemm<Bf16Kernels>::nt({}, x, w16, stored, e);
      gemm<Bf16Kernels>::nt({}, x, w, rounded, e);
      gemm<Bf16Kernels>::nn({}, x, w_t, straight, e);
      close(stored);
      close(rounded);
      close(straight);
    }
  Kernels::order = test::simt::order::ascending;
}

TEST_CASE("simt: cross_entropy") {
  test::Random random(2);
  // 8 KiB of logits: 32 rows of a vocabulary of 50, so that 70 rows are three chunks.
  const int sizes[][3] = {{1, 1, 1}, {5, 7, 3}, {70, 9, 50}, {33, 4, 700}};
  for (auto const& s : sizes)
    for (const bool biased : {false, true}) {
      const int R = s[0], C = s[1], V = s[2];
      const auto targets = random.integers(R, -1, V - 1);
      const Rows<float> x(random, R, C, 1), w(random, V, C, 0, 3), bias(random, 1, V), dw(random, V, C),
          dbias(random, 1, V);
      const auto x64 = x.as<double>(), w64 = w.as<double>(), bias64 = bias.as<double>();
      Rows<double> losses64(R, 1), dx64(R, C), dw64 = dw.as<double>(), dbias64 = dbias.as<double>();
      const double scale = 1.0 / R;
      cross_entropy<Ref<double>>::loss_and_gradient({}, x64, w64.view(), biased ? bias64.data() : nullptr,
                                                    targets.data(), -1, scale, losses64.data(), dx64, dw64,
                                                    biased ? dbias64.data() : nullptr);
      Rows<float> first(R, C);
      for (const auto o : {test::simt::order::ascending, test::simt::order::descending, test::simt::order::random}) {
        Kernels::order = o;
        const std::size_t bytes = cross_entropy<Kernels>::workspace(R, C, V, 1);
        const test::DeviceArray<std::byte> memory(bytes);
        Arena scratch(memory.data(), bytes);
        Kernels b;
        b.scratch = &scratch;
        Rows<float> losses(R, 1), eval(R, 1), dx = x, dw32 = dw, dbias32 = dbias;  // in place
        cross_entropy<Kernels>::loss(b, x, w.view(), biased ? bias.data() : nullptr, targets.data(), -1, eval.data());
        cross_entropy<Kernels>::loss_and_gradient(b, dx, w.view(), biased ? bias.data() : nullptr, targets.data(), -1,
                                                  static_cast<float>(scale), losses.data(), dx, dw32,
                                                  biased ? dbias32.data() : nullptr);
        CHECK(scratch.used() == 0);
        // Logits of up to 27, sums of up to 700 exponentials and of up to 70 gradients below 1.
        CHECK(test::distance<float>(losses, losses64) <= 8 * 27 * 0x1p-24);
        CHECK(test::same_bits<float>(losses, eval));
        CHECK(test::distance<float>(dx, dx64) <= 64 * 3 * 0x1p-24);
        CHECK(test::distance<float>(dw32, dw64) <= 64 * 2 * 0x1p-24);
        if (biased) CHECK(test::distance<float>(dbias32, dbias64) <= 64 * 2 * 0x1p-24);
        if (o != test::simt::order::ascending) CHECK(test::same_bits<float>(dx, first));
        first = dx;
      }
      Kernels::order = test::simt::order::ascending;
    }
  Rows<float> x(2, 2), w(3, 2), losses(2, 1);
  const int bad[] = {0, 3};
  CHECK_THROWS_WITH_AS(cross_entropy<Kernels>::loss(Kernels{}, x, w.view(), nullptr, bad, -1, losses.data()),
                       doctest::Contains("[cross_entropy.loss] target 3 in row 1, expected 0 to 2"), error);
}

}  // namespace test_simt_products
