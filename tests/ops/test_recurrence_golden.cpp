// The recurrences against the naive loops of flash-linear-attention and xlstm (tools/oracles/recurrence.py): what comes
// out, and every gradient.
#include <doctest/doctest.h>

#include <fauna/ops/mlstm_gates/cpu.hpp>
#include <fauna/ops/mlstm_gates/ref.hpp>
#include <fauna/ops/recurrence/cpu.hpp>
#include <fauna/ops/recurrence/ref.hpp>

#include "support/recurrence_golden.hpp"

namespace test_recurrence_golden {

using namespace fauna;
using test::File, test::Recurred, test::Rows;

namespace {

Golden const& golden() {
  static const Golden file("recurrence.bin");
  return file;
}

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
  const File<S> file{golden(), name};
  const Recurred<R, B, S> made(
      n, {file.rows("q"), file.rows("k"), file.rows("v"), file.some("fade"), file.some("beta")}, file.rows("do"));
  file.check(made.o, "o");
  file.check(made.d.q, "dq");
  file.check(made.d.k, "dk");
  file.check(made.d.v, "dv");
  if (R.fade == fades::by_head || R.fade == fades::by_key) file.check(made.d.fade, "dfade");
  if (R.strength) file.check(made.d.beta, "dbeta");
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
  const File<S> file{golden(), "mlstm"};
  const Rows<S> i = file.rows("i"), f = file.rows("f");
  const int T = i.rows(), H = i.cols();
  const Batch batch = Batch::uniform(1, T);
  const B b = test::with_threads<B>(1);
  Rows<S> fade(T, H), beta(T, H), least(T, H), di(T, H), df(T, H);
  mlstm_gates<B>::forward(b, batch, 0, {i, f}, {}, {fade, beta, least});
  const Recurred<R, B, S> made(
      shape_of(H, H), {file.rows("q"), file.rows("k"), file.rows("v"), fade, beta, Rows<S>(1, 0), Rows<S>(1, 0), least},
      file.rows("do"));
  mlstm_gates<B>::backward(b, batch, 0, {i, f}, {}, {made.d.fade, made.d.beta, made.d.least}, {di, df}, {});
  file.check(made.o, "o");
  file.check(made.d.q, "dq");
  file.check(made.d.k, "dk");
  file.check(made.d.v, "dv");
  file.check(di, "di");
  file.check(df, "df");
}

}  // namespace test_recurrence_golden
