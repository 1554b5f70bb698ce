// What stands around the recurrences: heads of length 1, their softmax, decays, mLSTM's gates, the RG-LRU, products.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <fauna/ops/fade/cpu.hpp>
#include <fauna/ops/fade/ref.hpp>
#include <fauna/ops/mlstm_gates/cpu.hpp>
#include <fauna/ops/mlstm_gates/ref.hpp>
#include <fauna/ops/product/cpu.hpp>
#include <fauna/ops/product/ref.hpp>
#include <fauna/ops/rg_lru/cpu.hpp>
#include <fauna/ops/rg_lru/ref.hpp>
#include <fauna/ops/softmax_heads/cpu.hpp>
#include <fauna/ops/softmax_heads/ref.hpp>
#include <fauna/ops/unit_heads/cpu.hpp>
#include <fauna/ops/unit_heads/ref.hpp>
#include <vector>

#include "support/batches.hpp"
#include "support/every_width.hpp"
#include "support/memory.hpp"
#include "support/random.hpp"

namespace test_recurrent_parts {

using namespace fauna;
using test::Rows, test::same, test::with_threads;

namespace {

// Chains of a few f32 functions, each within a few ulp; sums over up to 40 rows.
constexpr double bound = 2e-6, summed = 2e-5;

const Batch batches[] = {test::plain(2, 40), test::plain(1, 1), test::ragged(), test::with_finished()};

}  // namespace

ON_EVERY_WIDTH("unit_heads") {
  for (auto const& [R, heads, N] :
       {std::array{1, 1, 1}, std::array{7, 3, 5}, std::array{40, 2, 16}, std::array{5, 1, 70}}) {
    test::Random random(1);
    const Rows<float> x(random, R, heads * N, 2), dy(random, R, heads * N, 1);
    same<B>(
        [&, N = N]<class P, class S>(P b, S) {
          std::vector<Rows<S>> out{dy.as<S>(), dy.as<S>()};
          const auto X = x.as<S>(), D = dy.as<S>();
          unit_heads<P>::forward(b, N, 1e-6, X, out[0]);
          unit_heads<P>::backward(b, N, 1e-6, X, D, out[1]);
          return out;
        },
        bound);
  }
}

ON_EVERY_WIDTH("softmax_heads") {
  for (auto const& [R, heads, N] :
       {std::array{1, 1, 1}, std::array{7, 3, 5}, std::array{40, 2, 16}, std::array{5, 1, 70}}) {
    test::Random random(7);
    // Far enough for an exponential of x alone to overflow.
    const Rows<float> x(random, R, heads * N, 2, 20, 90), dy(random, R, heads * N, 1);
    same<B>(
        [&, N = N]<class P, class S>(P b, S) {
          std::vector<Rows<S>> out{dy.as<S>(), dy.as<S>()};
          const auto X = x.as<S>(), D = dy.as<S>();
          softmax_heads<P>::forward(b, N, X, out[0]);
          softmax_heads<P>::backward(b, N, out[0], D, out[1]);
          return out;
        },
        bound);
  }
}

ON_EVERY_WIDTH("fade_gate") {
  for (auto const& [R, heads, N] :
       {std::array{1, 1, 1}, std::array{40, 3, 5}, std::array{9, 70, 1}, std::array{5, 2, 32}})
    for (const bool parameters : {false, true}) {
      test::Random random(2);
      const int C = heads * N;
      // Far enough for softplus to be linear at one end and nothing at the other.
      const Rows<float> x(random, R, C, 2, 30), dy(random, R, C, 1), A_log(random, 1, heads), bias(random, 1, C);
      const FadeShape shape{.head = N, .sign = parameters ? 1.0F : -1.0F, .rate = 1.0F / 16};
      same<B>(
          [&]<class P, class S>(P b, S) {
            std::vector<Rows<S>> out{dy.as<S>(), dy.as<S>(), A_log.as<S>(), bias.as<S>()};
            const auto X = x.as<S>(), D = dy.as<S>(), A = A_log.as<S>(), Bias = bias.as<S>();
            const S *a = parameters ? A.data() : nullptr, *c = parameters ? Bias.data() : nullptr;
            fade_gate<P>::forward(b, shape, X, a, c, out[0]);
            fade_gate<P>::backward(b, shape, X, a, c, D, out[1], parameters ? out[2].data() : nullptr,
                                   parameters ? out[3].data() : nullptr);
            return out;
          },
          summed);
    }
}

ON_EVERY_WIDTH("mlstm_gates") {
  for (const Batch& batch : batches)
    for (const int heads : {1, 5}) {
      test::Random random(3);
      const int R = batch.rows;
      const Rows<float> x(random, R, 2 * heads, 1, 8), dy(random, R, 3 * heads), m(random, batch.sequences, heads),
          left(random, batch.sequences, heads);
      same<B>(
          [&]<class P, class S>(P b, S) {
            std::vector<Rows<S>> out{dy.as<S>(), m.as<S>(), x.as<S>(), left.as<S>()};
            const auto X = x.as<S>(), D = dy.as<S>(), M = m.as<S>();
            const auto part = [heads](auto const& rows, int i) {
              return Matrix<const S>(rows.data() + i * heads, rows.rows(), heads, rows.view().stride());
            };
            const auto to = [heads](Rows<S>& rows, int i) {
              return Matrix<S>(rows.data() + i * heads, rows.rows(), heads, rows.view().stride());
            };
            const MlstmGateRows<const S> in{part(X, 0), part(X, 1)};
            mlstm_gates<P>::forward(b, batch, 15, in, out[1], {to(out[0], 0), to(out[0], 1), to(out[0], 2)});
            mlstm_gates<P>::backward(b, batch, 15, in, M, {part(D, 0), part(D, 1), part(D, 2)},
                                     {to(out[2], 0), to(out[2], 1)}, out[3]);
            return out;
          },
          summed);
    }
}

ON_EVERY_WIDTH("rg_lru") {
  for (const Batch& batch : batches)
    for (const int C : {1, 21, 64})
      for (const int past : {0, 3}) {
        const std::vector<int> before(4, past);
        Batch with_past = batch;
        with_past.past = before.data();
        test::Random random(4);
        const int R = batch.rows;
        const Rows<float> x(random, R, C, 2), i(random, R, C, 1, 3), r(random, R, C, 1, 3), lambda(random, 1, C, 0, 2),
            dy(random, R, C, 1), entering(random, batch.sequences, C), left(random, batch.sequences, C);
        same<B>(
            [&]<class P, class S>(P b, S) {
              std::vector<Rows<S>> out{dy.as<S>(), entering.as<S>(), x.as<S>(),   i.as<S>(),
                                       r.as<S>(),  lambda.as<S>(),   left.as<S>()};
              const auto X = x.as<S>(), I = i.as<S>(), R_ = r.as<S>(), L = lambda.as<S>(), D = dy.as<S>(),
                         E = entering.as<S>();
              test::Poisoned memory(rg_lru<P>::workspace(R, C));
              Arena scratch = memory.arena();
              b.scratch = &scratch;
              const RgLruRows<const S> in{X, I, R_};
              rg_lru<P>::forward(b, with_past, in, L.data(), out[1], out[0]);
              rg_lru<P>::backward(b, with_past, in, L.data(), E, out[0], D, {out[2], out[3], out[4]}, out[5].data(),
                                  out[6]);
              return out;
            },
            summed);
      }
}

ON_EVERY_WIDTH("product") {
  test::Random random(6);
  const Rows<float> x(random, 9, 37, 2), z(random, 9, 37, 1);
  same<B>(
      [&]<class P, class S>(P b, S) {
        std::vector<Rows<S>> out{x.as<S>()};
        const auto X = x.as<S>(), Z = z.as<S>();
        product<P>::run(b, X, Z, out[0]);
        return out;
      },
      1e-7);
}

TEST_CASE("rg_lru: in pieces of any length the bits of all at once") {
  using B = Cpu<>;
  const int R = 40, C = 13;
  test::Random random(8);
  const Rows<float> x(random, R, C), i(random, R, C), r(random, R, C), lambda(random, 1, C);
  const auto run = [&](int from, int rows, Matrix<float> state, Rows<float>& h) {
    const auto part = [&](Rows<float> const& v) { return Matrix<const float>(v).middle_rows(from, rows); };
    Batch batch = test::plain(1, rows);
    batch.past = &from;
    rg_lru<B>::forward(with_threads<B>(1), batch, {part(x), part(i), part(r)}, lambda.data(), state,
                       Matrix<float>(h).middle_rows(from, rows));
  };
  Rows<float> whole(R, C), pieces(R, C), state(1, C);
  run(0, R, state, whole);
  for (const int length : {1, 3, 16}) {
    Rows<float> again(1, C);
    for (int from = 0; from < R; from += length) run(from, std::min(length, R - from), again, pieces);
    CHECK(test::same_bits<float>(pieces, whole));
    CHECK(test::same_bits<float>(again, state));
  }
}

}  // namespace test_recurrent_parts
