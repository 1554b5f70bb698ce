// Parallel<A, B, ...>: blocks that read the same rows and whose outputs are added: y = A(x) + B(x) + ... In a residual,
// attention and MLP of a layer side by side (Wang and Komatsuzaki 2021, GPT-J): Residual<Parallel<Seq<Norm, A>,
// Seq<Norm, B>>> with two norms, Residual<Seq<Norm, Parallel<A, B>>> with one.
#pragma once
#include <fauna/compose/branches.hpp>

namespace fauna::inline v0 {

template <Block... Bs> struct Parallel : Branches<Bs...> {
  using composition = Parallel;
  template <class... New> using with = Parallel<New...>;
  static std::string child_name(std::size_t) { return "+"; }
  using Base = Branches<Bs...>;
  using Base::count;
  template <std::size_t I> using Child = nth<I, Bs...>;
  static constexpr int out = Child<0>::out;
  using fault = first_fault<
      typename Base::branch_fault,
      std::conditional_t<Bs::out == out, void, branches_write_other_widths<bare<Child<0>>, bare<Bs>, out, Bs::out>>...>;
  static constexpr bool adds_y = true;
  template <class C> using X = typename Base::template X<C>;
  template <class C> using DX = typename Base::template DX<C>;
  template <class C> using Y = View<typename C::scalar, dyn, out>;
  template <class C> using DY = View<const typename C::scalar, dyn, out>;
  template <class S> struct Saved {
    Tuple<typename Bs::template Saved<S>...> child;
    View<S, dyn, out> apart[count];  ///< outputs of those that cannot add: they may read them in backward
  };

  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    each_index<count>([&](auto i) {
      if constexpr (!Child<i>::adds_y) s.apart[i] = a.take_view<S, dyn, out>(shape.rows());
      Child<i>::plan(at<i>(s.child), shape, a);
    });
  }
  template <class B> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    Base::template plan_gradients<B>(shape, a);
    each_index<count>([&](auto i) {
      Scope s(a);
      if constexpr (!Child<i>::adds_y) a.take_view<typename B::scalar, dyn, out>(shape.rows());
      Child<i>::template plan_scratch<B>(shape, a);
    });
  }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St& state, X<C> x, Y<C> y, Sv& saved) {
    auto before = c.into.template view<out>(x.rows());
    each_index<count>([&](auto i) {
      const C own = c.child(i);
      if constexpr (Child<i>::adds_y) {
        Child<i>::forward(own.onto(before), at<i>(w), at<i>(state), x, y, at<i>(saved.child));
      } else {
        Scope s(c.scratch());
        const auto part =
            c.keeps() ? saved.apart[i] : c.scratch().template take_view<typename C::scalar, dyn, out>(x.rows());
        Child<i>::forward(own.overwriting(), at<i>(w), at<i>(state), x, part, at<i>(saved.child));
        add<typename C::backend_type>::run(c.backend, part, before, y);
      }
      before = as_const(y);
    });
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, X<C> x, Sv& saved, DY<C> dy, DX<C> dx, St& dstate) {
    Base::add_gradients(
        c, w, dw, x, saved.child, [&](auto) { return dy; }, dx, dstate);
  }
};

}  // namespace fauna::inline v0
