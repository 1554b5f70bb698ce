// The kernels of what stands around recurrences, of RWKV-4's and of the RG-LRU, against the reference in double, with
// the threads in three orders that must give the same bits.
#include <doctest/doctest.h>

#include <vector>

#include <fauna/ops/fade/kernel.cuh>
#include <fauna/ops/fade/ref.hpp>
#include <fauna/ops/gated_norm/kernel.cuh>
#include <fauna/ops/gated_norm/ref.hpp>
#include <fauna/ops/mlstm_gates/kernel.cuh>
#include <fauna/ops/mlstm_gates/ref.hpp>
#include <fauna/ops/product/kernel.cuh>
#include <fauna/ops/product/ref.hpp>
#include <fauna/ops/rg_lru/kernel.cuh>
#include <fauna/ops/rg_lru/ref.hpp>
#include <fauna/ops/token_mix/kernel.cuh>
#include <fauna/ops/token_mix/ref.hpp>
#include <fauna/ops/unit_heads/kernel.cuh>
#include <fauna/ops/unit_heads/ref.hpp>
#include <fauna/ops/wkv4/kernel.cuh>
#include <fauna/ops/wkv4/ref.hpp>

#include "support/simt_recurrent.hpp"

namespace test_simt_recurrent_parts {

using namespace fauna;
using test::batches, test::check, test::Policy, test::Rows;

TEST_CASE("simt: product") {
  test::Random random(1);
  const Rows<float> x(random, 9, 33, 2), z(random, 9, 33);
  check({Rows<float>(9, 33, 1), x}, {x, z}, [](auto const& b, auto& m, auto const& in) {
    using Op = product<Policy<decltype(b)>>;
    Op::run(b, in[0], in[1], m[0]);
    Op::run(b, m[1], in[1], m[1]);
  });
}

TEST_CASE("simt: unit_heads") {
  for (const int N : {5, 40}) {
    test::Random random(2);
    const Rows<float> x(random, 7, 3 * N, 2), dy(random, 7, 3 * N, 1);
    check({Rows<float>(7, 3 * N, 1), Rows<float>(7, 3 * N), x, dy}, {x, dy},
          [&](auto const& b, auto& m, auto const& in) {
            using Op = unit_heads<Policy<decltype(b)>>;
            Op::forward(b, N, 1e-6, in[0], m[0]);
            Op::backward(b, N, 1e-6, in[0], in[1], m[1]);
            Op::forward(b, N, 1e-6, m[2], m[2]);
            Op::backward(b, N, 1e-6, in[0], m[3], m[3]);
          });
  }
}

TEST_CASE("simt: fade_gate") {
  for (const bool parameters : {false, true}) {
    test::Random random(3);
    const int R = 11, H = 3, N = 13, C = H * N;
    // Far enough for softplus to be linear at one end and nothing at the other.
    const Rows<float> x(random, R, C, 2, 30), dy(random, R, C, 1), A_log(random, 1, H), bias(random, 1, C);
    const FadeShape shape{.head = N, .sign = parameters ? 1.0F : -1.0F, .rate = 1.0F / 16};
    check({Rows<float>(R, C, 1), Rows<float>(R, C), A_log, bias, dy, x}, {x, dy, A_log, bias},
          [&](auto const& b, auto& m, auto const& in) {
            using Op = fade_gate<Policy<decltype(b)>>;
            const auto only = [&](auto* p) { return parameters ? p : nullptr; };
            const auto *a = only(in[2].data()), *c = only(in[3].data());
            Op::forward(b, shape, in[0], a, c, m[0]);
            Op::backward(b, shape, in[0], a, c, in[1], m[1], only(m[2].data()), only(m[3].data()));
            Op::backward(b, shape, in[0], a, c, m[4], m[4], only(m[2].data()), only(m[3].data()));
            Op::forward(b, shape, m[5], a, c, m[5]);
          });
  }
}

TEST_CASE("simt: gated_norm") {
  for (const bool gate_first : {false, true})
    for (const int groups : {1, 2}) {
      test::Random random(4);
      const int R = 9, C = 70;
      const GatedNorm form{.groups = groups, .gate_first = gate_first, .eps = 0.1};
      const Rows<float> y(random, R, C, 2), z(random, R, C, 1, 3), w(random, 1, C), dout(random, R, C);
      check({Rows<float>(R, C, 1), Rows<float>(R, groups), Rows<float>(R, C), Rows<float>(R, C, 3), w, y, dout},
            {y, z, w, dout}, [&](auto const& b, auto& m, auto const& in) {
              using Op = gated_norm<Policy<decltype(b)>>;
              Op::forward(b, form, in[0], in[1], in[2].data(), m[0], m[1]);
              Op::backward(b, form, in[0], in[1], in[2].data(), m[1], in[3], m[2], m[3], m[4].data());
              Op::forward(b, form, m[5], in[1], in[2].data(), m[5], {});
              Op::backward(b, form, in[0], in[1], in[2].data(), m[1], m[6], m[6], m[3], m[4].data());
            });
    }
}

TEST_CASE("simt: token_mix") {
  for (const bool parts : {false, true}) {
    test::Random random(5);
    const int R = 9, C = 35, n = 3;
    const Rows<float> x(random, R, C, 2), before(random, R, C, 1), mu(random, n, C), m_(random, R, n * C, 1),
        dy(random, R, n * C), base(random, R, C);
    check({Rows<float>(R, n * C, 1), base, base, mu, Rows<float>(R, n * C), m_, dy}, {x, before, mu, m_, dy},
          [&](auto const& b, auto& m, auto const& in) {
            using Op = token_mix<Policy<decltype(b)>>;
            using S = typename Policy<decltype(b)>::scalar;
            const auto own = parts ? in[3].view() : Matrix<const S>();
            Op::forward(b, in[0], in[1], in[2], own, m[0]);
            Op::backward(b, in[0], in[1], in[2], own, in[4], m[1], m[2], m[3], m[4]);
            Op::forward(b, in[0], in[1], in[2], m[5], m[5]);
            Op::backward(b, in[0], in[1], in[2], own, m[6], m[1], m[2], m[3], m[6]);
            Op::backward(b, in[0], in[1], in[2], own, in[4], m[1], m[2], {}, {});
          });
  }
}

TEST_CASE("simt: mlstm_gates") {
  for (Batch const& batch : batches())
    for (const double cap : {0.0, 5.0}) {
      CAPTURE(batch.rows);
      test::Random random(6);
      const int R = batch.rows, H = 5, Q = batch.sequences;
      const Rows<float> i(random, R, H, 1, 8), f(random, R, H, 2, 8), entering(random, Q, H), left(random, Q, H),
          d_fade(random, R, H, 1), d_beta(random, R, H), d_least(random, R, H, 1);
      check({Rows<float>(R, H), Rows<float>(R, H, 1), Rows<float>(R, H), entering, Rows<float>(R, H, 2),
             Rows<float>(R, H), left, Rows<float>(R, H), Rows<float>(R, H), Rows<float>(R, H), Rows<float>(R, H),
             Rows<float>(R, H)},
            {i, f, entering, d_fade, d_beta, d_least}, [&](auto const& b, auto& m, auto const& in) {
              using Op = mlstm_gates<Policy<decltype(b)>>;
              Op::forward(b, batch, cap, {in[0], in[1]}, m[3], {m[0], m[1], m[2]});
              Op::backward(b, batch, cap, {in[0], in[1]}, in[2], {in[3], in[4], in[5]}, {m[4], m[5]}, m[6]);
              Op::backward(b, batch, cap, {in[0], in[1]}, {}, {in[3], in[4], in[5]}, {m[7], m[8]}, {});
              Op::forward(b, batch, cap, {in[0], in[1]}, {}, {m[9], m[10], m[11]});
            });
    }
}

TEST_CASE("simt: rg_lru") {
  for (Batch const& batch : batches()) {
    CAPTURE(batch.rows);
    test::Random random(7);
    const int R = batch.rows, C = 37, Q = batch.sequences;
    const std::vector<int> past(static_cast<std::size_t>(Q), 3);
    for (const bool goes_on : {false, true}) {
      Batch all = batch;
      if (goes_on) all.past = past.data();
      const Rows<float> x(random, R, C, 2), i(random, R, C, 1, 3), r(random, R, C, 0, 3),
          lambda(random, 1, C, 0, 2, -1), entering(random, Q, C), left(random, Q, C), dh(random, R, C, 1);
      check({Rows<float>(R, C, 1), entering, Rows<float>(R, C), Rows<float>(R, C, 2), Rows<float>(R, C), lambda, left},
            {x, i, r, lambda, entering, dh}, [&](auto const& b, auto& m, auto const& in) {
              using Op = rg_lru<Policy<decltype(b)>>;
              using S = typename Policy<decltype(b)>::scalar;
              const RgLruRows<const S> rows{in[0], in[1], in[2]};
              Op::forward(b, all, rows, in[3].data(), m[1], m[0]);
              Op::backward(b, all, rows, in[3].data(), in[4], m[0], in[5], {m[2], m[3], m[4]}, m[5].data(), m[6]);
            });
    }
  }
}

TEST_CASE("simt: wkv4") {
  for (Batch const& batch : batches()) {
    CAPTURE(batch.rows);
    test::Random random(8);
    const int R = batch.rows, C = 35, Q = batch.sequences;
    const Rows<float> r(random, R, C, 2, 2), k(random, R, C, 1, 20), v(random, R, C, 3),  // e^k alone would overflow
        dy(random, R, C, 1), decay(random, 1, C, 0, 2, -1), first(random, 1, C, 0, 2), left(random, 3 * Q, C);
    Rows<float> entering(random, 3 * Q, C, 1);  // b of 1 or more, or nothing seen
    for (int q = 0; q < Q; ++q)
      for (int c = 0; c < C; ++c) {
        const bool seen = (q + c) % 3 != 0;
        entering.view()(3 * q, c) *= seen ? 1.0F : 0.0F;
        entering.view()(3 * q + 1, c) = seen ? 1 + std::fabs(entering.view()(3 * q + 1, c)) : 0;
      }
    check({Rows<float>(R, C, 1), entering, Rows<float>(3 * R, C, 1), Rows<float>(R, C), Rows<float>(R, C, 2),
           Rows<float>(R, C), decay, first, left, Rows<float>(R, C)},
          {r, k, v, decay, first, entering, dy}, [&](auto const& b, auto& m, auto const& in) {
            using Op = wkv4<Policy<decltype(b)>>;
            using S = typename Policy<decltype(b)>::scalar;
            const Wkv4Rows<const S> rows{in[0], in[1], in[2]};
            const S *w = in[3].data(), *u = in[4].data();
            Op::forward(b, batch, rows, w, u, m[1], m[0], m[2]);
            Op::backward(b, batch, rows, w, u, in[5], m[2], in[6], {m[3], m[4], m[5]}, m[6].data(), m[7].data(), m[8]);
            Op::forward(b, batch, rows, w, u, {}, m[9], {});
          });
  }
}

}  // namespace test_simt_recurrent_parts
