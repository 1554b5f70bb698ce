// Seq<A, B, ...>: one block after another.
#pragma once
#include <fauna/compose/again.hpp>
#include <fauna/compose/at.hpp>
#include <fauna/compose/fuse.hpp>
#include <fauna/core/block.hpp>
#include <fauna/core/concepts.hpp>
#include <fauna/core/fault.hpp>
#include <fauna/core/tuple.hpp>

namespace fauna::inline v0 {

/// Neighbours must agree on the width between them.
template <class... Bs> struct chain_fault_ { using type = void; };
template <class A> struct chain_fault_<A> { using type = typename A::fault; };
template <class A, class B, class... R> struct chain_fault_<A, B, R...> {
  using link = std::conditional_t<A::out == B::in, void, widths_differ<bare<A>, bare<B>, A::out, B::in>>;
  using type = first_fault<typename A::fault, link, typename chain_fault_<B, R...>::type>;
};

/// Training keeps what flows between the children; inference takes it from scratch. A block that works in place
/// writes over its predecessor's output, and what a block that runs again (compose/again.hpp) gives is not kept.
template <Block... Bs> struct Seq {
  using composition = Seq;
  using children = Children<Bs...>;
  template <class... New> using with = Seq<New...>;
  static constexpr std::size_t count = sizeof...(Bs);
  template <std::size_t I> using Child = nth<I, Bs...>;
  using First = Child<0>;
  using Last = Child<count - 1>;

  static constexpr int in = First::in, out = Last::out;
  using fault = typename chain_fault_<Bs...>::type;
  static constexpr bool adds_y = Last::adds_y, adds_dx = First::adds_dx, in_place = false;
  static constexpr std::size_t parameters = (count_parameters<Bs>() + ...);
  static constexpr double flops(double context) { return (Bs::flops(context) + ...); }

  template <class C> using X = typename First::template X<C>;
  template <class C> using DX = typename First::template DX<C>;
  template <class C> using Y = typename Last::template Y<C>;
  template <class C> using DY = typename Last::template DY<C>;
  template <class D> using Weights = Tuple<typename Bs::template Weights<D>...>;
  template <class S> using State = Tuple<typename Bs::template State<S>...>;
  template <class S> struct Saved {
    Tuple<typename Bs::template Saved<S>...> child;
    Tuple<View<S, dyn, Bs::out>...> y;  ///< what child I gives to child I + 1
  };

  template <class W, class F> static constexpr void visit(W& w, Place const& place, F&& f) {
    each_index<count>([&](auto i) { Child<i>::visit(at<i>(w), place, f); });
  }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    each_index<count>([&](auto i) {
      Child<i>::plan(at<i>(s.child), shape, a);
      if constexpr (i + 1 < count) {
        if constexpr (overwrites<i>()) at<i>(s.y) = at<i - 1>(s.y);
        else if constexpr (!again<i>) at<i>(s.y) = a.take_view<S, dyn, Child<i>::out>(shape.rows());
      }
    });
  }
  template <class S> static constexpr void plan_state(State<S>& s, Shape const& shape, Arena& a) {
    each_index<count>([&](auto i) { Child<i>::plan_state(at<i>(s), shape, a); });
  }
  template <class F, class... St> static constexpr void visit_state(F&& f, St&... s) {
    each_index<count>([&](auto i) { Child<i>::visit_state(f, at<i>(s)...); });
  }
  template <class B> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    using S = typename B::scalar;
    {
      Scope forward(a);
      each_index<count>([&](auto i) {
        if constexpr (i + 1 < count)
          if (!overwrites<i>()) a.take_view<S, dyn, Child<i>::out>(shape.rows());
        Child<i>::template plan_scratch<B>(shape, a);
      });
    }
    if (!shape.backward) return;
    Scope backward(a);
    each_index<count>([&](auto k) {
      constexpr std::size_t i = count - 1 - k;
      if constexpr (i > 0)
        if (!overwrites<i>()) a.take_view<S, dyn, Child<i>::in>(shape.rows());
      if constexpr (i > 0)
        if constexpr (again<i - 1>) plan_again<i - 1, B>(shape, a);
      if constexpr (fuses_backward<i>())
        if constexpr (again<i - 2>) plan_again<i - 2, B>(shape, a);
      Child<i>::template plan_scratch<B>(shape, a);
    });
  }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St& state, X<C> x, Y<C> y, Sv& saved) {
    Scope s(c.scratch());
    forward_from<0>(c, w, state, x, y, saved);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, X<C> x, Sv& saved, DY<C> dy, DX<C> dx, St& dstate) {
    Scope s(c.scratch());
    backward_from<count - 1>(c, w, dw, x, saved, dy, dx, dstate);
  }

 private:
  /// Child I writes its output over its input: both are this Seq's own.
  template <std::size_t I> static constexpr bool overwrites() {
    if constexpr (I > 0 && I + 1 < count) return Child<I>::in_place && I > 0;
    else return false;
  }
  /// What child I gives is not kept, and the next child keeps what it gives. Backward runs child I again.
  template <std::size_t I>
  static constexpr bool again = I + 1 < count&& runs_again<Child<I>> && !runs_again<Child<I + (I + 1 < count)>> &&
                                !overwrites<I>() && !overwrites<I + (I + 1 < count)>();
  template <std::size_t I, class B> static constexpr void plan_again(Shape const& shape, Arena& a) {
    a.take_view<typename B::scalar, dyn, Child<I>::out>(shape.rows());
    Child<I>::template plan_scratch<B>(shape, a);
  }
  template <std::size_t I, class C, class W, class Sv>
  static void run_again(C const& c, W const& w, X<C> x, Sv& saved) {
    at<I>(saved.y) = c.scratch().template take_view<typename C::scalar, dyn, Child<I>::out>(x.rows());
    C run = c.child(I).overwriting();
    run.mode = mode::recompute;
    typename Child<I>::template State<typename C::scalar> none{};
    if constexpr (I == 0) Child<I>::forward(run, at<I>(w), none, x, at<I>(saved.y), at<I>(saved.child));
    else Child<I>::forward(run, at<I>(w), none, as_const(at<I - 1>(saved.y)), at<I>(saved.y), at<I>(saved.child));
  }
  template <std::size_t I> static constexpr bool fuses_forward() {
    if constexpr (I + 2 < count) return Fusion<bare<Child<I>>, bare<Child<I + 1>>>::fuses_forward;
    else return false;
  }
  template <std::size_t I> static constexpr bool fuses_backward() {
    if constexpr (I >= 2) return Fusion<bare<Child<I - 1>>, bare<Child<I>>>::fuses_backward;
    else return false;
  }

  template <std::size_t I, class C, class V, class Sv> static auto between(C const& c, V const& x, Sv& saved) {
    if constexpr (overwrites<I>())
      return View<typename C::scalar, dyn, Child<I>::out>(const_cast<typename C::scalar*>(x.data()), x.rows());
    else if (c.keeps() && !again<I>) return at<I>(saved.y);
    else return c.scratch().template take_view<typename C::scalar, dyn, Child<I>::out>(x.rows());
  }

  template <std::size_t I, class C, class W, class St, class V, class Sv>
  static void forward_from(C const& c, W const& w, St& state, V x, Y<C> y, Sv& saved) {
    if constexpr (I + 1 == count) {
      Child<I>::forward(c.child(I), at<I>(w), at<I>(state), x, y, at<I>(saved.child));
    } else {
      const auto m = between<I>(c, x, saved);
      if constexpr (fuses_forward<I>()) {
        const auto n = between<I + 1>(c, as_const(m), saved);
        Fusion<bare<Child<I>>, bare<Child<I + 1>>>::forward(c.overwriting(), at<I>(w), x, m, n);
        show_label<Child<I>>(c, false, as_const(m));
        show_label<Child<I + 1>>(c, false, as_const(n));
        forward_from<I + 2>(c, w, state, as_const(n), y, saved);
      } else {
        Child<I>::forward(c.child(I).overwriting(), at<I>(w), at<I>(state), x, m, at<I>(saved.child));
        forward_from<I + 1>(c, w, state, as_const(m), y, saved);
      }
    }
  }

  template <std::size_t I, class C, class W, class G, class Sv, class V, class St>
  static void backward_from(C const& c, W const& w, G& dw, X<C> x, Sv& saved, V dy, DX<C> dx, St& dstate) {
    if constexpr (fuses_backward<I>())
      if constexpr (again<I - 2>) run_again<I - 2>(c, w, x, saved);
    if constexpr (I > 0)
      if constexpr (again<I - 1>) run_again<I - 1>(c, w, x, saved);
    if constexpr (I == 0) {
      Child<0>::backward(c.child(0), at<0>(w), at<0>(dw), x, at<0>(saved.child), dy, dx, at<0>(dstate));
    } else if constexpr (fuses_backward<I>()) {
      const auto g = c.scratch().template take_view<typename C::scalar, dyn, Child<I - 1>::in>(dy.rows());
      show_label<Child<I>>(c, true, dy);
      Fusion<bare<Child<I - 1>>, bare<Child<I>>>::backward(
          c.overwriting(), at<I>(w), at<I>(dw), as_const(at<I - 2>(saved.y)), as_const(at<I - 1>(saved.y)), dy, g);
      backward_from<I - 2>(c, w, dw, x, saved, as_const(g), dx, dstate);
    } else {
      using S = typename C::scalar;
      View<S, dyn, Child<I>::in> g;
      if constexpr (overwrites<I>()) g = View<S, dyn, Child<I>::in>(const_cast<S*>(dy.data()), dy.rows());
      else g = c.scratch().template take_view<S, dyn, Child<I>::in>(dy.rows());
      Child<I>::backward(c.child(I).overwriting(), at<I>(w), at<I>(dw), as_const(at<I - 1>(saved.y)),
                         at<I>(saved.child), dy, g, at<I>(dstate));
      backward_from<I - 1>(c, w, dw, x, saved, as_const(g), dx, dstate);
    }
  }
};

}  // namespace fauna::inline v0
