// PrefixedAttention<K, Front, Core>: attention with a learnt prefix that every row sees, behind gates that start closed
// (Zhang et al. 2023, "LLaMA-Adapter: Efficient fine-tuning of language models with zero-init attention", section 3.2).
//   t = Front(x)    [· | k | v] = Projection(prefix)
//   y = Core(t) + gate_h softmax(scale q kᵀ) v, with the queries q of t, for each head h
// Front is the projection to rows of [q | k | v] and what stands between it and Core, such as positions: the prefix
// goes through the projection alone, and has no positions. A projection that norms its queries and keys norms the
// prefix's too, so that both are of a size; LitGPT, whose names these are, does not. The paper takes a tanh of the
// gates, LitGPT none, as here.
#pragma once
#include <fauna/blocks/attention.hpp>
#include <fauna/compose/seq.hpp>
#include <fauna/ops/add/op.hpp>
#include <fauna/ops/prefix_attention/op.hpp>

namespace fauna::inline v0 {

/// x [rows, width] to what Core gives. Weights: adapter_wte.weight [K, width], gating_factor [heads]. A call, also one
/// for a single row, projects the K rows of the prefix.
template <int K, class Front, class Core> struct PrefixedAttention {
  using composition = PrefixedAttention;
  using children = Children<Front, Core>;
  template <class... New> using with = PrefixedAttention<K, New...>;
  using Projection = typename Front::First;
  static_assert(K >= 1 && Projection::out == Core::in, "fauna: a prefix needs rows, and a projection to [q | k | v]");

  static constexpr int in = Front::in, out = Core::out;
  using fault = typename chain_fault_<Front, Core>::type;
  static constexpr bool adds_y = false, adds_dx = Front::adds_dx, in_place = false;
  static constexpr double flops(double context) {
    return Front::flops(context) + Core::flops(context) + 4.0 * K * Core::queries;
  }

  template <class D> struct Weights {
    typename Front::template Weights<D> front;
    typename Core::template Weights<D> core;
    typename D::template storage<kind::vector> prefix, gate;
  };
  template <class S> struct State {
    typename Front::template State<S> front;
    typename Core::template State<S> core;
  };
  template <class S> struct Saved {
    typename Front::template Saved<S> front;
    typename Core::template Saved<S> core;
    typename Projection::template Saved<S> projection;  ///< of the prefix
    View<S, dyn, Front::out> t;
    View<S, dyn, out> attended;  ///< what Core gave, which it reads again
    View<S, dyn, Front::out> projected;
  };

  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    Front::visit(w.front, at, f);
    Core::visit(w.core, at, f);
    f(Tensor{.field = "adapter_wte.weight", .rows = K, .cols = in, .stored = kind::vector, .init = normal(1), .at = at},
      w.prefix);
    f(Tensor{.field = "gating_factor", .rows = 1, .cols = Core::query_heads, .stored = kind::vector, .at = at}, w.gate);
  }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    Front::plan(s.front, shape, a);
    Core::plan(s.core, shape, a);
    Projection::plan(s.projection, of_prefix(shape), a);
    s.t = a.take_view<S, dyn, Front::out>(shape.rows());
    s.attended = a.take_view<S, dyn, out>(shape.rows());
    s.projected = a.take_view<S, dyn, Front::out>(K);
  }
  template <class S> static constexpr void plan_state(State<S>& s, Shape const& shape, Arena& a) {
    Front::plan_state(s.front, shape, a);
    Core::plan_state(s.core, shape, a);
  }
  template <class F, class... St> static constexpr void visit_state(F&& f, St&... s) {
    Front::visit_state(f, s.front...);
    Core::visit_state(f, s.core...);
  }
  template <class B> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    using S = typename B::scalar;
    Scope scope(a);
    a.take_view<S, dyn, Front::out>(shape.rows());
    a.take_view<S, dyn, Front::out>(K);
    if (shape.backward) a.take_view<S, dyn, in>(K);
    Front::template plan_scratch<B>(shape, a);
    Core::template plan_scratch<B>(shape, a);
    Projection::template plan_scratch<B>(of_prefix(shape), a);
  }

  template <class C> using X = In<C, in>;
  template <class C> using Y = Out<C, out>;
  template <class C> using DX = Out<C, in>;
  template <class C> using DY = In<C, out>;

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St& state, In<C, in> x, Out<C, out> y, Sv& saved) {
    using S = typename C::scalar;
    Scope scope(c.scratch());
    const auto own = [&](auto const& kept, int rows) {
      return c.keeps() ? kept.middle_rows(0, rows) : c.scratch().template take_view<S, dyn, Front::out>(rows);
    };
    const View<S, dyn, Front::out> t = own(saved.t, x.rows()), projected = own(saved.projected, K);
    const View<S, dyn, out> attended = c.keeps() ? saved.attended.middle_rows(0, x.rows()) : y;
    Front::forward(c.child(0), w.front, state.front, x, t, saved.front);
    Core::forward(c.child(1), w.core, state.core, as_const(t), attended, saved.core);
    typename Projection::template State<S> none;
    const Batch rows = Batch::uniform(1, K);
    Projection::forward(for_prefix(c, rows), at<0>(w.front), none, prefix<S>(w), projected, saved.projection);
    op<C>::template forward<K>(c.backend, shape, queries(t), keys(projected), values(projected), w.gate.data(),
                               as_const(attended), y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, In<C, in> x, Sv& saved, In<C, out> dy, Out<C, in> dx,
                       St& dstate) {
    using S = typename C::scalar;
    using Add = add<typename C::backend_type>;
    Scope scope(c.scratch());
    const auto t = as_const(saved.t.middle_rows(0, x.rows())), projected = as_const(saved.projected);
    const auto dt = c.scratch().template take_view<S, dyn, Front::out>(x.rows());
    const auto dprojected = c.scratch().template take_view<S, dyn, Front::out>(K);
    const auto dprefix = c.scratch().template take_view<S, dyn, in>(K);
    Core::backward(c.child(1).overwriting(), w.core, dw.core, t, saved.core, dy, dt, dstate.core);
    Add::clear(c.backend, queries(dprojected));
    op<C>::template backward<K>(c.backend, shape, queries(t), keys(projected), values(projected), w.gate.data(), dy,
                                queries(dt), keys(dprojected), values(dprojected), gradient<S>(dw.gate).data());
    typename Projection::template State<S> none;
    const Batch rows = Batch::uniform(1, K);
    Projection::backward(for_prefix(c, rows), at<0>(w.front), at<0>(dw.front), prefix<S>(w), saved.projection,
                         as_const(dprojected), dprefix, none);
    if (const auto g = gradient<S>(dw.prefix)) Add::run(c.backend, as_const(dprefix), g, g);
    Front::backward(c.child(0), w.front, dw.front, x, saved.front, as_const(dt), dx, dstate.front);
  }

 private:
  template <class C> using op = prefix_attention<typename C::backend_type>;
  static constexpr PrefixShape shape{.heads = Core::query_heads, .kv_heads = Core::key_heads, .scale = Core::scale};

  template <class V> static constexpr auto queries(V v) { return v.template columns<0, Core::queries>(); }
  template <class V> static constexpr auto keys(V v) { return v.template columns<Core::queries, Core::keys>(); }
  template <class V> static constexpr auto values(V v) {
    return v.template columns<Core::queries + Core::keys, Core::keys>();
  }
  template <class S, class W> static View<const S, dyn, in> prefix(W const& w) {
    return View<const S, dyn, in>(w.prefix.data(), K);
  }
  static constexpr Shape of_prefix(Shape const& s) {
    return {.sequences = 1, .length = K, .threads = s.threads, .backward = s.backward, .adapter_rank = s.adapter_rank};
  }
  /// The call in which the projection reads the prefix: a second one, of other rows, which nobody watches.
  template <class C> static C for_prefix(C const& c, Batch const& rows) {
    C own = c.child(2).overwriting();
    own.batch = &rows;
    own.tap = nullptr;
    return own;
  }
};

}  // namespace fauna::inline v0
