// Recompute<B>: keeps nothing of B but its input, and runs its forward pass again inside the backward pass (Chen et
// al. 2016, "Training deep nets with sublinear memory cost"). Same dropout, same bits.
#pragma once
#include <fauna/compose/children.hpp>
#include <fauna/core/block.hpp>
#include <fauna/core/concepts.hpp>
#include <fauna/ops/add/op.hpp>

namespace fauna::inline v0 {

/// B with its widths, weights, names and results; of its Saved only the state that it entered with is kept, and a
/// backward pass takes the rest from scratch, as the memory plan counts it. `flops` are those of one forward pass.
template <Block B> struct Recompute : B {
  using composition = Recompute;
  using children = Children<B>;
  template <class... New> using with = Recompute<New...>;
  static std::string child_name(std::size_t) { return "recomputed"; }
  static constexpr bool adds_y = false;  // the recomputed output has no base to start from
  template <class C> using X = typename B::template X<C>;
  template <class C> using DX = typename B::template DX<C>;
  template <class C> using Y = typename B::template Y<C>;
  template <class C> using DY = typename B::template DY<C>;
  template <class S> struct Saved {
    typename B::template State<S> room;      ///< memory for
    typename B::template State<S> entering;  ///< the state that the forward pass met: null where that was
  };

  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    B::plan_state(s.room, shape, a);
  }
  template <class Bk> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    using S = typename Bk::scalar;
    Scope s(a);
    if (shape.backward) {
      typename B::template Saved<S> inner{};
      B::plan(inner, shape, a);
      a.take_view<S, dyn, B::out>(shape.rows());
    }
    B::template plan_scratch<Bk>(shape, a);
  }

  template <class C, class W, class St, class V, class O, class Sv>
  static void forward(C const& c, W const& w, St& state, V x, O y, Sv& saved) {
    if (c.keeps()) {
      saved.entering = saved.room;
      B::visit_state(
          [&](StatePiece, auto& kept, auto& now) {
            if (now) add<typename C::backend_type>::run(c.backend, now, {}, kept);
            else kept = {};
          },
          saved.entering, state);
    }
    // Train mode still decides the dropout, so the block runs as in training, into memory given back at once.
    Scope s(c.scratch());
    typename B::template Saved<typename C::scalar> inner{};
    if (c.keeps()) B::plan(inner, shape_of(c), c.scratch());
    B::forward(c, w, state, x, y, inner);
  }
  template <class C, class W, class G, class V, class Sv, class D, class DX, class St>
  static void backward(C const& c, W const& w, G& dw, V x, Sv& saved, D dy, DX dx, St& dstate) {
    using S = typename C::scalar;
    Scope s(c.scratch());
    typename B::template Saved<S> inner{};
    B::plan(inner, shape_of(c), c.scratch());
    const auto y = c.scratch().template take_view<S, dyn, B::out>(x.rows());
    C again = c.overwriting();
    again.mode = mode::recompute;
    B::forward(again, w, saved.entering, x, y, inner);
    B::backward(c, w, dw, x, inner, dy, dx, dstate);
  }

 private:
  template <class C> static constexpr Shape shape_of(C const& c) {
    return {.sequences = c.batch->sequences,
            .length = c.batch->length,
            .threads = c.backend.threads,
            .total = c.batch->rows};
  }
};

}  // namespace fauna::inline v0
