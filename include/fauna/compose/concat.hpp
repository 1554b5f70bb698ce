// Concat<A, B, ...>: blocks that read the same rows and write side by side: y = [A(x) | B(x) | ...].
#pragma once
#include <fauna/compose/branches.hpp>

namespace fauna::inline v0 {

template <Block... Bs> struct Concat : Branches<Bs...> {
  using composition = Concat;
  template <class... New> using with = Concat<New...>;
  using Base = Branches<Bs...>;
  using Base::count;
  template <std::size_t I> using Child = nth<I, Bs...>;
  static constexpr int out = (Bs::out + ...);
  using fault = typename Base::branch_fault;
  static constexpr bool adds_y = (Bs::adds_y && ...);
  template <class C> using X = typename Base::template X<C>;
  template <class C> using DX = typename Base::template DX<C>;
  template <class C> using Y = View<typename C::scalar, dyn, out>;
  template <class C> using DY = View<const typename C::scalar, dyn, out>;
  template <class S> struct Saved { Tuple<typename Bs::template Saved<S>...> child; };

  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    each_index<count>([&](auto i) { Child<i>::plan(at<i>(s.child), shape, a); });
  }
  template <class B> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    Base::template plan_gradients<B>(shape, a);
  }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St& state, X<C> x, Y<C> y, Sv& saved) {
    each_index<count>([&](auto i) {
      C own = c.child(i);
      if (own.into.base != nullptr) own.into.base += from<i>();
      Child<i>::forward(own, at<i>(w), at<i>(state), x, y.template columns<from<i>(), Child<i>::out>(),
                        at<i>(saved.child));
    });
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, X<C> x, Sv& saved, DY<C> dy, DX<C> dx, St& dstate) {
    const auto part = [&](auto i) { return dy.template columns<from<i>(), Child<i>::out>(); };
    Base::add_gradients(c, w, dw, x, saved.child, part, dx, dstate);
  }

 private:
  /// The column at which child I starts.
  template <std::size_t I> static constexpr int from() {
    int sum = 0;
    each_index<I>([&](auto i) { sum += Child<i>::out; });
    return sum;
  }
};

}  // namespace fauna::inline v0
