// Values that cross layers. Share owns a block's weights once under a name and Use runs that block wherever it stands
// (Zamba2's shared attention, tied heads); Carry owns a stream of rows that one layer publishes and later layers read
// (RWKV-7's first value), with its gradient on the way back.
#pragma once
#include <fauna/compose/at.hpp>
#include <fauna/core/tuple.hpp>
#include <fauna/ops/add/op.hpp>

namespace fauna::inline v0 {

/// B with the weights that are in scope under Name. No parameters of its own; state and saved activations are its own.
template <label Name, class B> struct Use : B {
  using composition = Use;
  using children = Children<B>;
  template <class... New> using with = Use<Name, New...>;
  static std::string child_name(std::size_t) { return {}; }
  static constexpr std::size_t parameters = 0;
  template <class D> struct Weights {};
  template <class W, class F> static constexpr void visit(W&, Place const&, F&&) {}

  template <class C, class W, class St, class V, class O, class Sv>
  static void forward(C const& c, W const&, St& state, V x, O y, Sv& saved) {
    B::forward(c, *c.template get<Name>().value, state, x, y, saved);
  }
  template <class C, class W, class G, class V, class Sv, class DY, class DX, class St>
  static void backward(C const& c, W const&, G&, V x, Sv& saved, DY dy, DX dx, St& dstate) {
    auto const& shared = c.template get<Name>();
    B::backward(c, *shared.value, *shared.gradient, x, saved, dy, dx, dstate);
  }
};

/// B with the weights of part I of the block that is in scope under Name: blocks that share weights in places, and
/// have others of their own between them.
template <label Name, std::size_t I, class B> struct UsePart : B {
  using composition = UsePart;
  using children = Children<B>;
  template <class... New> using with = UsePart<Name, I, New...>;
  static std::string child_name(std::size_t) { return {}; }
  static constexpr std::size_t parameters = 0;
  template <class D> struct Weights {};
  template <class W, class F> static constexpr void visit(W&, Place const&, F&&) {}

  template <class C, class W, class St, class V, class O, class Sv>
  static void forward(C const& c, W const&, St& state, V x, O y, Sv& saved) {
    B::forward(c, at<I>(*c.template get<Name>().value), state, x, y, saved);
  }
  template <class C, class W, class G, class V, class Sv, class DY, class DX, class St>
  static void backward(C const& c, W const&, G&, V x, Sv& saved, DY dy, DX dx, St& dstate) {
    auto const& shared = c.template get<Name>();
    B::backward(c, at<I>(*shared.value), at<I>(*shared.gradient), x, saved, dy, dx, dstate);
  }
};

/// What Share and Carry have in common: everything is the body's, and one name more is in scope inside.
template <class Body> struct Scoped {
  static constexpr int in = Body::in, out = Body::out;
  using fault = typename Body::fault;
  static constexpr bool adds_y = Body::adds_y, adds_dx = Body::adds_dx, in_place = false;
  static constexpr double flops(double context) { return Body::flops(context); }
  template <class C> using X = typename Body::template X<C>;
  template <class C> using DX = typename Body::template DX<C>;
  template <class C> using Y = typename Body::template Y<C>;
  template <class C> using DY = typename Body::template DY<C>;
  template <class S> using State = typename Body::template State<S>;
  template <class S> static constexpr void plan_state(State<S>& s, Shape const& shape, Arena& a) {
    Body::plan_state(s, shape, a);
  }
  template <class F, class... St> static constexpr void visit_state(F&& f, St&... s) { Body::visit_state(f, s...); }
};

/// Owns the weights of B under Name; inside Body, Use<Name, B> runs it.
template <label Name, class B, class Body> struct Share : Scoped<Body> {
  using composition = Share;
  using children = Children<B, Body>;
  template <class... New> using with = Share<Name, New...>;
  static std::string child_name(std::size_t i) { return i == 0 ? std::string(Name.view()) : std::string(); }
  using Base = Scoped<Body>;
  template <class C> using X = typename Base::template X<C>;
  template <class C> using DX = typename Base::template DX<C>;
  template <class C> using Y = typename Base::template Y<C>;
  template <class C> using DY = typename Base::template DY<C>;
  static constexpr std::size_t parameters = count_parameters<B>() + count_parameters<Body>();
  template <class D> struct Weights {
    typename B::template Weights<D> shared;
    typename Body::template Weights<D> body;
  };
  template <class S> using Saved = typename Body::template Saved<S>;

  template <class W, class F> static constexpr void visit(W& w, Place const& place, F&& f) {
    At<Name, B>::visit(w.shared, place, f);
    Body::visit(w.body, place, f);
  }
  template <class Sv> static constexpr void plan(Sv& s, Shape const& shape, Arena& a) { Body::plan(s, shape, a); }
  template <class Bk> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    Body::template plan_scratch<Bk>(shape, a);
  }
  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St& state, X<C> x, Y<C> y, Sv& saved) {
    auto const frame = c.template frame<Name>(w.shared, static_cast<None*>(nullptr));
    Body::forward(c.with(frame), w.body, state, x, y, saved);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, X<C> x, Sv& saved, DY<C> dy, DX<C> dx, St& dstate) {
    auto const frame = c.template frame<Name>(w.shared, &dw.shared);
    Body::backward(c.with(frame), w.body, dw.body, x, saved, dy, dx, dstate);
  }
};

/// Owns a stream of rows, Width wide, under Name. In Body one block writes `*c.get<Name>().value` before any reads it;
/// each reader adds to `*c.get<Name>().gradient` in backward, and the writer takes that gradient in with its own.
template <label Name, int Width, class Body> struct Carry : Scoped<Body> {
  using composition = Carry;
  using children = Children<Body>;
  template <class... New> using with = Carry<Name, Width, New...>;
  using Base = Scoped<Body>;
  template <class C> using X = typename Base::template X<C>;
  template <class C> using DX = typename Base::template DX<C>;
  template <class C> using Y = typename Base::template Y<C>;
  template <class C> using DY = typename Base::template DY<C>;
  static constexpr std::size_t parameters = count_parameters<Body>();
  template <class D> using Weights = typename Body::template Weights<D>;
  template <class S> struct Saved {
    View<S, dyn, Width> stream;
    typename Body::template Saved<S> body;
  };

  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) { Body::visit(w, at, f); }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    s.stream = a.take_view<S, dyn, Width>(shape.rows());
    Body::plan(s.body, shape, a);
  }
  template <class Bk> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    Scope s(a);
    a.take_view<typename Bk::scalar, dyn, Width>(shape.rows());
    Body::template plan_scratch<Bk>(shape, a);
  }
  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St& state, X<C> x, Y<C> y, Sv& saved) {
    Scope s(c.scratch());
    const auto stream =
        c.keeps() ? saved.stream : c.scratch().template take_view<typename C::scalar, dyn, Width>(x.rows());
    auto const frame = c.template frame<Name>(stream, static_cast<None*>(nullptr));
    Body::forward(c.with(frame), w, state, x, y, saved.body);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, X<C> x, Sv& saved, DY<C> dy, DX<C> dx, St& dstate) {
    Scope s(c.scratch());
    auto gradient = c.scratch().template take_view<typename C::scalar, dyn, Width>(x.rows());
    add<typename C::backend_type>::clear(c.backend, gradient);
    auto const frame = c.template frame<Name>(saved.stream, &gradient);
    Body::backward(c.with(frame), w, dw, x, saved.body, dy, dx, dstate);
  }
};

}  // namespace fauna::inline v0
