// What stands around the recurrence of Mamba-3: its gates, its heads turned by angles of the data, and what skips it.
#include <doctest/doctest.h>

#include <fauna/ops/mamba3/cpu.hpp>
#include <fauna/ops/mamba3/ref.hpp>
#include <vector>

#include "support/batches.hpp"
#include "support/every_width.hpp"
#include "support/memory.hpp"
#include "support/random.hpp"

namespace test_mamba3 {

using namespace fauna;
using test::Rows, test::same;

namespace {

const Mamba3Shape shapes[] = {{.heads = 1, .states = 2, .size = 1, .groups = 1, .angles = 1},
                              {.heads = 6, .states = 13, .size = 9, .groups = 2, .angles = 5},
                              {.heads = 2, .states = 144, .size = 16, .groups = 1, .angles = 70}};
// Angles are sums over up to 40 rows of a few radians each, kept below a turn; so is what is turned by them.
constexpr double bound = 2e-5;

}  // namespace

ON_EVERY_WIDTH("mamba3_gates") {
  for (const Batch& batch : {test::plain(2, 40), test::plain(1, 1), test::ragged(), test::with_finished()})
    for (Mamba3Shape const& n : shapes) {
      test::Random random(1);
      const int R = batch.rows, H = n.heads, turns = H * n.angles;
      // Steps from nothing to a few turns; rates down to their floor, at a = -10^4.
      Rows<float> dt(random, R, H, 1, 6), a(random, R, H, 2, 3), trap(random, R, H, 0, 4);
      a.view()(0, 0) = -2e4F;
      const Rows<float> angle(random, R, n.angles, 1, 2), bias(random, 1, H), theta(random, batch.sequences, turns),
          now(random, batch.sequences, H), dfade(random, R, H), dnow(random, R, H), dbeta(random, R, H),
          dtheta(random, R, turns), left_theta(random, batch.sequences, turns), left_now(random, batch.sequences, H);
      same<B>(
          [&]<class P, class S>(P b, S) {
            std::vector<Rows<S>> y{dfade.as<S>(), dnow.as<S>(),       dbeta.as<S>(),   dtheta.as<S>(), theta.as<S>(),
                                   now.as<S>(),   dt.as<S>(),         a.as<S>(),       trap.as<S>(),   angle.as<S>(),
                                   bias.as<S>(),  left_theta.as<S>(), left_now.as<S>()};
            const auto Dt = dt.as<S>(), A = a.as<S>(), Trap = trap.as<S>(), Angle = angle.as<S>(), Bias = bias.as<S>(),
                       Theta = theta.as<S>(), Now = now.as<S>(), dF = dfade.as<S>(), dN = dnow.as<S>(),
                       dB = dbeta.as<S>(), dT = dtheta.as<S>();
            test::Poisoned memory(mamba3_gates<P>::workspace(n, R));
            Arena scratch = memory.arena();
            b.scratch = &scratch;
            const Mamba3GateRows<const S> in{Dt, A, Trap, Angle};
            mamba3_gates<P>::forward(b, batch, n, in, Bias.data(), {y[4], y[5]}, {y[0], y[1], y[2], y[3]});
            memory.poison();
            mamba3_gates<P>::backward(b, batch, n, in, Bias.data(), {Theta, Now}, {y[0], y[1], y[2], y[3]},
                                      {dF, dN, dB, dT}, {y[6], y[7], y[8], y[9]}, y[10].data(), {y[11], y[12]});
            return y;
          },
          bound);
    }
}

ON_EVERY_WIDTH("mamba3_heads") {
  for (Mamba3Shape const& n : shapes)
    for (const int R : {1, 21}) {
      test::Random random(2);
      const int wide = n.heads * n.states, read = n.groups * n.states;
      const Rows<float> b_(random, R, read, 2), c_(random, R, read, 1), bias_b(random, 1, wide),
          bias_c(random, 1, wide), theta(random, R, n.heads * n.angles, 1, 4), dk(random, R, wide, 1),
          dq(random, R, wide, 3);
      same<B>(
          [&]<class P, class S>(P b, S) {
            std::vector<Rows<S>> y{dk.as<S>(), dq.as<S>(),    dk.as<S>(),     dq.as<S>(),    b_.as<S>(),
                                   c_.as<S>(), theta.as<S>(), bias_b.as<S>(), bias_c.as<S>()};
            const auto X = b_.as<S>(), Z = c_.as<S>(), BX = bias_b.as<S>(), BZ = bias_c.as<S>(), T = theta.as<S>();
            mamba3_heads<P>::forward(b, n, {X, BX.data()}, {Z, BZ.data()}, T, y[0], y[1]);
            mamba3_heads<P>::backward(b, n, y[0], y[1], T, y[2], y[3], {y[4], y[7].data()}, {y[5], y[8].data()}, y[6]);
            return y;
          },
          bound);
    }
}

ON_EVERY_WIDTH("mamba3_skip") {
  for (Mamba3Shape const& n : shapes)
    for (const int R : {1, 21}) {
      test::Random random(3);
      const int wide = n.heads * n.states, out = n.heads * n.size;
      const Rows<float> k(random, R, wide, 1), q(random, R, wide, 2), v(random, R, out, 3), now(random, R, n.heads, 1),
          D(random, 1, n.heads), dy(random, R, out, 2);
      same<B>(
          [&]<class P, class S>(P b, S) {
            std::vector<Rows<S>> y{dy.as<S>(), k.as<S>(), q.as<S>(), v.as<S>(), now.as<S>(), D.as<S>()};
            const auto K = k.as<S>(), Q = q.as<S>(), V = v.as<S>(), N = now.as<S>(), Skip = D.as<S>(), dY = dy.as<S>();
            const Mamba3SkipRows<const S> in{K, Q, V, N};
            mamba3_skip<P>::forward(b, n, in, Skip.data(), y[0]);
            mamba3_skip<P>::backward(b, n, in, Skip.data(), dY, {y[1], y[2], y[3], y[4]}, y[5].data());
            return y;
          },
          bound);
    }
}

}  // namespace test_mamba3
