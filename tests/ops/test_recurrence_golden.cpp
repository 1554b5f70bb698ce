// The recurrences against the naive loops of flash-linear-attention and xlstm (tools/oracles/recurrence.py): what comes
// out, and every gradient.
#include <doctest/doctest.h>

#include <fauna/ops/mlstm_gates/cpu.hpp>
#include <fauna/ops/mlstm_gates/ref.hpp>
#include <fauna/ops/recurrence/cpu.hpp>
#include <fauna/ops/recurrence/ref.hpp>
#include <vector>

#include "support/compare.hpp"
#include "support/golden.hpp"
#include "support/memory.hpp"
#include "support/op_check.hpp"
#include "support/random.hpp"

using namespace fauna;
using test::Rows;

namespace {

Golden const& golden() {
  static const Golden file("recurrence.bin");
  return file;
}

/// The oracle computes in float64 and writes float32. In double we differ by that rounding; in float by that of sums
/// over 19 rows, whose terms are as large as the results.
template <class S> constexpr double bound = sizeof(S) == 8 ? 1e-6 : 1e-5;

/// Numbers of one of the recurrences: as they are in the file, and rows of zeros for a gradient.
template <class S> struct File {
  std::string of;
  Rows<S> rows(std::string const& name) const {
    std::string const key = of + "." + name;
    auto const& t = golden().tensor(key);
    const std::vector<float> v = golden().floats(key);
    Rows<S> r(t.shape[0], t.shape[1]);
    for (std::size_t i = 0; i < v.size(); ++i) r.data()[i] = S(v[i]);
    return r;
  }
  /// None, of no columns, where the file has no such numbers.
  Rows<S> some(std::string const& name) const { return golden().has(of + "." + name) ? rows(name) : Rows<S>(1, 0); }
  static Rows<S> zeros(Rows<S> const& like) {
    Rows<S> r(like.rows(), like.cols());
    for (int t = 0; t < r.rows(); ++t)
      for (int c = 0; c < r.cols(); ++c) r.view()(t, c) = S(0);
    return r;
  }
  void check(Rows<S> const& got, std::string const& name) const {
    const Rows<double> want = File<double>{of}.rows(name);
    double most = 0;
    for (int t = 0; t < want.rows(); ++t)
      for (int c = 0; c < want.cols(); ++c) most = std::fmax(most, std::fabs(want.view()(t, c)));
    CAPTURE(of);
    CAPTURE(name);
    CHECK(most > 0);
    CHECK(test::distance<S>(got, want) <= bound<S> * most);
  }
};

/// Forward and backward of rows [q k v fade beta least]; o and their gradients.
template <Recurrence R, class B, class S> struct Made {
  RecurrenceShape n;
  Rows<S> o, dq, dk, dv, dfade, dbeta, dleast;
  Made(RecurrenceShape const& shape, Rows<S> const& q, Rows<S> const& k, Rows<S> const& v, Rows<S> const& fade,
       Rows<S> const& beta, Rows<S> const& least, Rows<S> const& dy)
      : n(shape),
        o(dy.rows(), dy.cols()),
        dq(File<S>::zeros(q)),
        dk(File<S>::zeros(k)),
        dv(File<S>::zeros(v)),
        dfade(File<S>::zeros(fade)),
        dbeta(File<S>::zeros(beta)),
        dleast(File<S>::zeros(least)) {
    B b = test::with_threads<B>(2);
    const Batch batch = Batch::uniform(1, q.rows());
    const RecurrenceRows<const S> in{q, k, v, fade, beta, {}, {}, least};
    Rows<S> kept(recurrence_kept(q.rows(), 1) * n.heads * n.keys, recurrence_columns(R, n.values));
    test::Poisoned memory(recurrence<R, B>::workspace(n, b.threads));
    Arena scratch = memory.arena();
    b.scratch = &scratch;
    recurrence<R, B>::forward(b, batch, n, in, {}, o, kept);
    recurrence<R, B>::backward(b, batch, n, in, kept, dy, {dq, dk, dv, dfade, dbeta, {}, {}, dleast}, {});
  }
};

constexpr int K = 5, N = 3;
RecurrenceShape shape_of(int heads, int key_heads, const float* fixed = nullptr) {
  return {.heads = heads,
          .key_heads = key_heads,
          .keys = K,
          .values = N,
          .scale = 1 / std::sqrt(static_cast<float>(K)),
          .fixed = fixed};
}

template <Recurrence R, class B, class S> void check(const char* name, RecurrenceShape const& n) {
  const File<S> file{name};
  const Made<R, B, S> made(n, file.rows("q"), file.rows("k"), file.rows("v"), file.some("fade"), file.some("beta"),
                           Rows<S>(1, 0), file.rows("do"));
  file.check(made.o, "o");
  file.check(made.dq, "dq");
  file.check(made.dk, "dk");
  file.check(made.dv, "dv");
  if (R.fade == fades::by_head || R.fade == fades::by_key) file.check(made.dfade, "dfade");
  if (R.strength) file.check(made.dbeta, "dbeta");
}

}  // namespace

TEST_CASE_TEMPLATE("recurrence: flash-linear-attention's outputs and gradients", B, Ref<double>, Ref<float>, Cpu<>) {
  using S = typename B::scalar;
  const float scales[] = {31.0F / 32, 63.0F / 64};
  check<Recurrence{.fade = fades::fixed}, B, S>("retention", shape_of(2, 2, scales));
  check<Recurrence{.fade = fades::by_key}, B, S>("gla", shape_of(2, 2));
  check<Recurrence{.erase = erases::delta, .strength = true}, B, S>("delta", shape_of(2, 2));
  check<Recurrence{.fade = fades::by_head, .erase = erases::delta, .strength = true}, B, S>("gated_delta",
                                                                                            shape_of(2, 2));
  check<Recurrence{.fade = fades::by_key, .erase = erases::delta, .strength = true}, B, S>("kda", shape_of(4, 2));
}

TEST_CASE_TEMPLATE("recurrence: xlstm's outputs and gradients", B, Ref<double>, Ref<float>, Cpu<>) {
  using S = typename B::scalar;
  constexpr Recurrence R{.fade = fades::by_head, .strength = true, .normalised = true};
  const File<S> file{"mlstm"};
  const Rows<S> i = file.rows("i"), f = file.rows("f");
  const int T = i.rows(), H = i.cols();
  const Batch batch = Batch::uniform(1, T);
  const B b = test::with_threads<B>(1);
  Rows<S> fade(T, H), beta(T, H), least(T, H), di(T, H), df(T, H);
  mlstm_gates<B>::forward(b, batch, 0, {i, f}, {}, {fade, beta, least});
  const Made<R, B, S> made(shape_of(H, H), file.rows("q"), file.rows("k"), file.rows("v"), fade, beta, least,
                           file.rows("do"));
  mlstm_gates<B>::backward(b, batch, 0, {i, f}, {}, {made.dfade, made.dbeta, made.dleast}, {di, df}, {});
  file.check(made.o, "o");
  file.check(made.dq, "dq");
  file.check(made.dk, "dk");
  file.check(made.dv, "dv");
  file.check(di, "di");
  file.check(df, "df");
}
