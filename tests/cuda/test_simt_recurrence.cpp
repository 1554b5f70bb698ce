// The recurrence of linear attention's kin as kernels, and the ops that are one of them, against the reference in
// double, with the threads in three orders that must give the same bits.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include <fauna/ops/recurrence/kernel.cuh>
#include <fauna/ops/recurrence/ref.hpp>
#include <fauna/ops/ssd/kernel.cuh>
#include <fauna/ops/ssd/ref.hpp>
#include <fauna/ops/wkv6/kernel.cuh>
#include <fauna/ops/wkv6/ref.hpp>

#include "support/recurrences.hpp"
#include "support/simt_recurrent.hpp"

namespace test_simt_recurrence {

using namespace fauna;
using test::batches, test::check, test::Many, test::Policy, test::Rows;

namespace {

std::vector<Batch> with_documents() {
  auto all = batches();
  all.push_back(test::packed());
  return all;
}

/// Each head's part of a row at length 1.
void unit(Rows<float>& rows, int heads) {
  const int N = rows.cols() / heads;
  for (int t = 0; t < rows.rows(); ++t)
    for (int h = 0; h < rows.cols(); h += N) {
      float squares = 0;
      for (int j = h; j < h + N; ++j) squares += rows.view()(t, j) * rows.view()(t, j);
      for (int j = h; j < h + N; ++j) rows.view()(t, j) /= std::sqrt(squares);
    }
}

/// Of what removes by a and b, ops/wkv7 is tested beside RWKV-7's other kernels.
template <Recurrence R> void check_kin(RecurrenceShape n) {
  static constexpr float fixed[] = {0.5F, 0.9F, 0.75F, 1};
  n.scale = 0.75F;
  n.fixed = R.fade == fades::fixed ? fixed : nullptr;
  for (Batch const& batch : with_documents()) {
    CAPTURE(batch.rows);
    test::Random random(1);
    const int T = batch.rows, H = n.heads, K = n.keys, C = recurrence_columns(R, n.values), Q = batch.sequences;
    Rows<float> q(random, T, n.key_heads * K, 2), k(random, T, n.key_heads * K, 1), v(random, T, H * n.values, 3),
        fade(random, T, R.fade == fades::by_head ? H : H * K, 0, 0.25F, 0.75F), beta(random, T, H, 1, 0.5F, 0.5F),
        least(random, T, H, 0, 0.3F, 0.4F);
    unit(k, n.key_heads);
    const Rows<float> dy(random, T, H * n.values, 1), entering(random, Q * H * K, C), left(random, Q * H * K, C);
    check({Rows<float>(T, H * n.values, 2), entering, left, q, k, v, fade, beta, least, Rows<float>(T, H * n.values)},
          {q, k, v, fade, beta, least, dy, test::zeros(recurrence_kept(T, Q) * H * K, C)},
          [&](auto const& b, auto& m, auto const& in) {
            using Op = recurrence<R, Policy<decltype(b)>>;
            using S = typename Policy<decltype(b)>::scalar;
            const RecurrenceRows<const S> rows{in[0], in[1], in[2], in[3], in[4], {}, {}, in[5]};
            auto kept = in[7];
            Op::forward(b, batch, n, rows, m[1], m[0], kept);
            Op::backward(b, batch, n, rows, kept, in[6], {m[3], m[4], m[5], m[6], m[7], {}, {}, m[8]}, m[2]);
            Op::forward(b, batch, n, rows, {}, m[9], {});
          });
  }
}

}  // namespace

TEST_CASE("simt: recurrence") {
  const RecurrenceShape own{.heads = 2, .key_heads = 2, .keys = 5, .values = 3},
      shared{.heads = 4, .key_heads = 2, .keys = 3, .values = 34};
  check_kin<Recurrence{.fade = fades::fixed}>(shared);
  check_kin<Recurrence{.fade = fades::by_head, .erase = erases::delta, .strength = true}>(shared);
  check_kin<Recurrence{.fade = fades::by_key, .erase = erases::delta, .strength = true}>(own);
  check_kin<Recurrence{.fade = fades::by_head, .strength = true, .normalised = true}>(shared);
}

TEST_CASE("simt: wkv6") {
  for (Batch const& batch : with_documents())
    for (const bool constant : {false, true}) {
      CAPTURE(batch.rows);
      test::Random random(2);
      const int R = batch.rows, H = 2, N = 5, C = H * N, Q = batch.sequences;
      const Rows<float> r(random, R, C, 2), k(random, R, C, 1), v(random, R, C, 3),
          d(random, constant ? 1 : R, C, 0, 1), u(random, 1, C), dy(random, R, C, 1), entering(random, Q * C, N),
          left(random, Q * C, N);
      check({Rows<float>(R, C, 1), entering, Rows<float>(R, C), Rows<float>(R, C, 1), Rows<float>(R, C), d, u, left,
             Rows<float>(R, C)},
            {r, k, v, d, u, dy, test::zeros(wkv7_kept(R, Q) * C, N)}, [&](auto const& b, auto& m, auto const& in) {
              using Op = wkv6<Policy<decltype(b)>>;
              using S = typename Policy<decltype(b)>::scalar;
              const Wkv6Rows<const S> rows{in[0], in[1], in[2], in[3], constant};
              auto kept = in[6];
              Op::forward(b, batch, N, rows, in[4].data(), m[1], m[0], kept);
              Op::backward(b, batch, N, rows, in[4].data(), kept, in[5], {m[2], m[3], m[4], m[5], constant},
                           m[6].data(), m[7]);
              Op::forward(b, batch, N, rows, in[4].data(), {}, m[8], {});
            });
    }
}

TEST_CASE("simt: ssd") {
  auto all = with_documents();
  all.push_back(test::plain(1, 70));  // a chunk and a part of one
  for (Batch const& batch : all) {
    CAPTURE(batch.rows);
    test::Random random(3);
    const SsdSizes z{.heads = 4, .size = 5, .states = 3, .groups = 2};
    const int R = batch.rows, H = z.heads, G = z.groups * z.states, Q = batch.sequences;
    const Rows<float> x(random, R, H * z.size, 2), B(random, R, G, 1), c(random, R, G, 2), dt(random, R, H, 1, 2, -2),
        heads(random, 3, H, 0, 0.8F), entering(random, Q * H * z.states, z.size), dy(random, R, H * z.size, 1),
        left(random, Q * H * z.states, z.size);
    check({Rows<float>(R, H * z.size, 1), entering, Rows<float>(R, H * z.size, 2), Rows<float>(R, G, 1),
           Rows<float>(R, G), Rows<float>(R, H), heads, left, Rows<float>(R, H * z.size)},
          {x, B, c, dt, heads, dy, test::zeros(ssd_kept(R, Q) * H * z.states, z.size)},
          [&](auto const& b, auto& m, auto const& in) {
            using Op = ssd<Policy<decltype(b)>>;
            using S = typename Policy<decltype(b)>::scalar;
            const SsdRows<const S> rows{in[0], in[1], in[2], in[3]};
            const auto own = in[4].view();
            const auto d = m[6].view();
            const SsdHeads<const S> numbers{own.row(0), own.row(1), own.row(2)};
            auto kept = in[6];
            Op::forward(b, batch, z, rows, numbers, m[1], m[0], kept);
            Op::backward(b, batch, z, rows, numbers, kept, in[5], {m[2], m[3], m[4], m[5]},
                         {d.row(0), d.row(1), d.row(2)}, m[7]);
            Op::forward(b, batch, z, rows, numbers, {}, m[8], {});
          });
  }
}

}  // namespace test_simt_recurrence
