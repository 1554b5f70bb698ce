// Recurrences as golden files have them (tools/oracles/recurrence.py): rows in, rows out, and gradients.
#pragma once
#include <doctest/doctest.h>

#include <fauna/ops/recurrence/op.hpp>
#include <string>
#include <vector>

#include "compare.hpp"
#include "golden.hpp"
#include "memory.hpp"
#include "op_check.hpp"
#include "random.hpp"

namespace test {

/// The oracle computes in float64 and writes float32. In double we differ by that rounding; in float by that of sums
/// over 19 rows, whose terms are as large as the results.
template <class S> constexpr double golden_bound = sizeof(S) == 8 ? 1e-6 : 1e-5;

template <class S> Rows<S> zeros_like(Rows<S> const& like) {
  Rows<S> r(like.rows(), like.cols());
  for (std::size_t i = 0; i < static_cast<std::size_t>(r.rows() * r.cols()); ++i) r.data()[i] = S(0);
  return r;
}
/// f(numbers of some rows alike, one by one): a new one of each.
template <class S, class F, class... More> Rows<S> each(F&& f, Rows<S> const& first, More const&... more) {
  Rows<S> r(first.rows(), first.cols());
  for (std::size_t i = 0; i < static_cast<std::size_t>(r.rows() * r.cols()); ++i)
    r.data()[i] = f(first.data()[i], more.data()[i]...);
  return r;
}

/// Numbers of one of a file's recurrences.
template <class S> struct File {
  Golden const& golden;
  std::string of;
  Rows<S> rows(std::string const& name) const {
    std::string const key = of + "." + name;
    auto const& t = golden.tensor(key);
    const std::vector<float> v = golden.floats(key);
    Rows<S> r(t.shape[0], t.shape[1]);
    for (std::size_t i = 0; i < v.size(); ++i) r.data()[i] = S(v[i]);
    return r;
  }
  /// None, of no columns, where the file has no such numbers.
  Rows<S> some(std::string const& name) const { return golden.has(of + "." + name) ? rows(name) : Rows<S>(1, 0); }
  void check(Rows<S> const& got, std::string const& name) const {
    const Rows<double> want = File<double>{golden, of}.rows(name);
    double most = 0;
    for (int t = 0; t < want.rows(); ++t)
      for (int c = 0; c < want.cols(); ++c) most = std::fmax(most, std::fabs(want.view()(t, c)));
    CAPTURE(of);
    CAPTURE(name);
    CHECK(most > 0);
    CHECK(distance<S>(got, want) <= golden_bound<S> * most);
  }
};

/// The rows of a recurrence, or their gradients.
template <class S> struct RecurrenceNumbers {
  Rows<S> q, k, v, fade{1, 0}, beta{1, 0}, a{1, 0}, b{1, 0}, least{1, 0};
  fauna::RecurrenceRows<const S> rows() const { return {q, k, v, fade, beta, a, b, least}; }
  fauna::RecurrenceRows<S> rows() { return {q, k, v, fade, beta, a, b, least}; }
  RecurrenceNumbers zeros() const {
    return {zeros_like(q),    zeros_like(k), zeros_like(v), zeros_like(fade),
            zeros_like(beta), zeros_like(a), zeros_like(b), zeros_like(least)};
  }
};

/// Forward and backward of one sequence.
template <fauna::Recurrence R, class B, class S> struct Recurred {
  Rows<S> o;
  RecurrenceNumbers<S> d;
  Recurred(fauna::RecurrenceShape const& n, RecurrenceNumbers<S> const& in, Rows<S> const& dy)
      : Recurred(n, in, dy.rows(), [&](Rows<S> const&) { return dy; }) {}
  /// dy of what came out.
  template <class F>
  Recurred(fauna::RecurrenceShape const& n, RecurrenceNumbers<S> const& in, int rows, F&& dy)
      : o(rows, n.heads * n.values), d(in.zeros()) {
    using namespace fauna;
    B b = with_threads<B>(2);
    const Batch batch = Batch::uniform(1, rows);
    Rows<S> kept(recurrence_kept(rows, 1) * n.heads * n.keys, recurrence_columns(R, n.values));
    Poisoned memory(recurrence<R, B>::workspace(n, b.threads));
    Arena scratch = memory.arena();
    b.scratch = &scratch;
    recurrence<R, B>::forward(b, batch, n, in.rows(), {}, o, kept);
    recurrence<R, B>::backward(b, batch, n, in.rows(), kept, dy(o), d.rows(), {});
  }
};

}  // namespace test
