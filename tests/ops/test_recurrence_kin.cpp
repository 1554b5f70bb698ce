// The later kin against the naive loops of flash-linear-attention (tools/oracles/recurrence.py): how each is made of
// the one recurrence, what comes out, and every gradient.
#include <doctest/doctest.h>

#include <fauna/ops/recurrence/cpu.hpp>
#include <fauna/ops/recurrence/ref.hpp>

#include "support/recurrence_golden.hpp"

using namespace fauna;
using test::each, test::File, test::Recurred, test::Rows;

namespace {

constexpr int H = 2, K = 5, N = 3, M = 4;
template <class S> File<S> file(const char* name) {
  static const Golden golden("kin.bin");
  return {golden, name};
}
RecurrenceShape shape(int keys = K, int values = N) {
  return {.heads = H, .key_heads = H, .keys = keys, .values = values, .scale = 1 / std::sqrt(static_cast<float>(keys))};
}
template <class S> S times(S a, S b) { return a * b; }
template <class S> S plus(S a, S b) { return a + b; }
template <class S> Rows<S> filled(int rows, int cols, S value) {
  return each([&](S) { return value; }, Rows<S>(rows, cols));
}

}  // namespace

#define OF_KIN(name) TEST_CASE_TEMPLATE("recurrence: " name, B, Ref<double>, Cpu<>)

OF_KIN("simple GLA, and with it lightning attention, fades by the head") {
  using S = typename B::scalar;
  const auto f = file<S>("simple_gla");
  const Recurred<Recurrence{.fade = fades::by_head}, B, S> made(
      shape(), {f.rows("q"), f.rows("k"), f.rows("v"), f.rows("fade")}, f.rows("do"));
  f.check(made.o, "o");
  f.check(made.d.q, "dq");
  f.check(made.d.k, "dk");
  f.check(made.d.v, "dv");
  f.check(made.d.fade, "dfade");
}

OF_KIN("linear attention divides by the sum of what its keys wrote") {
  using S = typename B::scalar;
  const auto f = file<S>("linear");
  const Rows<S> q = f.rows("q"), none(1, 0);
  const Recurred<Recurrence{.normalised = true}, B, S> made(
      shape(), {q, f.rows("k"), f.rows("v"), none, none, none, none, filled(q.rows(), H, S(1e-10))}, f.rows("do"));
  f.check(made.o, "o");
  f.check(made.d.q, "dq");
  f.check(made.d.k, "dk");
  f.check(made.d.v, "dv");
}

OF_KIN("HGRN2 is GLA whose keys are what does not stay") {
  using S = typename B::scalar;
  const auto f = file<S>("hgrn2");
  const Rows<S> fade = f.rows("fade");
  const Recurred<Recurrence{.fade = fades::by_key}, B, S> made(
      shape(), {f.rows("q"), each([](S x) { return 1 - x; }, fade), f.rows("v"), fade}, f.rows("do"));
  f.check(made.o, "o");
  f.check(made.d.q, "dq");
  f.check(made.d.v, "dv");
  f.check(each([](S of_fade, S of_key) { return of_fade - of_key; }, made.d.fade, made.d.k), "dfade");
}

OF_KIN("HGRN has one key, which is 1, and fades by the column of values") {
  using S = typename B::scalar;
  const auto f = file<S>("hgrn");
  const Rows<S> v = f.rows("v"), one = filled(v.rows(), 1, S(1));
  const Recurred<Recurrence{.fade = fades::by_value}, B, S> made(
      {.heads = 1, .key_heads = 1, .keys = 1, .values = v.cols()}, {one, one, v, f.rows("fade")}, f.rows("do"));
  f.check(made.o, "o");
  f.check(made.d.v, "dv");
  f.check(made.d.fade, "dfade");
}

OF_KIN("Comba erases under a key of its own") {
  using S = typename B::scalar;
  const auto f = file<S>("comba");
  const Recurred<Recurrence{.fade = fades::by_head, .erase = erases::apart, .strength = true}, B, S> made(
      shape(), {f.rows("q"), f.rows("k"), f.rows("v"), f.rows("fade"), f.rows("beta"), f.rows("a")}, f.rows("do"));
  f.check(made.o, "o");
  f.check(made.d.q, "dq");
  f.check(made.d.k, "dk");
  f.check(made.d.v, "dv");
  f.check(made.d.a, "da");
  f.check(made.d.fade, "dfade");
  f.check(made.d.beta, "dbeta");
}

OF_KIN("Gated DeltaNet 2 has gates for every key that erases and every value that is written") {
  using S = typename B::scalar;
  const auto f = file<S>("gdn2");
  const Rows<S> k = f.rows("k"), v = f.rows("v"), erase = f.rows("erase"), write = f.rows("write");
  const Recurred<Recurrence{.fade = fades::by_key, .erase = erases::apart}, B, S> made(
      shape(), {f.rows("q"), k, each(times<S>, write, v), f.rows("fade"), Rows<S>(1, 0), each(times<S>, erase, k)},
      f.rows("do"));
  f.check(made.o, "o");
  f.check(made.d.q, "dq");
  f.check(each(plus<S>, made.d.k, each(times<S>, erase, made.d.a)), "dk");
  f.check(each(times<S>, write, made.d.v), "dv");
  f.check(each(times<S>, k, made.d.a), "derase");
  f.check(each(times<S>, v, made.d.v), "dwrite");
  f.check(made.d.fade, "dfade");
}

OF_KIN("a diagonal and a matrix of rank one erase decoupled") {
  using S = typename B::scalar;
  const auto f = file<S>("dplr");
  const Recurred<Recurrence{.fade = fades::by_key, .erase = erases::decoupled}, B, S> made(
      shape(),
      {f.rows("q"), f.rows("k"), f.rows("v"), f.rows("fade"), Rows<S>(1, 0), f.rows("a"), f.rows("b"), Rows<S>(1, 0)},
      f.rows("do"));
  f.check(made.o, "o");
  f.check(made.d.q, "dq");
  f.check(made.d.k, "dk");
  f.check(made.d.v, "dv");
  f.check(made.d.a, "da");
  f.check(made.d.b, "db");
  f.check(made.d.fade, "dfade");
}

OF_KIN("DeltaProduct is a row for each of its products: the first fades, the last reads") {
  using S = typename B::scalar;
  const auto f = file<S>("product");
  const Rows<S> q = f.rows("q"), k = f.rows("k"), v = f.rows("v"), fade = f.rows("fade"), beta = f.rows("beta"),
                dy = f.rows("do");
  const int T = q.rows();
  // Row t of `rows` in row 2 t + place, `other` in those between.
  const auto spread = [&](Rows<S> const& rows, int place, S other) {
    Rows<S> r = filled(2 * T, rows.cols(), other);
    for (int t = 0; t < T; ++t)
      for (int c = 0; c < rows.cols(); ++c) r.view()(2 * t + place, c) = rows.view()(t, c);
    return r;
  };
  const auto gathered = [&](Rows<S> const& rows, int place) {
    Rows<S> r(T, rows.cols());
    for (int t = 0; t < T; ++t)
      for (int c = 0; c < rows.cols(); ++c) r.view()(t, c) = rows.view()(2 * t + place, c);
    return r;
  };
  const auto reshaped = [](Rows<S> const& rows, int count) {
    Rows<S> r(count, rows.rows() * rows.cols() / count);
    for (int i = 0; i < rows.rows() * rows.cols(); ++i) r.data()[i] = rows.data()[i];
    return r;
  };
  const Recurred<Recurrence{.fade = fades::by_head, .erase = erases::delta, .strength = true}, B, S> made(
      shape(), {spread(q, 1, 0), reshaped(k, 2 * T), reshaped(v, 2 * T), spread(fade, 0, 1), reshaped(beta, 2 * T)},
      spread(dy, 1, 0));
  f.check(gathered(made.o, 1), "o");
  f.check(gathered(made.d.q, 1), "dq");
  f.check(reshaped(made.d.k, T), "dk");
  f.check(reshaped(made.d.v, T), "dv");
  f.check(gathered(made.d.fade, 0), "dfade");
  f.check(reshaped(made.d.beta, T), "dbeta");
}

OF_KIN("gated slot attention is two: keys into slots, and slots, chosen by softmax, to values") {
  using S = typename B::scalar;
  const auto f = file<S>("gsa");
  const Rows<S> s = f.rows("s"), fade = f.rows("fade"), dy = f.rows("do");
  const auto softmax = [](Rows<S> const& rows) {
    Rows<S> p = each([](S x) { return std::exp(x); }, rows);
    for (int t = 0; t < p.rows(); ++t)
      for (int h = 0; h < H; ++h) {
        S sum = 0;
        for (int i = h * M; i < (h + 1) * M; ++i) sum += p.view()(t, i);
        for (int i = h * M; i < (h + 1) * M; ++i) p.view()(t, i) /= sum;
      }
    return p;
  };
  Rows<S> out(1, 0), dv(1, 0), ds = test::zeros_like(s), dfade = ds;
  const Recurred<Recurrence{.fade = fades::by_value}, B, S> keys(
      shape(K, M), {f.rows("q"), f.rows("k"), s, fade}, s.rows(), [&](Rows<S> const& scores) {
        const Rows<S> p = softmax(scores);
        RecurrenceShape second = shape(M, N);
        second.scale = 1;
        const Recurred<Recurrence{.fade = fades::by_key}, B, S> values(second, {p, s, f.rows("v"), fade}, dy);
        out = values.o, dv = values.d.v, ds = values.d.k, dfade = values.d.fade;
        Rows<S> d = values.d.q;
        for (int t = 0; t < d.rows(); ++t)
          for (int h = 0; h < H; ++h) {
            S along = 0;
            for (int i = h * M; i < (h + 1) * M; ++i) along += p.view()(t, i) * d.view()(t, i);
            for (int i = h * M; i < (h + 1) * M; ++i) d.view()(t, i) = p.view()(t, i) * (d.view()(t, i) - along);
          }
        return d;
      });
  f.check(out, "o");
  f.check(keys.d.q, "dq");
  f.check(keys.d.k, "dk");
  f.check(dv, "dv");
  f.check(each(plus<S>, ds, keys.d.v), "ds");
  f.check(each(plus<S>, dfade, keys.d.fade), "dfade");
}
