// The recurrence of RWKV-4, and token shift as RWKV-4 to 6 use it.
#include <doctest/doctest.h>

#include <fauna/ops/token_shift/cpu.hpp>
#include <fauna/ops/token_shift/ref.hpp>
#include <fauna/ops/wkv4/cpu.hpp>
#include <fauna/ops/wkv4/ref.hpp>
#include <vector>

#include "support/batches.hpp"
#include "support/op_check.hpp"
#include "support/random.hpp"
#include "support/recurrences.hpp"

namespace test_wkv4 {

using namespace fauna;
using test::Rows, test::with_threads;

namespace {

// Sums of up to 120 terms; the exponents' differences have the rounding of exponents of up to 40.
constexpr double bound = 4e-5;

/// Random rows, and states that could have been left: b of 1 or more, or nothing seen.
struct Recurrence {
  int R, C;
  Rows<float> r, k, v, dy, decay, first, entering, left;
  Recurrence(Batch const& batch, int C_) : Recurrence(test::Random(11), batch, C_) {}

 private:
  Recurrence(test::Random random, Batch const& batch, int C_)
      : R(batch.rows),
        C(C_),
        r(random, R, C, 2, 2),
        k(random, R, C, 1, 20),  // sums of e^k alone would overflow
        v(random, R, C, 3),
        dy(random, R, C, 1),
        decay(random, 1, C, 0, 2, -1),
        first(random, 1, C, 0, 2),
        entering(random, 3 * batch.sequences, C, 1),
        left(random, 3 * batch.sequences, C) {
    for (int q = 0; q < batch.sequences; ++q)
      for (int c = 0; c < C; ++c) {
        float& b = entering.view()(3 * q + 1, c);
        b = (q + c) % 3 == 0 ? 0 : 1 + std::fabs(b);
        if (b == 0) entering.view()(3 * q, c) = 0;
      }
  }
};
/// All that one policy makes of it.
template <class B, class S> struct Made {
  Rows<S> y, state, kept, dr, dk, dv, ddecay, dfirst, dstate;
  Made(B b, Batch const& batch, Recurrence const& s)
      : y(s.R, s.C, 2),
        state(s.entering.as<S>()),
        kept(3 * s.R, s.C, 1),
        dr(s.R, s.C, 1),
        dk(s.R, s.C, 2),
        dv(s.R, s.C),
        ddecay(s.decay.as<S>()),
        dfirst(s.first.as<S>()),
        dstate(s.left.as<S>()) {
    const Rows<S> r = s.r.as<S>(), k = s.k.as<S>(), v = s.v.as<S>(), dy = s.dy.as<S>(), decay = s.decay.as<S>(),
                  first = s.first.as<S>(), entering = s.entering.as<S>();
    const Wkv4Rows<const S> in{r, k, v};
    wkv4<B>::forward(b, batch, in, decay.data(), first.data(), state, y, kept);
    wkv4<B>::backward(b, batch, in, decay.data(), first.data(), entering, kept, dy, Wkv4Rows<S>{dr, dk, dv},
                      ddecay.data(), dfirst.data(), dstate);
  }
};

}  // namespace

TEST_CASE_TEMPLATE("wkv4: equals the reference on every width and for any number of threads", B,
                   Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx2>, Cpu<f32_products, isa::avx512>) {
  for (const Batch& batch :
       {test::plain(2, 40), test::plain(1, 1), test::packed(), test::ragged(), test::with_finished()})
    for (const int C : {1, 5, 16, 70}) {
      CAPTURE(batch.rows);
      CAPTURE(C);
      const Recurrence s(batch, C);
      const Made<Ref<double>, double> want({}, batch, s);
      const Made<B, float> got(with_threads<B>(1), batch, s);
      CHECK_CLOSE(got.y, want.y);
      CHECK_CLOSE(got.state, want.state);
      CHECK_CLOSE(got.dr, want.dr);
      CHECK_CLOSE(got.dk, want.dk);
      CHECK_CLOSE(got.dv, want.dv);
      CHECK_CLOSE(got.ddecay, want.ddecay);
      CHECK_CLOSE(got.dfirst, want.dfirst);
      CHECK_CLOSE(got.dstate, want.dstate);
      CHECK(got.y.gaps_untouched());
      CHECK(got.dk.gaps_untouched());
      for (const int threads : {2, 3, 8}) {
        const Made<B, float> again(with_threads<B>(threads), batch, s);
        CHECK(test::same_bits<float>(again.y, got.y));
        CHECK(test::same_bits<float>(again.dk, got.dk));
        CHECK(test::same_bits<float>(again.ddecay, got.ddecay));
        CHECK(test::same_bits<float>(again.dstate, got.dstate));
      }
    }
}

TEST_CASE("wkv4: in pieces of any length the bits of all at once, and no state is zeros") {
  using B = Cpu<>;
  const int R = 40, C = 11;
  const Recurrence s(test::plain(1, R), C);
  const auto run = [&](int from, int rows, Matrix<float> state, Rows<float>& y) {
    const auto part = [&](Rows<float> const& v) { return Matrix<const float>(v).middle_rows(from, rows); };
    wkv4<B>::forward(with_threads<B>(1), test::plain(1, rows), {part(s.r), part(s.k), part(s.v)}, s.decay.data(),
                     s.first.data(), state, Matrix<float>(y).middle_rows(from, rows), {});
  };
  Rows<float> whole(R, C), pieces(R, C), state = s.entering;
  run(0, R, state, whole);
  for (const int length : {1, 3, 16}) {
    Rows<float> again = s.entering;
    for (int from = 0; from < R; from += length) run(from, std::min(length, R - from), again, pieces);
    CHECK(test::same_bits<float>(pieces, whole));
    CHECK(test::same_bits<float>(again, state));
  }
  Rows<float> zeros(3, C);
  for (int i = 0; i < 3; ++i)
    for (int c = 0; c < C; ++c) zeros.view()(i, c) = 0;
  run(0, R, zeros, whole);
  run(0, R, {}, pieces);
  CHECK(test::same_bits<float>(pieces, whole));
}

TEST_CASE("wkv4: known values") {
  // Of equal keys without decay, w = -e^-1000, the mean of the values; r = 0 lets half through. The first value is
  // itself, whatever its key.
  const double r[] = {0, 0, 0}, k[] = {-300, -300, -300}, v[] = {2, 4, 12}, decay[] = {-1000}, first[] = {0};
  double y[3], state[] = {0, 0, 0};
  const auto rows = [](const double* p) { return Matrix<const double>(p, 3, 1); };
  wkv4<Ref<double>>::forward({}, test::plain(1, 3), {rows(r), rows(k), rows(v)}, decay, first,
                             Matrix<double>(state, 3, 1), Matrix<double>(y, 3, 1), {});
  const double want[] = {1, 1.5, 3};
  for (int i = 0; i < 3; ++i) CHECK(y[i] == want[i]);
  CHECK(state[0] == 18);
  CHECK(state[1] == 3);
  CHECK(state[2] == -300);
}

TEST_CASE("token_shift: weights of the row itself, and the row before alone") {
  const auto check = [](auto b) {
    using B = decltype(b);
    const Batch batch = test::packed();
    const int C = 21, R = batch.rows;
    test::Random random(3);
    const Rows<float> x(random, R, C, 2), m(random, 2, C, 1), entering(random, batch.sequences, C),
        dy(random, R, 2 * C), left(random, batch.sequences, C);
    Rows<float> mu = m;
    for (int i = 0; i < 2; ++i)
      for (int c = 0; c < C; ++c) mu.view()(i, c) = 1 - m.view()(i, c);
    struct All {
      Rows<float> y, state, dx, dmu, dstate;
    };
    const auto both = [&](Rows<float> const& weights, weighs what) {
      All a{Rows<float>(R, 2 * C), entering, Rows<float>(R, C), m, left};
      token_shift<B>::forward(b, batch, x, weights, a.state, a.y, what);
      token_shift<B>::backward(b, batch, x, entering, weights, dy, a.dx, a.dmu, a.dstate, what);
      return a;
    };
    const All of_row = both(m, weighs::row), of_before = both(mu, weighs::before);
    const auto near = [](Rows<float> const& got, Rows<float> const& want) {
      CHECK(test::distance<float>(got, want.as<double>()) < 1e-5);
    };
    near(of_row.y, of_before.y);
    near(of_row.dx, of_before.dx);
    near(of_row.dstate, of_before.dstate);
    for (int i = 0; i < 2; ++i)
      for (int c = 0; c < C; ++c)
        CHECK(of_row.dmu.view()(i, c) - m.view()(i, c) ==
              doctest::Approx(m.view()(i, c) - of_before.dmu.view()(i, c)).epsilon(1e-4));

    Rows<float> y(R, C), state = entering, dx(R, C), dstate = left;
    token_shift<B>::forward(b, batch, x, {}, state, y);
    CHECK(test::same_bits<float>(state, of_row.state));
    token_shift<B>::backward(b, batch, x, entering, {}, Matrix<const float>(dy).columns<0, 21>(), dx, {}, dstate);
    Rows<float> back(R, C);
    for (int q = 0; q < batch.sequences; ++q)
      for (int t = batch.first(q); t < batch.last(q); ++t) {
        const int p = batch.continues(q, t);
        for (int c = 0; c < C; ++c) {
          CHECK(y.view()(t, c) == (p >= 0 ? x.view()(p, c) : p == Batch::the_state ? entering.view()(q, c) : 0.0F));
          const bool read = t + 1 < batch.last(q) && batch.continues(q, t + 1) == t;
          CHECK(dx.view()(t, c) == (read ? dy.view()(t + 1, c) : t + 1 == batch.last(q) ? left.view()(q, c) : 0.0F));
        }
      }
  };
  check(with_threads<Cpu<>>(2));
  check(Ref<float>{});
}

}  // namespace test_wkv4
