#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include <fauna/ops/prefix_attention/cpu.hpp>
#include <fauna/ops/prefix_attention/ref.hpp>

#include "support/op_check.hpp"
#include "support/random.hpp"

namespace test_prefix_attention {

using namespace fauna;
using test::Rows, test::with_threads;

TEST_CASE("prefix_attention: one head of one column by hand") {
  const double q[] = {2}, k[] = {0, 1}, v[] = {3, 5}, gate[] = {0.5}, dy[] = {1};
  const auto rows = [](auto* data, int n) { return Matrix<std::remove_pointer_t<decltype(data)>>(data, n, 1); };
  const PrefixShape shape{.heads = 1, .kv_heads = 1, .scale = 0.5};  // scores 0 and 1
  const double p = 1 / (1 + std::exp(-1.0)), o = 3 * (1 - p) + 5 * p;
  double y[] = {7}, dq[] = {10}, dk[2], dv[2], dgate[] = {20};
  prefix_attention<Ref<double>>::forward<2>({}, shape, rows(q, 1), rows(k, 2), rows(v, 2), gate,
                                            rows(static_cast<const double*>(y), 1), rows(y, 1));
  CHECK(y[0] == doctest::Approx(7 + 0.5 * o));
  prefix_attention<Ref<double>>::backward<2>({}, shape, rows(q, 1), rows(k, 2), rows(v, 2), gate, rows(dy, 1),
                                             rows(dq, 1), rows(dk, 2), rows(dv, 2), dgate);
  const double ds = 0.5 * p * (1 - p) * (5 - 3);  // of the second score; the first one's is the opposite
  CHECK(dgate[0] == doctest::Approx(20 + o));
  CHECK(dq[0] == doctest::Approx(10 + 0.5 * ds));
  CHECK(dk[0] == doctest::Approx(-0.5 * ds * 2));
  CHECK(dk[1] == doctest::Approx(0.5 * ds * 2));
  CHECK(dv[0] == doctest::Approx(0.5 * (1 - p)));
  CHECK(dv[1] == doctest::Approx(0.5 * p));
}

TEST_CASE("prefix_attention: the reference's numbers, and the same bits for any number of threads, in rows with gaps") {
  constexpr int K = 10;
  test::Random random(1);
  const int shapes[][4] = {{1, 1, 1, 1}, {5, 6, 2, 8}, {37, 4, 4, 19}, {90, 9, 3, 64}};  // rows, heads, key heads, D
  for (auto const& s : shapes) {
    const int width = s[1] * s[3], kv = s[2] * s[3];
    const PrefixShape shape{.heads = s[1], .kv_heads = s[2], .scale = 0.7};
    const Rows<float> q(random, s[0], width, 1), k(random, K, kv, 2), v(random, K, kv), gate(random, 1, s[1]),
        base(random, s[0], width), dy(random, s[0], width, 3), dq0(random, s[0], width, 2), dgate0(random, 1, s[1]);
    const auto run = [&](auto const& b) {
      using Op = prefix_attention<std::remove_cvref_t<decltype(b)>>;
      Rows<float> y(s[0], width, 2), dq = dq0, dk(K, kv, 1), dv(K, kv, 2), dgate = dgate0;
      Op::template forward<K>(b, shape, q.view(), k.view(), v.view(), gate.data(), base.view(), y);
      Op::template backward<K>(b, shape, q.view(), k.view(), v.view(), gate.data(), dy.view(), dq, dk, dv,
                               dgate.data());
      std::vector<float> all;
      for (Rows<float> const* m : {&y, &dq, &dk, &dv, &dgate}) {
        CHECK(m->gaps_untouched());
        for (int r = 0; r < m->rows(); ++r) all.insert(all.end(), m->view().row(r), m->view().row(r) + m->cols());
      }
      return all;
    };
    const auto want = run(Ref<float>{}), first = run(with_threads<Cpu<>>(1));
    for (std::size_t i = 0; i < want.size(); ++i) CHECK(first[i] == doctest::Approx(want[i]).epsilon(2e-5));
    for (int threads : {2, 3, 8}) CHECK(run(with_threads<Cpu<>>(threads)) == first);
    // In place, and without a gradient of the gates.
    Rows<float> same = base, dq = dq0, dk(K, kv), dv(K, kv);
    const auto b = with_threads<Cpu<>>(2);
    prefix_attention<Cpu<>>::forward<K>(b, shape, q.view(), k.view(), v.view(), gate.data(), same.view(), same);
    CHECK(same.view()(s[0] - 1, width - 1) == first[static_cast<std::size_t>(s[0] * width - 1)]);
    prefix_attention<Cpu<>>::backward<K>(b, shape, q.view(), k.view(), v.view(), gate.data(), dy.view(), dq, dk, dv,
                                         nullptr);
    CHECK(dq.view()(0, 0) == first[static_cast<std::size_t>(s[0] * width)]);
  }
}

}  // namespace test_prefix_attention
