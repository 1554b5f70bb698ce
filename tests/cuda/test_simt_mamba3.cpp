// The kernels of what stands around Mamba-3's recurrence against the reference in double, with the threads in three
// orders that must give the same bits.
#include <doctest/doctest.h>

#include <vector>

#include <fauna/ops/mamba3/kernel.cuh>
#include <fauna/ops/mamba3/ref.hpp>

#include "support/simt_recurrent.hpp"

namespace test_simt_mamba3 {

using namespace fauna;
using test::batches, test::check, test::Policy, test::Rows;

namespace {

const Mamba3Shape shapes[] = {{.heads = 1, .states = 2, .size = 1, .groups = 1, .angles = 1},
                              {.heads = 6, .states = 13, .size = 9, .groups = 2, .angles = 5},
                              {.heads = 2, .states = 40, .size = 36, .groups = 1, .angles = 19}};

}  // namespace

TEST_CASE("simt: mamba3_gates") {
  for (Batch const& batch : batches())
    for (Mamba3Shape const& n : shapes) {
      test::Random random(1);
      const int R = batch.rows, H = n.heads, K = n.angles, turns = H * K, Q = batch.sequences;
      Rows<float> dt(random, R, H, 1, 6), a(random, R, H, 2, 3), trap(random, R, H, 0, 4);
      a.view()(0, 0) = -2e4F;  // a rate at its floor
      const Rows<float> angle(random, R, K, 1, 2), bias(random, 1, H), theta(random, Q, turns), now(random, Q, H),
          dfade(random, R, H), dnow(random, R, H), dbeta(random, R, H), dtheta(random, R, turns);
      check({Rows<float>(R, H), Rows<float>(R, H, 1), Rows<float>(R, H), Rows<float>(R, turns, 2), theta, now,
             Rows<float>(R, H, 1), Rows<float>(R, H), Rows<float>(R, H), Rows<float>(R, K, 1), bias, theta, now},
            {dt, a, trap, angle, bias, theta, now, dfade, dnow, dbeta, dtheta},
            [&](auto const& b, auto& m, auto const& in) {
              using Op = mamba3_gates<Policy<decltype(b)>>;
              using S = typename Policy<decltype(b)>::scalar;
              const Mamba3GateRows<const S> rows{in[0], in[1], in[2], in[3]};
              Op::forward(b, batch, n, rows, in[4].data(), {m[4], m[5]}, {m[0], m[1], m[2], m[3]});
              Op::backward(b, batch, n, rows, in[4].data(), {in[5], in[6]}, {m[0], m[1], m[2], m[3]},
                           {in[7], in[8], in[9], in[10]}, {m[6], m[7], m[8], m[9]}, m[10].data(), {m[11], m[12]});
            });
    }
}

TEST_CASE("simt: mamba3_heads and mamba3_skip") {
  for (Mamba3Shape const& n : shapes)
    for (const int R : {1, 21}) {
      test::Random random(2);
      const int wide = n.heads * n.states, read = n.groups * n.states, turns = n.heads * n.angles,
                out = n.heads * n.size;
      const Rows<float> x(random, R, read, 2), z(random, R, read, 1), bias_x(random, 1, wide), bias_z(random, 1, wide),
          theta(random, R, turns, 1, 4), dk(random, R, wide, 1), dq(random, R, wide, 3), v(random, R, out, 3),
          now(random, R, n.heads, 1), D(random, 1, n.heads), dy(random, R, out, 2);
      check({Rows<float>(R, wide, 1), Rows<float>(R, wide), dk, dq, Rows<float>(R, read), Rows<float>(R, read, 1),
             Rows<float>(R, turns), bias_x, bias_z, dy, dk, dq, v, Rows<float>(R, n.heads), D},
            {x, z, bias_x, bias_z, theta, v, now, D, dy}, [&](auto const& b, auto& m, auto const& in) {
              using P = Policy<decltype(b)>;
              using S = typename P::scalar;
              mamba3_heads<P>::forward(b, n, {in[0], in[2].data()}, {in[1], in[3].data()}, in[4], m[0], m[1]);
              mamba3_heads<P>::backward(b, n, m[0], m[1], in[4], m[2], m[3], {m[4], m[7].data()}, {m[5], m[8].data()},
                                        m[6]);
              const Mamba3SkipRows<const S> rows{m[0], m[1], in[5], in[6]};
              mamba3_skip<P>::forward(b, n, rows, in[7].data(), m[9]);
              mamba3_skip<P>::backward(b, n, rows, in[7].data(), in[8], {m[10], m[11], m[12], m[13]}, m[14].data());
            });
    }
}

}  // namespace test_simt_mamba3
