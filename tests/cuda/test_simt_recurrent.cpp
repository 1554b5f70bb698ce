// The kernels of recurrent mixers against the reference in double, with the threads in three orders that must give the
// same bits.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include <fauna/ops/add/ref.hpp>
#include <fauna/ops/conv/kernel.cuh>
#include <fauna/ops/conv/ref.hpp>
#include <fauna/ops/rwkv7/kernel.cuh>
#include <fauna/ops/rwkv7/ref.hpp>
#include <fauna/ops/scan/kernel.cuh>
#include <fauna/ops/scan/ref.hpp>
#include <fauna/ops/token_shift/kernel.cuh>
#include <fauna/ops/token_shift/ref.hpp>
#include <fauna/ops/wkv7/kernel.cuh>
#include <fauna/ops/wkv7/ref.hpp>

#include "support/recurrences.hpp"
#include "support/simt_recurrent.hpp"

namespace test_simt_recurrent {

using namespace fauna;
using test::batches, test::check, test::Kernels, test::Many, test::Policy, test::Rows;

TEST_CASE("simt: causal convolution") {
  for (Batch const& batch : batches())
    for (const int K : {1, 2, 4}) {
      CAPTURE(batch.rows);
      CAPTURE(K);
      test::Random random(2);
      const int R = batch.rows, C = 35, states = batch.sequences * (K - 1);
      const Rows<float> x(random, R, C, 2), taps(random, K, C), bias(random, 1, C), entering(random, states, C),
          dy(random, R, C, 1), left(random, states, C);
      check({Rows<float>(R, C, 1), entering, Rows<float>(R, C, 2), taps, bias, left, Rows<float>(R, C),
             Rows<float>(R, C)},
            {x, taps, bias, entering, dy}, [&](auto const& b, auto& m, auto const& in) {
              using Op = causal_conv<Policy<decltype(b)>>;
              Op::forward(b, batch, in[0], in[1], in[2].data(), m[1], m[0]);
              Op::backward(b, batch, in[0], in[3], in[1], in[4], m[2], m[3], m[4].data(), m[5]);
              Op::forward(b, batch, in[0], in[1], nullptr, {}, m[6]);
              Op::backward(b, batch, in[0], {}, in[1], m[6], m[7], {}, nullptr, {});
            });
    }
}

TEST_CASE("simt: token shift") {
  for (Batch const& batch : batches())
    for (const auto what : {weighs::before, weighs::row}) {
      CAPTURE(batch.rows);
      test::Random random(3);
      const int R = batch.rows, C = 35, n = 3, Q = batch.sequences;
      const Rows<float> x(random, R, C, 2), mu(random, n, C), entering(random, Q, C), dy(random, R, n * C, 1),
          left(random, Q, C), alone(random, R, C);
      check({Rows<float>(R, n * C, 1), entering, Rows<float>(R, C, 2), mu, left, Rows<float>(R, C), Rows<float>(R, C)},
            {x, mu, entering, dy, alone}, [&](auto const& b, auto& m, auto const& in) {
              using Op = token_shift<Policy<decltype(b)>>;
              Op::forward(b, batch, in[0], in[1], m[1], m[0], what);
              Op::backward(b, batch, in[0], in[2], in[1], in[3], m[2], m[3], m[4], what);
              Op::forward(b, batch, in[0], {}, {}, m[5]);
              Op::backward(b, batch, in[0], {}, {}, in[4], m[6], {}, {});
            });
    }
}

TEST_CASE("simt: selective scan") {
  for (Batch const& batch : batches()) {
    CAPTURE(batch.rows);
    test::Random random(4);
    const int R = batch.rows, E = 37, N = 5, Q = batch.sequences;
    const Rows<float> x(random, R, E, 2), z(random, R, E, 1, 2), dt(random, R, E, 3, 2), b_(random, R, N, 1),
        c(random, R, N, 2), A(random, N, E, 0, 0.5F, -0.6F), D(random, 1, E), entering(random, Q * N, E),
        dout(random, R, E, 1), left(random, Q * N, E), A_log(random, E, N), before(random, R, E), of_b(random, R, N);
    check({Rows<float>(R, E, 2),
           entering,
           Rows<float>(R * N, E),
           Rows<float>(R, E, 1),
           Rows<float>(R, E, 2),
           Rows<float>(R, E),
           Rows<float>(R, N, 1),
           Rows<float>(R, N),
           A,
           D,
           left,
           Rows<float>(N, E),
           A_log,
           Rows<float>(R, E),
           entering,
           Rows<float>(R, E),
           before,
           before,
           before,
           of_b,
           of_b},
          {x, z, dt, b_, c, A, D, entering, dout, A_log}, [&](auto const& b, auto& m, auto const& in) {
            using Op = selective_scan<Policy<decltype(b)>>;
            using S = typename Policy<decltype(b)>::scalar;
            const ScanRows<const S> rows{in[0], in[1], in[2], in[3], in[4]};
            const ScanRows<S> d{m[3], m[4], m[5], m[6], m[7]};
            Op::forward(b, batch, rows, in[5], in[6].data(), m[1], m[0], m[2]);
            Op::backward(b, batch, rows, in[5], in[6].data(), in[7], m[2], in[8], d, m[8], m[9].data(), m[10]);
            Op::rates(b, in[9], m[11]);
            Op::rates_backward(b, in[5], m[11], m[12]);
            if (batch.parent) {
              add<Policy<decltype(b)>>::clear(b, m[13]);
              add<Policy<decltype(b)>>::clear(b, m[15]);
              return;
            }
            Op::forward(b, batch, rows, in[5], in[6].data(), m[14], m[13], {});
            Op::forward(b, batch, rows, in[5], in[6].data(), {}, m[15], {});
            const ScanRows<S> again{m[16], m[17], m[18], m[19], m[20]};
            Op::backward(b, batch, rows, in[5], in[6].data(), {}, m[2], in[8], again, {}, nullptr, {});
          });
  }
  Rows<float> out(12, 3);
  CHECK_THROWS_WITH_AS(selective_scan<Kernels>::forward({}, test::ragged(), {}, {}, nullptr, {}, out, {}),
                       doctest::Contains("a tree of rows"), error);
}

namespace {

/// Rows of RWKV-7's recurrence whose states neither vanish nor grow: a of length 1, b = -a times something in (0, 1).
struct Removals {
  Rows<float> a, b;
  Removals(test::Random& random, int R, int H, int N) : a(random, R, H * N, 1), b(random, R, H * N, 2, 0.5F, 0.5F) {
    for (int t = 0; t < R; ++t)
      for (int h = 0; h < H; ++h) {
        float squares = 0;
        for (int j = h * N; j < (h + 1) * N; ++j) squares += a.view()(t, j) * a.view()(t, j);
        for (int j = h * N; j < (h + 1) * N; ++j) {
          a.view()(t, j) /= std::sqrt(squares);
          b.view()(t, j) *= -a.view()(t, j);
        }
      }
  }
};

}  // namespace

TEST_CASE("simt: wkv7") {
  auto all = batches();
  all.push_back(test::packed());
  for (Batch const& batch : all) {
    CAPTURE(batch.rows);
    test::Random random(5);
    const int R = batch.rows, H = 2, N = 5, C = H * N, Q = batch.sequences;
    const Rows<float> r(random, R, C, 2), w(random, R, C, 0, 0.25F, 0.75F), k(random, R, C, 1), v(random, R, C, 3),
        dy(random, R, C, 1), entering(random, Q * C, N), left(random, Q * C, N), before(random, R, C, 1);
    const Removals removals(random, R, H, N);
    check({Rows<float>(R, C, 1), entering, before, before, before, before, before, before, left, Rows<float>(R, C)},
          {r, w, k, v, removals.a, removals.b, dy, test::zeros(wkv7_kept(R, Q) * C, N)},
          [&](auto const& b, auto& m, auto const& in) {
            using Op = wkv7<Policy<decltype(b)>>;
            using S = typename Policy<decltype(b)>::scalar;
            const Wkv7Rows<const S> rows{in[0], in[1], in[2], in[3], in[4], in[5]};
            auto states = in[7];
            Op::forward(b, batch, N, rows, m[1], m[0], states);
            Op::backward(b, batch, N, rows, states, in[6], {m[2], m[3], m[4], m[5], m[6], m[7]}, m[8]);
            Op::forward(b, batch, N, rows, {}, m[9], {});
          });
  }
}

TEST_CASE("simt: what stands around wkv7") {
  for (const int N : {5, 40}) {
    test::Random random(6);
    const int R = 7, C = 2 * N;
    Many<float> in;
    for (int i = 0; i < 12; ++i) in.emplace_back(random, R, C, i % 3);
    const Rows<float> parameters(random, 5, C), before(random, R, C);
    in.push_back(parameters);
    Many<float> out{Rows<float>(random, 5, C)};
    for (int i = 1; i < 24; ++i) out.push_back(i == 10 || i > 14 ? before : Rows<float>(R, C, i % 2));
    check(out, in, [&](auto const& b, auto& m, auto const& x) {
      using Op = rwkv7_mix<Policy<decltype(b)>>;
      using S = typename Policy<decltype(b)>::scalar;
      const auto p = [&](int i) { return x[12].view().row(i); };
      const auto d = [&](int i) { return m[0].view().row(i); };
      Op::inputs(b, N, x[0], x[1], x[2], p(0), p(1), {{}, m[1], m[2], {}, m[3], m[4]});
      Op::inputs_backward(b, N, x[0], x[1], x[2], p(0), p(1), {{}, x[3], x[4], {}, x[5], x[6]}, m[5], m[6], m[7], d(0),
                          d(1));
      Op::value(b, x[0], x[1], x[2], m[8]);
      Op::value_backward(b, x[0], x[1], x[2], x[3], m[9], m[10], m[11]);
      const Wkv7Rows<const S> rows{x[4], {}, x[5], x[6], {}, {}};
      Op::outputs(b, N, x[7], rows, x[8], p(2), p(3), p(4), 0.1, m[12]);
      Op::outputs_backward(b, N, x[7], rows, x[8], p(2), p(3), p(4), 0.1, x[9], m[13],
                           {m[15], {}, m[16], m[17], {}, {}}, m[14], d(2), d(3), d(4));
      // In place, and without gradients of parameters.
      Op::value(b, m[18], x[1], x[2], m[18]);
      Op::value_backward(b, x[0], x[1], x[2], m[19], m[19], m[10], m[11]);
      Op::outputs(b, N, m[20], rows, x[8], p(2), p(3), p(4), 0.1, m[20]);
      Op::inputs_backward(b, N, x[0], x[1], x[2], p(0), p(1), {{}, m[21], m[22], {}, m[23], x[6]}, m[21], m[22], m[23],
                          nullptr, nullptr);
    });
  }
}

}  // namespace test_simt_recurrent
