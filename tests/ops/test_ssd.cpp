// The recurrence of Mamba-2 in chunks and row by row, and the gated norm behind it.
#include <doctest/doctest.h>

#include <fauna/ops/gated_norm/cpu.hpp>
#include <fauna/ops/gated_norm/ref.hpp>
#include <fauna/ops/ssd/cpu.hpp>
#include <fauna/ops/ssd/ref.hpp>

#include "support/batches.hpp"
#include "support/memory.hpp"
#include "support/op_check.hpp"
#include "support/random.hpp"
#include "support/recurrences.hpp"

namespace test_ssd {

using namespace fauna;
using test::Rows, test::with_threads;

namespace {

// Sums over up to 150 rows and 40 states of products of f32 numbers, which the two sides add in other orders.
constexpr double bound = 3e-5;

/// Two chunks and a half, where documents begin inside a chunk, at its first row and at its last.
Batch documents() {
  static const std::vector<int> starts = [] {
    std::vector<int> s(150);
    for (int t = 0; t < 150; ++t) s[static_cast<std::size_t>(t)] = t < 20 ? 0 : t < 64 ? 20 : t < 127 ? 64 : 127;
    return s;
  }();
  Batch b = test::plain(1, 150);
  b.document_start = starts.data();
  return b;
}
/// A tree of more rows than a chunk has: each row continues the one three before it.
Batch tree() {
  static const std::vector<int> parents = [] {
    std::vector<int> p(70);
    for (int t = 0; t < 70; ++t) p[static_cast<std::size_t>(t)] = t < 3 ? -1 : t - 3;
    return p;
  }();
  Batch b = test::plain(1, 70);
  b.parent = parents.data();
  return b;
}

struct Numbers {
  SsdSizes z;
  int R;
  test::Random random{5};
  Rows<float> x, b, c, dt, A_log, D, bias, entering, dy, left;
  Numbers(Batch const& batch, SsdSizes const& z_)
      : z(z_),
        R(batch.rows),
        x(random, R, z.heads * z.size, 2),
        b(random, R, z.groups * z.states, 1),
        c(random, R, z.groups * z.states, 2),
        dt(random, R, z.heads, 1, 2, -2),
        A_log(random, 1, z.heads, 0, 1.5F, 0.5F),
        D(random, 1, z.heads),
        bias(random, 1, z.heads),
        entering(random, batch.sequences * z.heads * z.states, z.size),
        dy(random, R, z.heads * z.size, 1),
        left(random, batch.sequences * z.heads * z.states, z.size) {}
};
/// All that one policy makes of it.
template <class B, class S> struct Made {
  Rows<S> y, state, read, dx, db, dc, ddt, dA, dD, dbias, dstate;
  Made(B b, Batch const& batch, Numbers const& s, bool backward = true)
      : y(s.R, s.x.cols(), 2),
        state(s.entering.as<S>()),
        read(s.R, s.x.cols(), 1),
        dx(s.R, s.x.cols(), 1),
        db(s.R, s.b.cols(), 2),
        dc(s.R, s.b.cols(), 1),
        ddt(s.R, s.z.heads, 3),
        dA(s.A_log.as<S>()),
        dD(s.D.as<S>()),
        dbias(s.bias.as<S>()),
        dstate(s.left.as<S>()) {
    const Rows<S> x = s.x.as<S>(), B_ = s.b.as<S>(), C = s.c.as<S>(), dt = s.dt.as<S>(), A = s.A_log.as<S>(),
                  D = s.D.as<S>(), bias = s.bias.as<S>(), dy = s.dy.as<S>();
    Rows<S> kept(ssd_kept(s.R, batch.sequences) * s.z.heads * s.z.states, s.z.size, 1), again = state;
    test::Poisoned memory(ssd<B>::workspace(s.z, s.R, batch.sequences, b.threads, backward));
    Arena scratch = memory.arena();
    b.scratch = &scratch;
    const SsdRows<const S> in{x, B_, C, dt};
    const SsdHeads<const S> heads{A.data(), D.data(), bias.data()};
    ssd<B>::forward(b, batch, s.z, in, heads, again, read, {});
    ssd<B>::forward(b, batch, s.z, in, heads, state, y, kept);
    if (!backward) return;
    memory.poison();
    ssd<B>::backward(b, batch, s.z, in, heads, kept, dy, SsdRows<S>{dx, db, dc, ddt},
                     SsdHeads<S>{dA.data(), dD.data(), dbias.data()}, dstate);
  }
};

constexpr SsdSizes sizes[] = {{1, 1, 1, 1}, {6, 5, 7, 2}, {5, 16, 24, 1}, {3, 70, 40, 3}};

}  // namespace

TEST_CASE_TEMPLATE("ssd: equals the reference on every width and for any number of threads", B,
                   Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx2>, Cpu<f32_products, isa::avx512>) {
  for (const Batch& batch : {test::plain(2, 40), test::plain(1, 150), test::plain(3, 1), test::ragged(),
                             test::with_finished(), documents(), tree()})
    for (SsdSizes const& z : sizes) {
      CAPTURE(batch.rows);
      CAPTURE(z.size);
      const Numbers s(batch, z);
      const Made<Ref<double>, double> want({}, batch, s);
      const Made<B, float> got(with_threads<B>(1), batch, s);
      CHECK_CLOSE(got.y, want.y);
      CHECK_CLOSE(got.read, want.y);
      CHECK_CLOSE(got.state, want.state);
      CHECK_CLOSE(got.dx, want.dx);
      CHECK_CLOSE(got.db, want.db);
      CHECK_CLOSE(got.dc, want.dc);
      CHECK_CLOSE(got.ddt, want.ddt);
      CHECK_CLOSE(got.dA, want.dA);
      CHECK_CLOSE(got.dD, want.dD);
      CHECK_CLOSE(got.dbias, want.dbias);
      CHECK_CLOSE(got.dstate, want.dstate);
      CHECK(got.y.gaps_untouched());
      CHECK(got.read.gaps_untouched());
      CHECK(got.dx.gaps_untouched());
      CHECK(got.db.gaps_untouched());
      CHECK(got.ddt.gaps_untouched());
      for (const int threads : {2, 3, 8}) {
        const Made<B, float> again(with_threads<B>(threads), batch, s);
        CHECK(test::same_bits<float>(again.y, got.y));
        CHECK(test::same_bits<float>(again.read, got.read));
        CHECK(test::same_bits<float>(again.dx, got.dx));
        CHECK(test::same_bits<float>(again.db, got.db));
        CHECK(test::same_bits<float>(again.dc, got.dc));
        CHECK(test::same_bits<float>(again.dA, got.dA));
        CHECK(test::same_bits<float>(again.dstate, got.dstate));
      }
    }
}

TEST_CASE("ssd: in pieces") {
  using B = Cpu<>;
  const int R = 150;
  const SsdSizes z{3, 20, 12, 1};
  const Numbers s(test::plain(1, R), z);
  test::Poisoned memory(ssd<B>::workspace(z, R, 1, 1, false));
  const auto run = [&](int length, Matrix<float> state, Rows<float>& y) {
    for (int from = 0; from < R; from += length) {
      const int rows = std::min(length, R - from);
      const auto part = [&](Rows<float> const& v) { return Matrix<const float>(v).middle_rows(from, rows); };
      Arena scratch = memory.arena();
      B b = with_threads<B>(1);
      b.scratch = &scratch;
      ssd<B>::forward(b, test::plain(1, rows), z, {part(s.x), part(s.b), part(s.c), part(s.dt)},
                      {s.A_log.data(), s.D.data(), s.bias.data()}, state, Matrix<float>(y).middle_rows(from, rows), {});
    }
  };
  const int cols = z.heads * z.size;
  Rows<float> whole(R, cols), chunks(R, cols), steps(R, cols), pieces(R, cols);
  Rows<float> a = s.entering, b = s.entering, c = s.entering, d = s.entering;
  run(R, a, whole);
  run(ssd_chunk, b, chunks);
  CHECK(test::same_bits<float>(chunks, whole));  // chunks that begin at the same rows
  CHECK(test::same_bits<float>(b, a));
  run(1, c, steps);
  run(ssd_stepped - 1, d, pieces);
  CHECK(test::same_bits<float>(pieces, steps));  // row by row, in however many calls
  CHECK(test::same_bits<float>(d, c));
  CHECK_CLOSE(steps, whole.as<double>());

  Rows<float> zeros = s.entering;
  for (int i = 0; i < zeros.rows(); ++i)
    for (int j = 0; j < z.size; ++j) zeros.view()(i, j) = 0;
  run(R, zeros, whole);
  run(R, {}, chunks);  // no state is zeros
  CHECK(test::distance<float>(chunks, whole.as<double>()) == 0);
}

TEST_CASE("ssd: a known value") {
  // One column, one state number, δ = softplus(ln(e - 1)) = 1, A = -ln 2: the state halves.
  const double x[] = {1, 3}, b[] = {2, 1}, c[] = {1, 2}, dt[] = {0, 0}, A_log = std::log(std::log(2.0)), D = 0.5,
               bias = std::log(std::exp(1.0) - 1);
  double y[2];
  const auto rows = [](const double* p) { return Matrix<const double>(p, 2, 1); };
  ssd<Ref<double>>::forward({}, test::plain(1, 2), {1, 1, 1, 1}, {rows(x), rows(b), rows(c), rows(dt)},
                            {&A_log, &D, &bias}, {}, Matrix<double>(y, 2, 1), {});
  CHECK(y[0] == doctest::Approx(2.5).epsilon(1e-14));
  CHECK(y[1] == doctest::Approx(2 * (1 + 3) + 1.5).epsilon(1e-14));
}

TEST_CASE_TEMPLATE("gated_norm: equals the reference on every width and for any number of threads", B,
                   Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx2>, Cpu<f32_products, isa::avx512>) {
  for (const int R : {1, 40, 100})
    for (auto const& size : {std::pair{1, 1}, std::pair{21, 3}, std::pair{64, 2}, std::pair{150, 1}})
      for (const bool first : {true, false}) {
        const int C = size.first, groups = size.second;
        CAPTURE(R);
        CAPTURE(C);
        CAPTURE(first);
        test::Random random(3);
        const Rows<float> y(random, R, C, 2), z(random, R, C, 1, 3), weight(random, 1, C), dout(random, R, C, 1);
        const auto both = [&]<class Backend, class S>(Backend b, S) {
          const auto Y = y.as<S>(), Z = z.as<S>(), weights = weight.as<S>(), d = dout.as<S>();
          std::vector<Rows<S>> out{Rows<S>(R, C, 1), Rows<S>(R, groups), Rows<S>(R, C, 2), Rows<S>(R, C, 3), weights};
          test::Poisoned memory(gated_norm<Backend>::workspace(R, C));
          Arena scratch = memory.arena();
          b.scratch = &scratch;
          const GatedNorm form{groups, first, 1e-5};
          gated_norm<Backend>::forward(b, form, Y, Z, weights.data(), out[0], out[1]);
          gated_norm<Backend>::backward(b, form, Y, Z, weights.data(), out[1], d, out[2], out[3], out[4].data());
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

}  // namespace test_ssd
