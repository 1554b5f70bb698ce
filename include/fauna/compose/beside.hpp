// Beside<A, B, ...>: blocks that stand side by side, each with columns of its own: [A(x_a) | B(x_b) | ...] of rows
// [x_a | x_b | ...].
#pragma once
#include <fauna/compose/branches.hpp>

namespace fauna::inline v0 {

template <Block... Bs> struct Beside : Branches<Bs...> {
  using composition = Beside;
  template <class... New> using with = Beside<New...>;
  using Base = Branches<Bs...>;
  using Base::count;
  template <std::size_t I> using Child = nth<I, Bs...>;
  static constexpr int in = (Bs::in + ...), out = (Bs::out + ...);
  using fault = first_fault<typename Bs::fault...>;
  static constexpr bool adds_y = (Bs::adds_y && ...), adds_dx = (Bs::adds_dx && ...);
  template <class C> using X = View<const typename C::scalar, dyn, in>;
  template <class C> using DX = View<typename C::scalar, dyn, in>;
  template <class C> using Y = View<typename C::scalar, dyn, out>;
  template <class C> using DY = View<const typename C::scalar, dyn, out>;
  template <class S> using Saved = Tuple<typename Bs::template Saved<S>...>;

  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    each_index<count>([&](auto i) { Child<i>::plan(at<i>(s), shape, a); });
  }
  template <class B> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    (Bs::template plan_scratch<B>(shape, a), ...);
  }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St& state, X<C> x, Y<C> y, Sv& saved) {
    each_index<count>([&](auto i) {
      Child<i>::forward(child<i>(c, from_out<i>()), at<i>(w), at<i>(state),
                        x.template columns<from_in<i>(), Child<i>::in>(),
                        y.template columns<from_out<i>(), Child<i>::out>(), at<i>(saved));
    });
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, X<C> x, Sv& saved, DY<C> dy, DX<C> dx, St& dstate) {
    each_index<count>([&](auto i) {
      Child<i>::backward(child<i>(c, from_in<i>()), at<i>(w), at<i>(dw),
                         x.template columns<from_in<i>(), Child<i>::in>(), at<i>(saved),
                         dy.template columns<from_out<i>(), Child<i>::out>(),
                         dx.template columns<from_in<i>(), Child<i>::in>(), at<i>(dstate));
    });
  }

 private:
  /// The call of child I, whose base begins at a column.
  template <std::size_t I, class C> static C child(C const& c, int column) {
    C own = c.child(I);
    if (own.into.base != nullptr) own.into.base += column;
    return own;
  }
  template <std::size_t I> static constexpr int from_in() {
    int sum = 0;
    each_index<I>([&](auto i) { sum += Child<i>::in; });
    return sum;
  }
  template <std::size_t I> static constexpr int from_out() {
    int sum = 0;
    each_index<I>([&](auto i) { sum += Child<i>::out; });
    return sum;
  }
};

}  // namespace fauna::inline v0
