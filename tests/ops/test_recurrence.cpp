// The recurrence of the kin of linear attention.
#include <doctest/doctest.h>

#include <fauna/ops/recurrence/cpu.hpp>
#include <fauna/ops/recurrence/ref.hpp>
#include <fauna/ops/wkv7/ref.hpp>
#include <vector>

#include "support/batches.hpp"
#include "support/memory.hpp"
#include "support/op_check.hpp"
#include "support/random.hpp"
#include "support/recurrences.hpp"
#include "support/sizes.hpp"

namespace test_recurrence {

using namespace fauna;
using test::Rows, test::with_threads;

namespace {

constexpr Recurrence retention{.fade = fades::fixed}, gla{.fade = fades::by_key},
    delta{.erase = erases::delta, .strength = true},
    gated_delta{.fade = fades::by_head, .erase = erases::delta, .strength = true},
    kda{.fade = fades::by_key, .erase = erases::delta, .strength = true},
    mlstm{.fade = fades::by_head, .strength = true, .normalised = true},
    wkv{.fade = fades::by_key, .erase = erases::decoupled}, slots{.fade = fades::by_value},
    comba{.fade = fades::by_head, .erase = erases::apart, .strength = true};

/// f(a type with a member `value`) for each of the kin.
template <Recurrence R> struct Kin { static constexpr Recurrence value = R; };
template <class F> void each_kin(F&& f) {
  f(Kin<retention>{}), f(Kin<gla>{}), f(Kin<delta>{}), f(Kin<gated_delta>{}), f(Kin<kda>{}), f(Kin<mlstm>{});
  f(Kin<wkv>{}), f(Kin<slots>{}), f(Kin<comba>{});
}

// Sums over up to 40 keys and 70 columns of what has come through at most 40 rows that keep all its digits but
// rounding's.
constexpr double bound = 2e-5;

constexpr float fixed[] = {0.5F, 0.9F, 0.75F, 1, 0.25F, 0.8F};

/// Random rows such that states neither vanish nor grow: keys and a of length 1, b = -a times something in (0, 1).
struct Random {
  RecurrenceShape n;
  int R, columns;
  Rows<float> q, k, v, fade, beta, a, b, least, dy, entering, left;
  Random(Recurrence kin, Batch const& batch, RecurrenceShape const& shape)
      : Random(kin, batch, shape, test::Random(5)) {}
  template <class S> struct As {
    Rows<S> q, k, v, fade, beta, a, b, least;
    RecurrenceRows<const S> rows() const { return {q, k, v, fade, beta, a, b, least}; }
    RecurrenceRows<S> rows() { return {q, k, v, fade, beta, a, b, least}; }
  };
  template <class S> As<S> as() const {
    return {q.as<S>(), k.as<S>(), v.as<S>(), fade.as<S>(), beta.as<S>(), a.as<S>(), b.as<S>(), least.as<S>()};
  }

 private:
  Random(Recurrence kin, Batch const& batch, RecurrenceShape const& shape, test::Random random)
      : n(shape),
        R(batch.rows),
        columns(recurrence_columns(kin, n.values)),
        q(random, R, n.key_heads * n.keys, 2),
        k(random, R, n.key_heads * n.keys, 1),
        v(random, R, n.heads * n.values, 3),
        fade(random, R,
             n.heads * (kin.fade == fades::by_head    ? 1
                        : kin.fade == fades::by_value ? n.values
                                                      : n.keys),
             0, 0.25F, 0.75F),
        beta(random, R, n.heads, 1, 0.5F, 0.5F),
        a(random, R, n.heads * n.keys, 1),
        b(random, R, n.heads * n.keys, 2, 0.5F, 0.5F),
        least(random, R, n.heads, 0, 0.3F, 0.4F),
        dy(random, R, n.heads * n.values, 1),
        entering(random, batch.sequences * n.heads * n.keys, columns),
        left(random, batch.sequences * n.heads * n.keys, columns) {
    n.scale = 0.75F;
    n.fixed = fixed;
    unit(k, n.key_heads);
    unit(a, n.heads);
    for (int t = 0; t < R; ++t)
      for (int i = 0; i < n.heads * n.keys; ++i) b.view()(t, i) *= -a.view()(t, i);
  }
  void unit(Rows<float>& rows, int heads) const {
    for (int t = 0; t < R; ++t)
      for (int h = 0; h < heads; ++h) {
        float length = 0;
        for (int j = h * n.keys; j < (h + 1) * n.keys; ++j) length += rows.view()(t, j) * rows.view()(t, j);
        for (int j = h * n.keys; j < (h + 1) * n.keys; ++j) rows.view()(t, j) /= std::sqrt(length);
      }
  }
};

/// All that one policy makes of it; gradients are added to rows of numbers that were there.
template <Recurrence kin, class B, class S> struct Made {
  Rows<S> y, state, dstate;
  Random::As<S> d;
  Made(B b, Batch const& batch, Random const& s)
      : y(s.R, s.n.heads * s.n.values, 2), state(s.entering.as<S>()), dstate(s.left.as<S>()), d(s.as<S>()) {
    const auto in = s.as<S>();
    const auto dy = s.dy.as<S>();
    Rows<S> kept(recurrence_kept(s.R, batch.sequences) * s.n.heads * s.n.keys, s.columns, 1);
    test::Poisoned memory(recurrence<kin, B>::workspace(s.n, b.threads));
    Arena scratch = memory.arena();
    b.scratch = &scratch;
    recurrence<kin, B>::forward(b, batch, s.n, in.rows(), state, y, kept);
    memory.poison();
    recurrence<kin, B>::backward(b, batch, s.n, in.rows(), kept, dy, d.rows(), dstate);
  }
  auto all() const {
    return std::vector<Matrix<const S>>{y, state, dstate, d.q, d.k, d.v, d.fade, d.beta, d.least, d.a, d.b};
  }
};

}  // namespace

TEST_CASE_TEMPLATE("recurrence: equals the reference on every width and for any number of threads", B,
                   Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx2>, Cpu<f32_products, isa::avx512>) {
  const auto sizes = test::sizes<RecurrenceShape>({{.heads = 1, .key_heads = 1, .keys = 1, .values = 1},
                                                   {.heads = 6, .key_heads = 2, .keys = 5, .values = 3},
                                                   {.heads = 2, .key_heads = 2, .keys = 16, .values = 32},
                                                   {.heads = 2, .key_heads = 1, .keys = 8, .values = 70}},
                                                  {{.heads = 6, .key_heads = 2, .keys = 5, .values = 33}});
  for (const Batch& batch : {test::plain(2, 40), test::plain(1, 16), test::plain(2, 17), test::plain(1, 1),
                             test::packed(), test::ragged(), test::with_finished()})
    for (RecurrenceShape const& n : sizes)
      each_kin([&](auto kin) {
        constexpr Recurrence R = decltype(kin)::value;
        CAPTURE(batch.rows);
        CAPTURE(n.values);
        CAPTURE(static_cast<int>(R.fade));
        CAPTURE(static_cast<int>(R.erase));
        const Random s(R, batch, n);
        const Made<R, Ref<double>, double> want({}, batch, s);
        const Made<R, B, float> got(with_threads<B>(1), batch, s);
        for (std::size_t i = 0; i < want.all().size(); ++i) {
          CAPTURE(i);
          CHECK_CLOSE(got.all()[i], want.all()[i]);
        }
        CHECK(got.y.gaps_untouched());
        CHECK(got.d.v.gaps_untouched());
        for (const int threads : test::sizes<int>({2, 3, 8}, {3})) {
          const Made<R, B, float> again(with_threads<B>(threads), batch, s);
          for (std::size_t i = 0; i < got.all().size(); ++i)
            CHECK(test::same_bits<float>(again.all()[i], got.all()[i]));
        }
      });
}

TEST_CASE("recurrence: backward is the derivative") {
  const RecurrenceShape n{.heads = 2, .key_heads = 1, .keys = 3, .values = 4};
  for (const Batch& batch : {test::plain(2, 20), test::ragged(), test::with_finished()})
    each_kin([&](auto kin) {
      constexpr Recurrence R = decltype(kin)::value;
      CAPTURE(static_cast<int>(R.fade));
      CAPTURE(static_cast<int>(R.erase));
      const Random s(R, batch, n), along(R, batch, {.heads = 2, .key_heads = 1, .keys = 3, .values = 4});
      const auto values = s.as<double>();
      auto direction = along.as<double>();
      test::Random random(77);
      for (Rows<double>* m : {&direction.q, &direction.k, &direction.v, &direction.fade, &direction.beta, &direction.a,
                              &direction.b, &direction.least})
        *m = Rows<double>(random, m->rows(), m->cols());
      const Rows<double> entering_along(random, s.entering.rows(), s.columns);
      const Random::As<Dual> x{test::dual(values.q, direction.q),       test::dual(values.k, direction.k),
                               test::dual(values.v, direction.v),       test::dual(values.fade, direction.fade),
                               test::dual(values.beta, direction.beta), test::dual(values.a, direction.a),
                               test::dual(values.b, direction.b),       test::dual(values.least, direction.least)};
      Rows<Dual> y(s.R, n.heads * n.values), state = test::dual(s.entering.as<double>(), entering_along);
      recurrence<R, Ref<Dual>>::forward({}, batch, s.n, x.rows(), state, y, {});
      const auto dy = s.dy.as<double>(), left = s.left.as<double>();
      const double want = test::derivative(dy, y) + test::derivative(left, state);

      // Gradients are added to what is there: what was there comes off again.
      const Made<R, Ref<double>, double> made({}, batch, s);
      test::Dot dot;
      const auto add = [&](Rows<double> const& got, Rows<double> const& before, Rows<double> const& by) {
        Rows<double> d = got;
        for (int r = 0; r < d.rows(); ++r)
          for (int c = 0; c < d.cols(); ++c) d.view()(r, c) -= before.view()(r, c);
        dot.add(d, by);
      };
      add(made.d.q, values.q, direction.q);
      add(made.d.k, values.k, direction.k);
      add(made.d.v, values.v, direction.v);
      if (R.fade != fades::nothing && R.fade != fades::fixed) add(made.d.fade, values.fade, direction.fade);
      if (R.strength) add(made.d.beta, values.beta, direction.beta);
      if (R.erase == erases::apart || R.erase == erases::decoupled) add(made.d.a, values.a, direction.a);
      if (R.erase == erases::decoupled) add(made.d.b, values.b, direction.b);
      if (R.normalised) add(made.d.least, values.least, direction.least);
      dot.add(made.dstate, entering_along);
      CHECK(dot.error(want) <= 1e-12);
    });
}

TEST_CASE("recurrence: in pieces of any length the bits of all at once, and no state is zeros") {
  using B = Cpu<>;
  const int R = 40;
  each_kin([&](auto kin) {
    constexpr Recurrence K = decltype(kin)::value;
    const Random s(K, test::plain(1, R), {.heads = 2, .key_heads = 1, .keys = 5, .values = 35});
    test::Poisoned memory(recurrence<K, B>::workspace(s.n, 1));
    const auto run = [&](int from, int rows, Matrix<float> state, Rows<float>& y) {
      const auto part = [&](Rows<float> const& v) { return Matrix<const float>(v).middle_rows(from, rows); };
      Arena scratch = memory.arena();
      B b = with_threads<B>(1);
      b.scratch = &scratch;
      recurrence<K, B>::forward(
          b, test::plain(1, rows), s.n,
          {part(s.q), part(s.k), part(s.v), part(s.fade), part(s.beta), part(s.a), part(s.b), part(s.least)}, state,
          Matrix<float>(y).middle_rows(from, rows), {});
    };
    const int width = s.n.heads * s.n.values;
    Rows<float> whole(R, width), pieces(R, width), state = s.entering;
    run(0, R, state, whole);
    for (const int length : {1, 3, 16}) {
      Rows<float> again = s.entering;
      for (int from = 0; from < R; from += length) run(from, std::min(length, R - from), again, pieces);
      CHECK(test::same_bits<float>(pieces, whole));
      CHECK(test::same_bits<float>(again, state));
    }
    Rows<float> zeros = s.entering;
    for (int i = 0; i < zeros.rows(); ++i)
      for (int j = 0; j < zeros.cols(); ++j) zeros.view()(i, j) = 0;
    run(0, R, zeros, whole);
    run(0, R, {}, pieces);
    CHECK(test::same_bits<float>(pieces, whole));
  });
}

TEST_CASE("recurrence: a removal that is decoupled from what is written is RWKV-7's") {
  const Batch batch = test::packed();
  const RecurrenceShape n{.heads = 2, .key_heads = 2, .keys = 4, .values = 4};
  Random s(wkv, batch, n);
  s.n.scale = 1;
  const auto in = s.as<double>();
  Rows<double> y(s.R, 8), want(s.R, 8);
  recurrence<wkv, Ref<double>>::forward({}, batch, s.n, in.rows(), {}, y, {});
  wkv7<Ref<double>>::forward({}, batch, 4, {in.q, in.fade, in.k, in.v, in.a, in.b}, {}, want, {});
  CHECK(test::distance<double>(y, want) <= 1e-13);
}

TEST_CASE("recurrence: the delta rule recalls exactly") {
  // Of two values under one key of length 1 the second stays, and the one under another key as well.
  const double k[] = {1, 0, /**/ 0, 1, /**/ 1, 0}, v[] = {2, 3, /**/ 5, 7, /**/ 11, 13}, beta[] = {1, 1, 1},
               q[] = {1, 0, /**/ 1, 0, /**/ 1, 1};
  double y[6];
  const auto rows = [](const double* p) { return Matrix<const double>(p, 3, 2); };
  recurrence<delta, Ref<double>>::forward({}, test::plain(1, 3), {.keys = 2, .values = 2},
                                          {rows(q), rows(k), rows(v), {}, Matrix<const double>(beta, 3, 1), {}, {}, {}},
                                          {}, Matrix<double>(y, 3, 2), {});
  const double want[] = {2, 3, /**/ 2, 3, /**/ 16, 20};
  for (int i = 0; i < 6; ++i) CHECK(y[i] == want[i]);
}

}  // namespace test_recurrence
