// Small blocks that exercise what no real block of this release needs yet: a recurrent state, a carried stream, a side
// loss.
#pragma once
#include <fauna/core/block.hpp>

namespace test {

/// h_r = a h_prev + x_r, y_r = h_r. prev is the row that r continues (the tree's parent where there is a tree); a
/// packed document starts from zero, a sequence from its entering state; the last row's h leaves.
template <int W> struct Scan : fauna::SameWidth<W> {
  static constexpr const char* kind_name = "Scan";
  template <class D> struct Weights { typename D::template storage<fauna::kind::vector> a; };
  template <class S> struct State {
    fauna::View<S, fauna::dyn, W> h;  // one row a sequence
  };
  template <class S> struct Saved { fauna::View<S, fauna::dyn, W> entering, h; };
  template <class Ws, class F> static constexpr void visit(Ws& w, fauna::Place const& at, F&& f) {
    f(fauna::Tensor{.field = "a", .rows = 1, .cols = W, .stored = fauna::kind::vector, .at = at}, w.a);
  }
  template <class S> static constexpr void plan(Saved<S>& s, fauna::Shape const& shape, fauna::Arena& a) {
    s.entering = a.take_view<S, fauna::dyn, W>(shape.sequences);
    s.h = a.take_view<S, fauna::dyn, W>(shape.rows());
  }
  template <class S> static constexpr void plan_state(State<S>& s, fauna::Shape const& shape, fauna::Arena& a) {
    s.h = a.take_view<S, fauna::dyn, W>(shape.sequences);
  }
  template <class F, class... St> static constexpr void visit_state(F&& f, St&... s) { f(fauna::StatePiece{}, s.h...); }
  template <class B> static constexpr void plan_scratch(fauna::Shape const& shape, fauna::Arena& a) {
    fauna::Scope s(a);
    a.take_view<typename B::scalar, fauna::dyn, W>(shape.rows());
  }

  template <class C, class Ws, class St, class X, class Y, class Sv>
  static void forward(C const& c, Ws const& w, St& st, X x, Y y, Sv& saved) {
    using S = typename C::scalar;
    fauna::Batch const& b = *c.batch;
    for (int q = 0; q < b.sequences; ++q)
      for (int i = 0; i < W; ++i) {
        const S entering = st.h ? static_cast<S>(st.h(q, i)) : S{};
        if (c.keeps()) saved.entering(q, i) = entering;
        for (int r = b.first(q); r < b.last(q); ++r) {
          const int p = b.continues(q, r);
          y(r, i) = w.a(0, i) * (p >= 0 ? y(p, i) : p == b.the_state ? entering : S{}) + x(r, i);
          if (c.keeps()) saved.h(r, i) = y(r, i);
        }
        if (st.h && b.last(q) > b.first(q))
          st.h(q, i) = static_cast<typename decltype(st.h)::element>(y(b.last(q) - 1, i));
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
        if (b.last(q) == b.first(q)) continue;  // what leaves is what entered
        for (int r = b.first(q); r < b.last(q); ++r) g(r, i) = dy(r, i);
        S into{};  // the gradient of the entering state
        if (dst.h) g(b.last(q) - 1, i) += static_cast<S>(dst.h(q, i));
        for (int r = b.last(q) - 1; r >= b.first(q); --r) {
          const int p = b.continues(q, r);
          dx(r, i) = g(r, i);
          if (p == b.nothing) continue;
          if (dw.a) dw.a(0, i) += g(r, i) * (p >= 0 ? saved.h(p, i) : saved.entering(q, i));
          (p >= 0 ? g(p, i) : into) += g(r, i) * w.a(0, i);
        }
        if (dst.h) dst.h(q, i) = static_cast<typename decltype(dst.h)::element>(into);
      }
  }
};

/// Layer 0 publishes its input; later layers mix it in: y = x + (stream - x) m. RWKV-7's v_first.
template <fauna::label Name, int W> struct CarryMix : fauna::SameWidth<W> {
  static constexpr const char* kind_name = "CarryMix";
  template <class D> struct Weights { typename D::template storage<fauna::kind::vector> m; };
  template <class Ws, class F> static constexpr void visit(Ws& w, fauna::Place const& at, F&& f) {
    f(fauna::Tensor{.field = "m", .rows = 1, .cols = W, .stored = fauna::kind::vector, .at = at}, w.m);
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
template <int W> struct SquareLoss : fauna::SameWidth<W> {
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

/// y = x + offset, where offset [W] is a buffer: after each update it moves against the sign of how often its column
/// was the largest of a row, beyond its share (a router's balance without a loss: Wang et al. 2024, algorithm 1).
template <int W> struct Balance : fauna::SameWidth<W> {
  static constexpr const char* kind_name = "Balance";
  template <class D> struct Weights { typename D::template storage<fauna::kind::control> offset; };
  template <class Ws, class F> static constexpr void visit(Ws& w, fauna::Place const& at, F&& f) {
    f(fauna::Tensor{.field = "offset",
                    .rows = 1,
                    .cols = W,
                    .stored = fauna::kind::control,
                    .is = fauna::role::buffer,
                    .at = at,
                    .after_update = move},
      w.offset);
  }
  static void move(fauna::Tensor const&, double* offset, const double* times) {
    double all = 0;
    for (int i = 0; i < W; ++i) all += times[i];
    for (int i = 0; i < W; ++i) offset[i] += times[i] * W > all ? -0.125 : times[i] * W < all ? 0.125 : 0;
  }
  template <class C, class Ws, class St, class X, class Y, class Sv>
  static void forward(C const&, Ws const& w, St&, X x, Y y, Sv&) {
    for (int r = 0; r < x.rows(); ++r)
      for (int i = 0; i < W; ++i) y(r, i) = x(r, i) + w.offset(0, i);
  }
  template <class C, class Ws, class G, class X, class Sv, class DY, class DX, class St>
  static void backward(C const&, Ws const&, G& dw, X x, Sv&, DY dy, DX dx, St&) {
    using S = typename C::scalar;
    const auto times = fauna::gradient<S>(dw.offset);
    for (int r = 0; r < x.rows(); ++r) {
      int largest = 0;
      for (int i = 1; i < W; ++i) largest = x(r, i) > x(r, largest) ? i : largest;
      if (times) times(0, largest) += S(1);
      for (int i = 0; i < W; ++i) dx(r, i) = dy(r, i);
    }
  }
};

/// y_r = taps_0 x_r + taps_1 x_before, column by column: a causal convolution over the row that r continues, be it the
/// last one of the call before. The taps [W, 2] have three dimensions in files, [W, 1, 2], and start as no distribution
/// has them.
template <int W> struct Taps : fauna::SameWidth<W> {
  static constexpr const char* kind_name = "Taps";
  template <class D> struct Weights { typename D::template storage<fauna::kind::matrix> taps; };
  template <class S> struct State {
    fauna::View<S, fauna::dyn, W> x;  // the last row
  };
  template <class S> struct Saved { fauna::View<S, fauna::dyn, W> entering; };
  template <class Ws, class F> static constexpr void visit(Ws& w, fauna::Place const& at, F&& f) {
    f(fauna::Tensor{.field = "taps",
                    .rows = W,
                    .cols = 2,
                    .file = {W, 1, 2},
                    .decays = fauna::decay::no,
                    .lr_scale = 0.5F,
                    .at = at,
                    .draw_rows = start},
      w.taps);
  }
  static void start(fauna::Filling const& f, float* to) {
    f.each(to, [&f](int r, int c) { return c == 0 ? 1.0 : 0.125 * (r + f.layer); });
  }
  template <class S> static constexpr void plan(Saved<S>& s, fauna::Shape const& shape, fauna::Arena& a) {
    s.entering = a.take_view<S, fauna::dyn, W>(shape.sequences);
  }
  template <class S> static constexpr void plan_state(State<S>& s, fauna::Shape const& shape, fauna::Arena& a) {
    s.x = a.take_view<S, fauna::dyn, W>(shape.sequences);
  }
  template <class F, class... St> static constexpr void visit_state(F&& f, St&... s) { f(fauna::StatePiece{}, s.x...); }
  template <class C, class Ws, class St, class X, class Y, class Sv>
  static void forward(C const& c, Ws const& w, St& st, X x, Y y, Sv& saved) {
    using S = typename C::scalar;
    fauna::Batch const& b = *c.batch;
    for (int q = 0; q < b.sequences; ++q)
      for (int i = 0; i < W; ++i) {
        const S entering = st.x ? static_cast<S>(st.x(q, i)) : S{};
        if (c.keeps()) saved.entering(q, i) = entering;
        for (int r = b.first(q); r < b.last(q); ++r) {
          const int p = b.ancestor(q, r, 1);
          y(r, i) = w.taps(i, 0) * x(r, i) + w.taps(i, 1) * (p >= 0 ? x(p, i) : p == b.the_state ? entering : S{});
        }
        if (st.x && b.last(q) > b.first(q))
          st.x(q, i) = static_cast<typename decltype(st.x)::element>(x(b.last(q) - 1, i));
      }
  }
  template <class C, class Ws, class G, class X, class Sv, class DY, class DX, class St>
  static void backward(C const& c, Ws const& w, G& dw, X x, Sv& saved, DY dy, DX dx, St& dst) {
    using S = typename C::scalar;
    using Element = typename decltype(dst.x)::element;
    fauna::Batch const& b = *c.batch;
    const auto g = fauna::gradient<S>(dw.taps);
    for (int q = 0; q < b.sequences; ++q)
      for (int i = 0; i < W; ++i) {
        if (b.last(q) == b.first(q)) continue;
        for (int r = b.first(q); r < b.last(q); ++r) dx(r, i) = w.taps(i, 0) * dy(r, i);
        if (dst.x) dx(b.last(q) - 1, i) += static_cast<S>(dst.x(q, i));
        S into{};
        for (int r = b.first(q); r < b.last(q); ++r) {
          const int p = b.ancestor(q, r, 1);
          if (g) g(i, 0) += dy(r, i) * x(r, i);
          if (p == b.nothing) continue;
          (p >= 0 ? dx(p, i) : into) += w.taps(i, 1) * dy(r, i);
          if (g) g(i, 1) += dy(r, i) * (p >= 0 ? x(p, i) : saved.entering(q, i));
        }
        if (dst.x) dst.x(q, i) = static_cast<Element>(into);
      }
  }
};

}  // namespace test
