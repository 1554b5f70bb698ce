// Small blocks that exercise what no real block of this release needs yet: a recurrent state, a carried stream, a side
// loss.
#pragma once
#include <fauna/core/block.hpp>

namespace test {

/// h_r = a h_prev + x_r, y_r = h_r. prev is the row that r continues (the tree's parent where there is a tree); a
/// packed document starts from zero, a sequence from its entering state; the last row's h leaves.
template <int W> struct Scan : fauna::Elementwise<W> {
  static constexpr const char* kind_name = "Scan";
  template <class D> struct Weights { fauna::View<typename D::vector, 1, W> a; };
  template <class S> struct State {
    fauna::View<S, fauna::dyn, W> h;  // one row a sequence
  };
  template <class S> struct Saved { fauna::View<S, fauna::dyn, W> entering, h; };
  template <class Ws, class F> static constexpr void visit(Ws& w, fauna::Place const& at, F&& f) {
    f(fauna::Tensor{.field = "a", .stored = fauna::kind::vector, .rank = 1, .at = at}, w.a);
  }
  template <class S> static constexpr void plan(Saved<S>& s, fauna::Shape const& shape, fauna::Arena& a) {
    s.entering = a.take_view<S, fauna::dyn, W>(shape.sequences);
    s.h = a.take_view<S, fauna::dyn, W>(shape.rows());
  }
  template <class S> static constexpr void plan_state(State<S>& s, fauna::Shape const& shape, fauna::Arena& a) {
    s.h = a.take_view<S, fauna::dyn, W>(shape.sequences);
  }
  template <class F, class... St> static constexpr void visit_state(F&& f, St&... s) { f(s.h...); }
  template <class B> static constexpr void plan_scratch(fauna::Shape const& shape, fauna::Arena& a) {
    fauna::Scope s(a);
    a.take_view<typename B::scalar, fauna::dyn, W>(shape.rows());
  }

  // -2: zero; -1: the entering state; otherwise a row
  static int previous(fauna::Batch const& b, int q, int r) {
    const int p = b.parent ? b.parent[r] : r - 1;
    if (r == b.first(q) || p < b.first(q)) return -1;
    return b.start(q, r) == r ? -2 : p;
  }
  template <class C, class Ws, class St, class X, class Y, class Sv>
  static void forward(C const& c, Ws const& w, St& st, X x, Y y, Sv& saved) {
    fauna::Batch const& b = *c.batch;
    for (int q = 0; q < b.sequences; ++q)
      for (int i = 0; i < W; ++i) {
        if (c.keeps()) saved.entering(q, i) = st.h ? st.h(q, i) : typename C::scalar{};
        for (int r = b.first(q); r < b.last(q); ++r) {
          const int p = previous(b, q, r);
          const auto before = p >= 0 ? y(p, i) : p == -1 && st.h ? st.h(q, i) : typename C::scalar{};
          y(r, i) = w.a(0, i) * before + x(r, i);
          if (c.keeps()) saved.h(r, i) = y(r, i);
        }
        if (st.h) st.h(q, i) = y(b.last(q) - 1, i);
      }
  }
  template <class C, class Ws, class G, class X, class Sv, class DY, class DX, class St>
  static void backward(C const& c, Ws const& w, G& dw, X, Sv& saved, DY dy, DX dx, St& dst) {
    using S = typename C::scalar;
    fauna::Batch const& b = *c.batch;
    fauna::Scope scope(c.scratch());
    const auto g = c.scratch().template take_view<S, fauna::dyn, W>(b.rows);
    for (int q = 0; q < b.sequences; ++q)
      for (int i = 0; i < W; ++i) {
        for (int r = b.first(q); r < b.last(q); ++r) g(r, i) = dy(r, i);
        S into{};  // the gradient of the entering state
        if (dst.h) g(b.last(q) - 1, i) += dst.h(q, i);
        for (int r = b.last(q) - 1; r >= b.first(q); --r) {
          const int p = previous(b, q, r);
          dx(r, i) = g(r, i);
          if (p == -2) continue;
          if (dw.a) dw.a(0, i) += g(r, i) * (p >= 0 ? saved.h(p, i) : saved.entering(q, i));
          (p >= 0 ? g(p, i) : into) += g(r, i) * w.a(0, i);
        }
        if (dst.h) dst.h(q, i) = into;
      }
  }
};

/// Layer 0 publishes its input; later layers mix it in: y = x + (stream - x) m. RWKV-7's v_first.
template <fauna::label Name, int W> struct CarryMix : fauna::Elementwise<W> {
  static constexpr const char* kind_name = "CarryMix";
  template <class D> struct Weights { fauna::View<typename D::vector, 1, W> m; };
  template <class Ws, class F> static constexpr void visit(Ws& w, fauna::Place const& at, F&& f) {
    f(fauna::Tensor{.field = "m", .stored = fauna::kind::vector, .rank = 1, .at = at}, w.m);
  }
  template <class C, class Ws, class St, class X, class Y, class Sv>
  static void forward(C const& c, Ws const& w, St&, X x, Y y, Sv&) {
    auto const& stream = *c.template get<Name>().value;
    for (int r = 0; r < x.rows(); ++r)
      for (int i = 0; i < W; ++i) {
        if (c.layer == 0) stream(r, i) = x(r, i);
        y(r, i) = c.layer == 0 ? x(r, i) : x(r, i) + (stream(r, i) - x(r, i)) * w.m(0, i);
      }
  }
  template <class C, class Ws, class G, class X, class Sv, class DY, class DX, class St>
  static void backward(C const& c, Ws const& w, G& dw, X x, Sv&, DY dy, DX dx, St&) {
    using S = typename C::scalar;
    auto const& entry = c.template get<Name>();
    auto const& stream = *entry.value;
    auto const& d = *entry.gradient;
    for (int r = 0; r < x.rows(); ++r)
      for (int i = 0; i < W; ++i) {
        if (c.layer == 0) {
          dx(r, i) = dy(r, i) + d(r, i);
          continue;
        }
        dx(r, i) = dy(r, i) * (S(1) - w.m(0, i));
        d(r, i) += dy(r, i) * w.m(0, i);
        if (dw.m) dw.m(0, i) += dy(r, i) * (stream(r, i) - x(r, i));
      }
  }
};

/// The identity, with two side losses: the mean over rows of |x_r|², and that of Σ_i x_ri.
template <int W> struct SquareLoss : fauna::Elementwise<W> {
  static constexpr const char* kind_name = "SquareLoss";
  template <class C, class Ws, class St, class X, class Y, class Sv>
  static void forward(C const& c, Ws const&, St&, X x, Y y, Sv&) {
    using S = typename C::scalar;
    S squares{}, sum{};
    for (int r = 0; r < x.rows(); ++r)
      for (int i = 0; i < W; ++i) {
        y(r, i) = x(r, i);
        squares += x(r, i) * x(r, i);
        sum += x(r, i);
      }
    const S each = static_cast<S>(1.0 / x.rows());
    if (auto const l = c.side_loss("square", 0.5); l.value) *l.value += each * squares;
    if (auto const l = c.side_loss("sum", 2); l.value) *l.value += each * sum;
  }
  template <class C, class Ws, class G, class X, class Sv, class DY, class DX, class St>
  static void backward(C const& c, Ws const&, G&, X x, Sv&, DY dy, DX dx, St&) {
    using S = typename C::scalar;
    const double each = c.loss_scale / x.rows();
    const S square = static_cast<S>(2 * each * c.side_loss("square", 0.5).weight),
            sum = static_cast<S>(each * c.side_loss("sum", 2).weight);
    for (int r = 0; r < x.rows(); ++r)
      for (int i = 0; i < W; ++i) dx(r, i) = dy(r, i) + square * x(r, i) + sum;
  }
};

}  // namespace test
