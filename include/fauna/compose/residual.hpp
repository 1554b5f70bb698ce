// Residual<B>: y = x + B(x) (He et al. 2016). The sum is the epilogue of B's last product where B can add (adds_y); the
// gradient dx = dy + Bᵀ dy likewise (adds_dx). Otherwise B's result is kept apart and added.
#pragma once
#include <fauna/compose/children.hpp>
#include <fauna/core/block.hpp>
#include <fauna/core/concepts.hpp>
#include <fauna/core/fault.hpp>
#include <fauna/ops/add/op.hpp>

namespace fauna::inline v0 {

template <Block B> struct Residual {
  using composition = Residual;
  using children = Children<B>;
  template <class... New> using with = Residual<New...>;
  static std::string child_name(std::size_t) { return "+"; }
  using Branch = B;
  static constexpr int in = B::in, out = B::out;
  using fault = first_fault<typename B::fault,
                            std::conditional_t<B::in == B::out, void, residual_changes_width<bare<B>, B::in, B::out>>>;
  static constexpr bool adds_y = false, adds_dx = false, in_place = false;
  static constexpr std::size_t parameters = count_parameters<B>();
  static constexpr double flops(double context) { return B::flops(context); }

  template <class C> using X = typename B::template X<C>;
  template <class C> using DX = typename B::template DX<C>;
  template <class C> using Y = typename B::template Y<C>;
  template <class C> using DY = typename B::template DY<C>;
  template <class D> using Weights = typename B::template Weights<D>;
  template <class S> using State = typename B::template State<S>;
  template <class S> struct Saved {
    typename B::template Saved<S> branch;
    View<S, dyn, out> apart;  ///< B(x), only where B cannot add
  };

  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) { B::visit(w, at, f); }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    if constexpr (!B::adds_y) s.apart = a.take_view<S, dyn, out>(shape.rows());
    B::plan(s.branch, shape, a);
  }
  template <class S> static constexpr void plan_state(State<S>& s, Shape const& shape, Arena& a) {
    B::plan_state(s, shape, a);
  }
  template <class F, class... St> static constexpr void visit_state(F&& f, St&... s) { B::visit_state(f, s...); }
  template <class Bk> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    Scope s(a);
    if (!B::adds_y || (!B::adds_dx && shape.backward)) a.take_view<typename Bk::scalar, dyn, in>(shape.rows());
    B::template plan_scratch<Bk>(shape, a);
  }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St& state, X<C> x, Y<C> y, Sv& saved) {
    if constexpr (B::adds_y) {
      B::forward(c.onto(x), w, state, x, y, saved.branch);
    } else {
      Scope s(c.scratch());
      const auto t = c.keeps() ? saved.apart : c.scratch().template take_view<typename C::scalar, dyn, out>(x.rows());
      B::forward(c, w, state, x, t, saved.branch);
      add<typename C::backend_type>::run(c.backend, x, t, y);
    }
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, X<C> x, Sv& saved, DY<C> dy, DX<C> dx, St& dstate) {
    if constexpr (B::adds_dx) {
      B::backward(c.onto(dy), w, dw, x, saved.branch, dy, dx, dstate);
    } else {
      Scope s(c.scratch());
      const auto t = c.scratch().template take_view<typename C::scalar, dyn, in>(x.rows());
      B::backward(c, w, dw, x, saved.branch, dy, t, dstate);
      add<typename C::backend_type>::run(c.backend, t, dy, dx);
    }
  }
};

}  // namespace fauna::inline v0
