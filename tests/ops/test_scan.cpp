// The selective scan and the causal convolution before it.
#include <doctest/doctest.h>

#include <fauna/ops/conv/cpu.hpp>
#include <fauna/ops/conv/ref.hpp>
#include <fauna/ops/scan/cpu.hpp>
#include <fauna/ops/scan/ref.hpp>

#include "support/batches.hpp"
#include "support/memory.hpp"
#include "support/op_check.hpp"
#include "support/random.hpp"
#include "support/recurrences.hpp"

namespace test_scan {

using namespace fauna;
using test::Rows, test::with_threads;

namespace {

// Sums over up to 40 rows and 70 channels of products of three f32 numbers, each within 3 ulp.
constexpr double bound = 2e-5;

struct Scan {
  int R, E, N;
  Rows<float> x, z, dt, b, c, A, D, entering, dout, left;
  Scan(Batch const& batch, int E_, int N_)
      : R(batch.rows),
        E(E_),
        N(N_),
        x(random(1), R, E, 2),
        z(random(2), R, E, 1, 2),
        dt(random(3), R, E, 3, 2),
        b(random(4), R, N, 1),
        c(random(5), R, N, 2),
        A(random(6), N, E, 0, 0.5F, -0.6F),
        D(random(7), 1, E),
        entering(random(8), batch.sequences * N, E),
        dout(random(9), R, E, 1),
        left(random(10), batch.sequences * N, E) {}
  static test::Random& random(std::uint64_t stream) {
    static test::Random r(0);
    r = test::Random(stream);
    return r;
  }
};
/// All that one policy makes of it.
template <class B, class S> struct Made {
  Rows<S> out, state, h, dx, dz, ddt, db, dc, dA, dD, dstate;
  Made(B b, Batch const& batch, Scan const& s)
      : out(s.R, s.E, 2),
        state(s.entering.as<S>()),
        h(s.R * s.N, s.E),
        dx(s.R, s.E, 1),
        dz(s.R, s.E, 2),
        ddt(s.R, s.E),
        db(s.R, s.N, 1),
        dc(s.R, s.N),
        dA(s.A.as<S>()),
        dD(s.D.as<S>()),
        dstate(s.left.as<S>()) {
    const Rows<S> x = s.x.as<S>(), z = s.z.as<S>(), dt = s.dt.as<S>(), bb = s.b.as<S>(), c = s.c.as<S>(),
                  A = s.A.as<S>(), D = s.D.as<S>(), entering = s.entering.as<S>(), dout = s.dout.as<S>();
    test::Poisoned memory(selective_scan<B>::workspace(s.R, s.E, s.N));
    Arena scratch = memory.arena();
    b.scratch = &scratch;
    const ScanRows<const S> in{x, z, dt, bb, c};
    selective_scan<B>::forward(b, batch, in, A, D.data(), state, out, h);
    selective_scan<B>::backward(b, batch, in, A, D.data(), entering, h, dout, ScanRows<S>{dx, dz, ddt, db, dc}, dA,
                                dD.data(), dstate);
  }
};

}  // namespace

TEST_CASE_TEMPLATE("scan: equals the reference on every tile and for any number of threads", B,
                   Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx2>, Cpu<f32_products, isa::avx512>) {
  for (const Batch& batch : {test::plain(2, 40), test::plain(1, 1), test::ragged(), test::with_finished()})
    for (auto const& size : {std::pair{1, 1}, std::pair{21, 5}, std::pair{70, 16}}) {
      const int E = size.first, N = size.second;
      CAPTURE(batch.rows);
      CAPTURE(E);
      const Scan s(batch, E, N);
      const Made<Ref<double>, double> want({}, batch, s);
      const Made<B, float> got(with_threads<B>(1), batch, s);
      CHECK_CLOSE(got.out, want.out);
      CHECK_CLOSE(got.state, want.state);
      CHECK_CLOSE(got.h, want.h);
      CHECK_CLOSE(got.dx, want.dx);
      CHECK_CLOSE(got.dz, want.dz);
      CHECK_CLOSE(got.ddt, want.ddt);
      CHECK_CLOSE(got.db, want.db);
      CHECK_CLOSE(got.dc, want.dc);
      CHECK_CLOSE(got.dA, want.dA);
      CHECK_CLOSE(got.dD, want.dD);
      CHECK_CLOSE(got.dstate, want.dstate);
      CHECK(got.out.gaps_untouched());
      CHECK(got.dz.gaps_untouched());
      for (const int threads : {2, 3, 8}) {
        const Made<B, float> again(with_threads<B>(threads), batch, s);
        CHECK(test::same_bits<float>(again.out, got.out));
        CHECK(test::same_bits<float>(again.db, got.db));
        CHECK(test::same_bits<float>(again.dc, got.dc));
        CHECK(test::same_bits<float>(again.dA, got.dA));
        CHECK(test::same_bits<float>(again.ddt, got.ddt));
      }
    }
}

TEST_CASE("scan: in pieces of any length the bits of all at once") {
  using B = Cpu<>;
  const int R = 40;
  const Scan s(test::plain(1, R), 21, 5);
  Rows<float> whole(R, 21), pieces(R, 21), state = s.entering, again = s.entering;
  const auto run = [&](int from, int rows, Rows<float>& st, Rows<float>& out) {
    const auto part = [&](Rows<float> const& v) { return Matrix<const float>(v).middle_rows(from, rows); };
    selective_scan<B>::forward({}, test::plain(1, rows), {part(s.x), part(s.z), part(s.dt), part(s.b), part(s.c)}, s.A,
                               s.D.data(), st, Matrix<float>(out).middle_rows(from, rows), {});
  };
  run(0, R, state, whole);
  for (const int length : {1, 3, 7}) {
    again = s.entering;
    for (int from = 0; from < R; from += length) run(from, std::min(length, R - from), again, pieces);
    CHECK(test::same_bits<float>(pieces, whole));
    CHECK(test::same_bits<float>(again, state));
  }
}

TEST_CASE("scan: a known value") {
  // One channel, one state: δ = softplus(0) = ln 2, A = -1: h halves; out = (C h + D x) z sigmoid(z)
  const double x[] = {1, 3}, z[] = {1, 1}, dt[] = {0, 0}, b[] = {2, 1}, c[] = {1, 2}, A = -1, D = 0.5;
  double out[2], h[2];
  const auto rows = [](const double* p) { return Matrix<const double>(p, 2, 1); };
  selective_scan<Ref<double>>::forward({}, test::plain(1, 2), {rows(x), rows(z), rows(dt), rows(b), rows(c)},
                                       Matrix<const double>(&A, 1, 1), &D, {}, Matrix<double>(out, 2, 1),
                                       Matrix<double>(h, 2, 1));
  const double ln2 = 0.6931471805599453, silu1 = 0.7310585786300049;
  CHECK(h[0] == doctest::Approx(2 * ln2).epsilon(1e-14));
  CHECK(h[1] == doctest::Approx(ln2 + 3 * ln2).epsilon(1e-14));
  CHECK(out[0] == doctest::Approx((2 * ln2 + 0.5) * silu1).epsilon(1e-14));
  CHECK(out[1] == doctest::Approx((8 * ln2 + 1.5) * silu1).epsilon(1e-14));
}

TEST_CASE("scan: a tree whose states nobody keeps has the same bits") {
  const Scan s(test::ragged(), 37, 5);
  const ScanRows<const float> in{s.x, s.z, s.dt, s.b, s.c};
  Rows<float> out(s.R, 37), want(s.R, 37), h(s.R * 5, 37), state = s.entering, left = s.entering;
  selective_scan<Cpu<>>::forward({}, test::ragged(), in, s.A, s.D.data(), left, want, h);
  selective_scan<Cpu<>>::forward({}, test::ragged(), in, s.A, s.D.data(), state, out, {});
  for (int r = 0; r < s.R; ++r)
    for (int e = 0; e < 37; ++e) CHECK(out.view()(r, e) == want.view()(r, e));
  for (int r = 0; r < left.rows(); ++r)
    for (int e = 0; e < 37; ++e) CHECK(state.view()(r, e) == left.view()(r, e));
}

TEST_CASE_TEMPLATE("conv: equals the reference on every width and for any number of threads", B,
                   Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx2>, Cpu<f32_products, isa::avx512>) {
  for (const Batch& batch :
       {test::plain(2, 40), test::plain(3, 1), test::plain(2, 2), test::ragged(), test::with_finished()})
    for (auto const& size : {std::pair{1, 1}, std::pair{21, 4}, std::pair{150, 4}, std::pair{64, 2}}) {
      const int C = size.first, K = size.second;
      test::Random random(3);
      const int R = batch.rows, states = batch.sequences * (K - 1);
      const Rows<float> x(random, R, C, 2), taps(random, K, C), bias(random, 1, C), entering(random, states, C),
          dy(random, R, C, 1), left(random, states, C);
      Rows<double> y(R, C), state = entering.as<double>(), dx(R, C), dtaps = taps.as<double>(),
                            dbias = bias.as<double>(), dstate = left.as<double>();
      causal_conv<Ref<double>>::forward({}, batch, x.as<double>(), taps.as<double>(), bias.as<double>().data(), state,
                                        y);
      causal_conv<Ref<double>>::backward({}, batch, x.as<double>(), entering.as<double>(), taps.as<double>(),
                                         dy.as<double>(), dx, dtaps, dbias.data(), dstate);
      Rows<float> first(1, 1), d_first(1, 1);
      for (const int threads : {1, 2, 3, 8}) {
        Rows<float> y1(R, C, 1), state1 = entering, dx1(R, C, 2), dtaps1 = taps, dbias1 = bias, dstate1 = left;
        causal_conv<B>::forward(with_threads<B>(threads), batch, x, taps, bias.data(), state1, y1);
        causal_conv<B>::backward(with_threads<B>(threads), batch, x, entering, taps, dy, dx1, dtaps1, dbias1.data(),
                                 dstate1);
        CHECK_CLOSE(y1, y);
        CHECK_CLOSE(state1, state);
        CHECK_CLOSE(dx1, dx);
        CHECK_CLOSE(dtaps1, dtaps);
        CHECK_CLOSE(dbias1, dbias);
        CHECK_CLOSE(dstate1, dstate);
        CHECK(y1.gaps_untouched());
        CHECK(dx1.gaps_untouched());
        if (threads == 1) {
          first = dtaps1;
          d_first = dx1;
        }
        CHECK(test::same_bits<float>(dtaps1, first));
        CHECK(test::same_bits<float>(dx1, d_first));
      }
    }
}

}  // namespace test_scan
