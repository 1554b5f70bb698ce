// RWKV's token shift, the recurrence of RWKV-7, and what stands around it.
#include <doctest/doctest.h>

#include <fauna/ops/rwkv7/cpu.hpp>
#include <fauna/ops/rwkv7/ref.hpp>
#include <fauna/ops/token_shift/cpu.hpp>
#include <fauna/ops/token_shift/ref.hpp>
#include <fauna/ops/wkv7/cpu.hpp>
#include <fauna/ops/wkv7/ref.hpp>
#include <vector>

#include "support/batches.hpp"
#include "support/memory.hpp"
#include "support/op_check.hpp"
#include "support/random.hpp"
#include "support/recurrences.hpp"

namespace test_wkv7 {

using namespace fauna;
using test::Rows, test::with_threads;

namespace {

// Sums of up to 70 terms, of which each has come through at most 40 rows that keep all its digits but rounding's.
constexpr double bound = 2e-5;

const Batch batches[] = {test::plain(2, 40), test::plain(1, 16), test::plain(2, 17),   test::plain(1, 1),
                         test::packed(),     test::ragged(),     test::with_finished()};

/// Seven random matrices of a row's width, [r w k v a b] and dy, such that states neither vanish nor grow: a is of
/// length 1, b = -a times something in (0, 1), w in (0.5, 1).
struct Recurrence {
  int R, H, N;
  Rows<float> r, w, k, v, a, b, dy, entering, left, before;
  Recurrence(Batch const& batch, int H_, int N_) : Recurrence(test::Random(5), batch, H_, N_) {}
  Wkv7Rows<const float> rows() const { return {r, w, k, v, a, b}; }

 private:
  Recurrence(test::Random random, Batch const& batch, int H_, int N_)
      : R(batch.rows),
        H(H_),
        N(N_),
        r(random, R, H * N, 2),
        w(random, R, H * N, 0, 0.25F, 0.75F),
        k(random, R, H * N, 1),
        v(random, R, H * N, 3),
        a(random, R, H * N, 1),
        b(random, R, H * N, 2, 0.5F, 0.5F),
        dy(random, R, H * N, 1),
        entering(random, batch.sequences * H * N, N),
        left(random, batch.sequences * H * N, N),
        before(random, R, H * N, 1) {
    for (int t = 0; t < R; ++t)
      for (int h = 0; h < H; ++h) {
        float length = 0;
        for (int j = h * N; j < (h + 1) * N; ++j) length += a.view()(t, j) * a.view()(t, j);
        for (int j = h * N; j < (h + 1) * N; ++j) {
          a.view()(t, j) /= std::sqrt(length);
          b.view()(t, j) *= -a.view()(t, j);
        }
      }
  }
};
/// All that one policy makes of it.
template <class B, class S> struct Made {
  Rows<S> y, state, dr, dw, dk, dv, da, db, dstate;
  Made(B b, Batch const& batch, Recurrence const& s)
      : y(s.R, s.H * s.N, 2),
        state(s.entering.as<S>()),
        dr(s.before.as<S>()),
        dw(dr),
        dk(dr),
        dv(dr),
        da(dr),
        db(dr),
        dstate(s.left.as<S>()) {
    const Rows<S> r = s.r.as<S>(), w = s.w.as<S>(), k = s.k.as<S>(), v = s.v.as<S>(), a = s.a.as<S>(), bb = s.b.as<S>(),
                  dy = s.dy.as<S>();
    Rows<S> kept(wkv7_kept(s.R, batch.sequences) * s.H * s.N, s.N, 1);
    test::Poisoned memory(wkv7<B>::workspace(s.N, b.threads));
    Arena scratch = memory.arena();
    b.scratch = &scratch;
    const Wkv7Rows<const S> in{r, w, k, v, a, bb};
    wkv7<B>::forward(b, batch, s.N, in, state, y, kept);
    memory.poison();
    wkv7<B>::backward(b, batch, s.N, in, kept, dy, Wkv7Rows<S>{dr, dw, dk, dv, da, db}, dstate);
  }
};

}  // namespace

TEST_CASE_TEMPLATE("wkv7: equals the reference on every width and for any number of threads", B,
                   Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx2>, Cpu<f32_products, isa::avx512>) {
  for (const Batch& batch : batches)
    for (auto const& size : {std::pair{1, 1}, std::pair{3, 5}, std::pair{2, 16}, std::pair{1, 70}}) {
      const int H = size.first, N = size.second;
      CAPTURE(batch.rows);
      CAPTURE(N);
      const Recurrence s(batch, H, N);
      const Made<Ref<double>, double> want({}, batch, s);
      const Made<B, float> got(with_threads<B>(1), batch, s);
      CHECK_CLOSE(got.y, want.y);
      CHECK_CLOSE(got.state, want.state);
      CHECK_CLOSE(got.dr, want.dr);
      CHECK_CLOSE(got.dw, want.dw);
      CHECK_CLOSE(got.dk, want.dk);
      CHECK_CLOSE(got.dv, want.dv);
      CHECK_CLOSE(got.da, want.da);
      CHECK_CLOSE(got.db, want.db);
      CHECK_CLOSE(got.dstate, want.dstate);
      CHECK(got.y.gaps_untouched());
      CHECK(got.dw.gaps_untouched());
      for (const int threads : {2, 3, 8}) {
        const Made<B, float> again(with_threads<B>(threads), batch, s);
        CHECK(test::same_bits<float>(again.y, got.y));
        CHECK(test::same_bits<float>(again.dw, got.dw));
        CHECK(test::same_bits<float>(again.db, got.db));
        CHECK(test::same_bits<float>(again.dstate, got.dstate));
      }
    }
}

TEST_CASE("wkv7: in pieces of any length the bits of all at once, and no state is zeros") {
  using B = Cpu<>;
  const int R = 40, H = 2, N = 5;
  const Recurrence s(test::plain(1, R), H, N);
  test::Poisoned memory(wkv7<B>::workspace(N, 1));
  const auto run = [&](int from, int rows, Matrix<float> state, Rows<float>& y) {
    const auto part = [&](Rows<float> const& v) { return Matrix<const float>(v).middle_rows(from, rows); };
    Arena scratch = memory.arena();
    B b = with_threads<B>(1);
    b.scratch = &scratch;
    wkv7<B>::forward(b, test::plain(1, rows), N, {part(s.r), part(s.w), part(s.k), part(s.v), part(s.a), part(s.b)},
                     state, Matrix<float>(y).middle_rows(from, rows), {});
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

TEST_CASE("wkv7: known values") {
  // Writing a value under a key of length 1, removing what is there before (a = -k, b = k), is exact recall: the second
  // value under the first key replaces the first, and the one under another key stays.
  const double k[] = {1, 0, /**/ 0, 1, /**/ 1, 0}, a[] = {-1, 0, /**/ 0, -1, /**/ -1, 0},
               v[] = {2, 3, /**/ 5, 7, /**/ 11, 13}, w[] = {1, 1, 1, 1, 1, 1}, r[] = {1, 0, /**/ 1, 0, /**/ 1, 1};
  double y[6];
  const auto rows = [](const double* p) { return Matrix<const double>(p, 3, 2); };
  wkv7<Ref<double>>::forward({}, test::plain(1, 3), 2, {rows(r), rows(w), rows(k), rows(v), rows(a), rows(k)}, {},
                             Matrix<double>(y, 3, 2), {});
  const double want[] = {2, 3, /**/ 2, 3, /**/ 16, 20};
  for (int i = 0; i < 6; ++i) CHECK(y[i] == want[i]);
}

TEST_CASE("wkv7: heads of a size that the kernel does not have") {
  const Rows<float> x(1, 300);
  Rows<float> y(1, 300);
  CHECK_THROWS_WITH_AS(wkv7<Cpu<>>::forward({}, test::plain(1, 1), 300, {x, x, x, x, x, x}, {}, y, {}),
                       doctest::Contains("heads of 300"), error);
}

TEST_CASE_TEMPLATE("rwkv7_mix: equals the reference on every width and for any number of threads", B,
                   Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx2>, Cpu<f32_products, isa::avx512>) {
  const auto check = [](int R, int H, int N) {
    const int C = H * N;
    test::Random random(7);
    const auto rows = [&](float by) { return Rows<float>(random, R, C, 1, by); };
    const Rows<float> w = rows(6), k = rows(1), a = rows(4), v = rows(1), g = rows(1), r = rows(1), y = rows(2),
                      d0 = rows(1), d1 = rows(1), d2 = rows(1), d3 = rows(1), kk(random, 1, C), ka(random, 1, C),
                      rk(random, 1, C), weight(random, 1, C), bias(random, 1, C);
    const auto all = [&]<class Backend, class S>(Backend b, S) {
      const auto as = [](Rows<float> const& m) { return m.as<S>(); };
      std::vector<Rows<S>> out;
      for (int i = 0; i < 17; ++i) out.emplace_back(as(d3));
      for (int i = 0; i < 5; ++i) out.emplace_back(as(kk));
      const auto W = as(w), K = as(k), A = as(a), V = as(v), G = as(g), R_ = as(r), Y = as(y), D0 = as(d0), D1 = as(d1),
                 D2 = as(d2), D3 = as(d3), KK = as(kk), KA = as(ka), RK = as(rk), weights = as(weight),
                 biases = as(bias);
      using Mix = rwkv7_mix<Backend>;
      Mix::inputs(b, N, W, K, A, KK.data(), KA.data(), {{}, out[0], out[1], {}, out[2], out[3]});
      Mix::inputs_backward(b, N, W, K, A, KK.data(), KA.data(), {{}, D0, D1, {}, D2, D3}, out[4], out[5], out[6],
                           out[17].data(), out[18].data());
      Mix::value(b, V, Y, G, out[7]);
      Mix::value_backward(b, V, Y, G, D0, out[8], out[9], out[10]);
      const Wkv7Rows<const S> in{R_, {}, K, V, {}, {}};
      Mix::outputs(b, N, Y, in, G, RK.data(), weights.data(), biases.data(), 64e-5, out[11]);
      Mix::outputs_backward(b, N, Y, in, G, RK.data(), weights.data(), biases.data(), 64e-5, D1, out[12],
                            Wkv7Rows<S>{out[13], {}, out[14], out[15], {}, {}}, out[16], out[19].data(), out[20].data(),
                            out[21].data());
      return out;
    };
    const auto want = all(Ref<double>{}, 0.0);
    const auto got = all(with_threads<B>(1), 0.0F);
    for (std::size_t i = 0; i < got.size(); ++i) {
      CAPTURE(i);
      CHECK_CLOSE(got[i], want[i]);
      CHECK(got[i].gaps_untouched());
    }
    for (const int threads : {2, 3, 8}) {
      const auto again = all(with_threads<B>(threads), 0.0F);
      for (std::size_t i = 0; i < got.size(); ++i) CHECK(test::same_bits<float>(again[i], got[i]));
    }
  };
  check(1, 1, 3);  // of one number, ŷ would be 0/0 but for ε
  check(40, 3, 5);
  check(7, 2, 16);
  check(5, 1, 70);
}

TEST_CASE_TEMPLATE("token_shift: equals the reference on every width and for any number of threads", B,
                   Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx2>, Cpu<f32_products, isa::avx512>) {
  for (const Batch& batch : batches)
    for (auto const& size : {std::pair{1, 1}, std::pair{21, 6}, std::pair{64, 2}}) {
      const int C = size.first, n = size.second, R = batch.rows;
      test::Random random(3);
      const Rows<float> x(random, R, C, 2), mu(random, n, C, 1), entering(random, batch.sequences, C),
          dy(random, R, n * C, 1), left(random, batch.sequences, C);
      const auto both = [&]<class Backend, class S>(Backend b, S) {
        std::vector<Rows<S>> out{Rows<S>(R, n * C, 1), entering.as<S>(), Rows<S>(R, C, 2), mu.as<S>(), left.as<S>()};
        const auto X = x.as<S>(), M = mu.as<S>(), E = entering.as<S>(), D = dy.as<S>();
        token_shift<Backend>::forward(b, batch, X, M, out[1], out[0]);
        token_shift<Backend>::backward(b, batch, X, E, M, D, out[2], out[3], out[4]);
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

}  // namespace test_wkv7
