// What Concat and Parallel have in common: several blocks read the same rows. The gradient of those rows is the sum
// over the branches, in order:
//   dx = base + A.dx + B.dx + ...
#pragma once
#include <fauna/compose/children.hpp>
#include <fauna/core/block.hpp>
#include <fauna/core/concepts.hpp>
#include <fauna/core/fault.hpp>
#include <fauna/core/tuple.hpp>
#include <fauna/ops/add/op.hpp>

namespace fauna::inline v0 {

template <Block... Bs> struct Branches {
  using children = Children<Bs...>;
  static constexpr std::size_t count = sizeof...(Bs);
  template <std::size_t I> using Child = nth<I, Bs...>;
  using First = Child<0>;

  static constexpr int in = First::in;
  using branch_fault = first_fault<
      typename Bs::fault...,
      std::conditional_t<Bs::in == in, void, branches_read_other_widths<bare<First>, bare<Bs>, in, Bs::in>>...>;
  static constexpr bool adds_dx = true, in_place = false;
  static constexpr std::size_t parameters = (count_parameters<Bs>() + ...);
  static constexpr double flops(double context) { return (Bs::flops(context) + ...); }

  template <class C> using X = typename First::template X<C>;
  template <class C> using DX = typename First::template DX<C>;
  template <class D> using Weights = Tuple<typename Bs::template Weights<D>...>;
  template <class S> using State = Tuple<typename Bs::template State<S>...>;

  template <class W, class F> static constexpr void visit(W& w, Place const& place, F&& f) {
    each_index<count>([&](auto i) { Child<i>::visit(at<i>(w), place, f); });
  }
  template <class S> static constexpr void plan_state(State<S>& s, Shape const& shape, Arena& a) {
    each_index<count>([&](auto i) { Child<i>::plan_state(at<i>(s), shape, a); });
  }
  template <class F, class... St> static constexpr void visit_state(F&& f, St&... s) {
    each_index<count>([&](auto i) { Child<i>::visit_state(f, at<i>(s)...); });
  }

 protected:
  /// dx of all branches; dy_of(i) is the gradient that branch i gets. The first branch starts from the call's base, the
  /// others from dx; one that cannot add is added.
  template <class C, class W, class G, class Sv, class DY, class St>
  static void add_gradients(C const& c, W const& w, G& dw, X<C> x, Sv& child, DY&& dy_of, DX<C> dx, St& dstate) {
    auto before = c.into.template view<in>(x.rows());
    each_index<count>([&](auto i) {
      if constexpr (Child<i>::adds_dx) {
        Child<i>::backward(c.child(i).onto(before), at<i>(w), at<i>(dw), x, at<i>(child), dy_of(i), dx, at<i>(dstate));
      } else {
        Scope s(c.scratch());
        const auto t = c.scratch().template take_view<typename C::scalar, dyn, in>(x.rows());
        Child<i>::backward(c.child(i).overwriting(), at<i>(w), at<i>(dw), x, at<i>(child), dy_of(i), t, at<i>(dstate));
        add<typename C::backend_type>::run(c.backend, t, before, dx);
      }
      before = as_const(dx);
    });
  }
  template <class B> static constexpr void plan_gradients(Shape const& shape, Arena& a) {
    each_index<count>([&](auto i) {
      Scope s(a);
      if constexpr (!Child<i>::adds_dx)
        if (shape.backward) a.take_view<typename B::scalar, dyn, in>(shape.rows());
      Child<i>::template plan_scratch<B>(shape, a);
    });
  }
};

}  // namespace fauna::inline v0
