// The recurrence of RWKV-5 and 6, and RWKV-6's mixes.
#include <doctest/doctest.h>

#include <fauna/ops/token_mix/cpu.hpp>
#include <fauna/ops/token_mix/ref.hpp>
#include <fauna/ops/wkv6/cpu.hpp>
#include <fauna/ops/wkv6/ref.hpp>
#include <vector>

#include "support/batches.hpp"
#include "support/memory.hpp"
#include "support/op_check.hpp"
#include "support/random.hpp"
#include "support/recurrences.hpp"

namespace test_wkv6 {

using namespace fauna;
using test::Rows, test::with_threads;

namespace {

// Sums of up to 70 terms, of which each has come through at most 40 rows that keep all its digits but rounding's.
constexpr double bound = 2e-5;

struct Recurrence {
  int R, H, N;
  bool constant;
  Rows<float> r, k, v, d, u, dy, entering, left, before;
  Recurrence(Batch const& batch, int H_, int N_, bool constant_)
      : Recurrence(test::Random(5), batch, H_, N_, constant_) {}

 private:
  Recurrence(test::Random random, Batch const& batch, int H_, int N_, bool constant_)
      : R(batch.rows),
        H(H_),
        N(N_),
        constant(constant_),
        r(random, R, H * N, 2),
        k(random, R, H * N, 1),
        v(random, R, H * N, 3),
        d(random, constant ? 1 : R, H * N, 1, 2, -1),  // decays between e^-3 and 0.95
        u(random, 1, H * N),
        dy(random, R, H * N, 1),
        entering(random, batch.sequences * H * N, N),
        left(random, batch.sequences * H * N, N),
        before(random, 1, H * N) {}
};
/// All that one policy makes of it.
template <class B, class S> struct Made {
  Rows<S> y, state, dr, dk, dv, dd, du, dstate;
  Made(B b, Batch const& batch, Recurrence const& s)
      : y(s.R, s.H * s.N, 2),
        state(s.entering.as<S>()),
        dr(s.R, s.H * s.N, 1),
        dk(dr),
        dv(dr),
        dd(s.constant ? s.before.as<S>() : dr),
        du(s.before.as<S>()),
        dstate(s.left.as<S>()) {
    const Rows<S> r = s.r.as<S>(), k = s.k.as<S>(), v = s.v.as<S>(), d = s.d.as<S>(), u = s.u.as<S>(),
                  dy = s.dy.as<S>();
    Rows<S> kept(wkv7_kept(s.R, batch.sequences) * s.H * s.N, s.N, 1);
    test::Poisoned memory(wkv6<B>::workspace(s.N, b.threads));
    Arena scratch = memory.arena();
    b.scratch = &scratch;
    const Wkv6Rows<const S> in{r, k, v, d, s.constant};
    wkv6<B>::forward(b, batch, s.N, in, u.data(), state, y, kept);
    memory.poison();
    wkv6<B>::backward(b, batch, s.N, in, u.data(), kept, dy, Wkv6Rows<S>{dr, dk, dv, dd, s.constant}, du.data(),
                      dstate);
  }
};

}  // namespace

TEST_CASE_TEMPLATE("wkv6: equals the reference on every width and for any number of threads", B,
                   Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx2>, Cpu<f32_products, isa::avx512>) {
  for (const Batch& batch : {test::plain(2, 40), test::plain(2, 17), test::plain(1, 1), test::packed(), test::ragged(),
                             test::with_finished()})
    for (auto const& size : {std::pair{1, 1}, std::pair{3, 5}, std::pair{2, 16}, std::pair{1, 70}})
      for (const bool constant : {false, true}) {
        CAPTURE(batch.rows);
        CAPTURE(size.second);
        CAPTURE(constant);
        const Recurrence s(batch, size.first, size.second, constant);
        const Made<Ref<double>, double> want({}, batch, s);
        const Made<B, float> got(with_threads<B>(1), batch, s);
        CHECK_CLOSE(got.y, want.y);
        CHECK_CLOSE(got.state, want.state);
        CHECK_CLOSE(got.dr, want.dr);
        CHECK_CLOSE(got.dk, want.dk);
        CHECK_CLOSE(got.dv, want.dv);
        CHECK_CLOSE(got.dd, want.dd);
        CHECK_CLOSE(got.du, want.du);
        CHECK_CLOSE(got.dstate, want.dstate);
        CHECK(got.y.gaps_untouched());
        CHECK(got.dk.gaps_untouched());
        for (const int threads : {2, 3, 8}) {
          const Made<B, float> again(with_threads<B>(threads), batch, s);
          CHECK(test::same_bits<float>(again.y, got.y));
          CHECK(test::same_bits<float>(again.dd, got.dd));
          CHECK(test::same_bits<float>(again.du, got.du));
          CHECK(test::same_bits<float>(again.dstate, got.dstate));
        }
      }
}

TEST_CASE("wkv6: in pieces of any length the bits of all at once, and no state is zeros") {
  using B = Cpu<>;
  const int R = 40, H = 2, N = 5;
  const Recurrence s(test::plain(1, R), H, N, false);
  test::Poisoned memory(wkv6<B>::workspace(N, 1));
  const auto run = [&](int from, int rows, Matrix<float> state, Rows<float>& y) {
    const auto part = [&](Rows<float> const& v) { return Matrix<const float>(v).middle_rows(from, rows); };
    Arena scratch = memory.arena();
    B b = with_threads<B>(1);
    b.scratch = &scratch;
    wkv6<B>::forward(b, test::plain(1, rows), N, {part(s.r), part(s.k), part(s.v), part(s.d)}, s.u.data(), state,
                     Matrix<float>(y).middle_rows(from, rows), {});
  };
  Rows<float> whole(R, H * N), pieces(R, H * N), state = s.entering;
  run(0, R, state, whole);
  for (const int length : {1, 3, 16}) {
    Rows<float> again = s.entering;
    for (int from = 0; from < R; from += length) run(from, std::min(length, R - from), again, pieces);
    CHECK(test::same_bits<float>(pieces, whole));
    CHECK(test::same_bits<float>(again, state));
  }
  Rows<float> zeros = s.entering;
  for (int i = 0; i < zeros.rows(); ++i)
    for (int j = 0; j < N; ++j) zeros.view()(i, j) = 0;
  run(0, R, zeros, whole);
  run(0, R, {}, pieces);
  CHECK(test::same_bits<float>(pieces, whole));
}

TEST_CASE("wkv6: known values") {
  // Two keys, of which the first does not fade (w = 1) and the second is forgotten (w = 0). The row itself counts u.
  const double k[] = {1, 1, /**/ 0, 0, /**/ 0, 0}, v[] = {2, 3, /**/ 5, 7, /**/ 11, 13},
               r[] = {1, 1, /**/ 1, 2, /**/ 1, 2}, d[] = {-1000, 100}, u[] = {0.5, 0.25};
  double y[6];
  const auto rows = [](const double* p) { return Matrix<const double>(p, 3, 2); };
  wkv6<Ref<double>>::forward({}, test::plain(1, 3), 2, {rows(r), rows(k), rows(v), Matrix<const double>(d, 1, 2), true},
                             u, {}, Matrix<double>(y, 3, 2), {});
  const double want[] = {1.5, 2.25, /**/ 6, 9, /**/ 2, 3};
  for (int i = 0; i < 6; ++i) CHECK(y[i] == want[i]);
}

TEST_CASE("wkv6: heads of a size that the kernel does not have") {
  const Rows<float> x(1, 300);
  Rows<float> y(1, 300);
  CHECK_THROWS_WITH_AS(wkv6<Cpu<>>::forward({}, test::plain(1, 1), 300, {x, x, x, x}, x.data(), {}, y, {}),
                       doctest::Contains("heads of 300"), error);
}

TEST_CASE_TEMPLATE("token_mix: equals the reference on every width and for any number of threads", B,
                   Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx2>, Cpu<f32_products, isa::avx512>) {
  for (auto const& size : {std::pair{1, 1}, std::pair{21, 5}, std::pair{64, 2}})
    for (const bool own : {false, true}) {
      const int C = size.first, n = size.second, R = 13;
      test::Random random(3);
      const Rows<float> x(random, R, C, 2), before(random, R, C, 1), mu(random, n, C, 1), m(random, R, n * C, 1),
          dy(random, R, n * C, 1);
      const auto both = [&]<class Backend, class S>(Backend b, S) {
        std::vector<Rows<S>> out{Rows<S>(R, n * C, 1), x.as<S>(), before.as<S>(), mu.as<S>(), Rows<S>(R, n * C, 1)};
        const auto X = x.as<S>(), P = before.as<S>(), M = mu.as<S>(), O = m.as<S>(), D = dy.as<S>();
        const Matrix<const S> weights = own ? Matrix<const S>(O) : Matrix<const S>();
        token_mix<Backend>::forward(b, X, P, M, weights, out[0]);
        token_mix<Backend>::backward(b, X, P, M, weights, D, out[1], out[2], out[3], out[4]);
        return out;
      };
      const auto want = both(Ref<double>{}, 0.0);
      const auto got = both(with_threads<B>(1), 0.0F);
      for (std::size_t i = 0; i < got.size(); ++i) {
        CAPTURE(i);
        CHECK_CLOSE(got[i], want[i]);
        CHECK(got[i].gaps_untouched());
        for (const int threads : {2, 3, 8})
          CHECK(test::same_bits<float>(both(with_threads<B>(threads), 0.0F)[i], got[i]));
      }
    }
}

}  // namespace test_wkv6
