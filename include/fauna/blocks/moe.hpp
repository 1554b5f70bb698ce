// Mixture of experts (Shazeer et al. 2017; Jiang et al. 2024, "Mixtral of experts", section 2.1) of four parts that
// know nothing of each other:
//   a router      which experts a row goes to, with what weights     top_k.hpp, and a file for each of the rarer ones
//   a dispatcher  which of these choices are served                  dispatch.hpp
//   the experts   any block of rows                                  Each<Expert, N>, several kinds: experts.hpp
//   a combine     where the weights stand                            combine.hpp
//   y_r = Σ_j w_rj Expert_{id_rj}(x_r)      over the choices that are served
// Moe is the usual one: the K best of E experts, however many rows choose the same.
#pragma once
#include <new>

#include <fauna/blocks/combine.hpp>
#include <fauna/blocks/dispatch.hpp>
#include <fauna/blocks/experts.hpp>
#include <fauna/blocks/top_k.hpp>
#include <fauna/compose/causal.hpp>
#include <fauna/compose/children.hpp>
#include <fauna/ops/add/op.hpp>

namespace fauna::inline v0 {

template <class Block, int Reads, int Writes> struct experts_change_width;
template <class Router, class Expert, int Gives, int Reads> struct router_reads_other_width;
template <class Router, int Experts, int Have> struct router_knows_other_number_of_experts;

template <Router R, Dispatcher Serving, Combine Weighing, class... Groups>
struct MixtureOfExperts : Leaf<R::width, R::width> {
  using composition = MixtureOfExperts;
  using mixture = MixtureOfExperts;
  using Held = experts_of<Groups...>;
  using children = Children<typename Groups::expert...>;
  template <class... New> using with = MixtureOfExperts<R, Serving, Weighing, typename Groups::template of<New>...>;
  static constexpr const char* kind_name = "Moe";
  static constexpr int width = R::width, E = R::experts, K = R::slots;
  static constexpr bool causal = R::causal && Serving::causal && (is_causal<typename Groups::expert> && ...);
  static constexpr bool adds_y = true, adds_dx = true;
  template <class G>
  using group_fault =
      first_fault<std::conditional_t<G::expert::in == G::expert::out, void,
                                     experts_change_width<typename G::expert, G::expert::in, G::expert::out>>,
                  std::conditional_t<G::expert::in == width, void,
                                     router_reads_other_width<R, typename G::expert, width, G::expert::in>>>;
  using fault = first_fault<typename R::fault, typename Held::fault, group_fault<Groups>...,
                            std::conditional_t<(Groups::count + ...) == E, void,
                                               router_knows_other_number_of_experts<R, E, (Groups::count + ...)>>>;
  static constexpr std::size_t parameters = Held::parameters + R::parameters;
  /// Parameters that one row meets on average: all experts are as likely.
  static constexpr std::size_t active_parameters =
      static_cast<std::size_t>(R::chosen / E * static_cast<double>(HeldExperts<Groups...>::parameters) + 0.5) +
      R::parameters;
  static constexpr double flops(double context) {
    return R::chosen / E * ((Groups::count * Groups::expert::flops(context)) + ...) + R::flops;
  }

  template <class D> struct Weights {
    typename R::template Weights<D> router;
    typename Held::template Weights<D> experts;
  };
  template <class S> struct Saved {
    typename R::template Saved<S> router;
    Routes<S, K> routes;
    View<int, dyn, K> places;
    View<S, dyn, width> x, y;  ///< rows by expert, in and out
    int first[E + 1]{};        ///< of each expert's rows
    typename Held::template Saved<S> experts;
  };
  template <class S> using State = typename Serving::template State<S, E>;

  template <class W, class F> static constexpr void visit(W& w, Place const& at_, F&& f) {
    R::visit(w.router, at_, f);
    Held::visit(w.experts, at_, f);
  }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    plan_routes(s, shape.rows(), a);
    Held::plan(s.experts, shape, rows_of(shape.rows()), a);
  }
  template <class S> static constexpr void plan_state(State<S>& s, Shape const& shape, Arena& a) {
    Serving::template plan_state<S, E>(s, shape, a);
  }
  template <class F, class... St> static constexpr void visit_state(F&& f, St&... s) { Serving::visit_state(f, s...); }
  template <class B> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    using S = typename B::scalar;
    const int rows = shape.rows(), n = rows_of(rows);
    Scope s(a);
    if (!shape.backward) {
      Saved<S> saved{};
      a.take<Saved<S>>(1);
      plan_routes(saved, rows, a);
    } else {
      for (int i = 0; i < 2; ++i) a.take_view<S, dyn, width>(n);
      a.take_view<S, dyn, K>(rows);
    }
    a.take<int>(static_cast<std::size_t>(n));
    Held::template plan_scratch<B>(shape, n, a);
    R::template plan_scratch<B>(shape, a);
  }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St& state, In<C, width> x, Out<C, width> y, Sv& kept) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    Scope scope(c.scratch());
    const int rows = x.rows();
    Saved<S>* saved = &kept;
    if (!c.keeps()) {
      saved = ::new (c.host_scratch().template take<Saved<S>>(1)) Saved<S>;
      plan_routes(*saved, rows, c.scratch());
    }
    Saved<S>& s = *saved;
    const Routes<S, K> routes = s.routes.first_rows(rows);
    const View<int, dyn, K> places = s.places.middle_rows(0, rows);
    R::forward(router_call(c), w.router, x, s.router, routes);
    int* const sources = c.scratch().template take<int>(static_cast<std::size_t>(rows_of(rows)));
    // How many rows each expert gets is for the host to know.
    expert_rows<B>::on_host(
        c.backend, routes.ids, routes.weights, places, sources, rows_of(rows),
        [&](Matrix<const int> ids, Matrix<const S> weights, Matrix<int> to, int* from) {
          Serving::template place<S>(*c.batch, ids, weights, R::chosen, state, Places{E, s.first, to, from});
          show_load(c, ids, to);
        });
    const auto xs = s.x.middle_rows(0, s.first[E]), ys = s.y.middle_rows(0, s.first[E]);
    const Dispatched<S> to{places, sources, routes.weights};
    if constexpr (Serving::computes_all) add<B>::clear(c.backend, xs);
    Weighing::template enter<B, S>(c.backend, x, to, xs);
    Held::forward(c, w.experts, s.first, xs, ys, s.experts);
    Weighing::template leave<B, S>(c.backend, ys, to, c.into.template view<width>(rows), y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, In<C, width> x, Sv& s, In<C, width> dy, Out<C, width> dx,
                       St& dstate) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    Scope scope(c.scratch());
    const int rows = x.rows(), n_all = s.first[E];
    const auto dys = c.scratch().template take_view<S, dyn, width>(n_all),
               dxs = c.scratch().template take_view<S, dyn, width>(n_all);
    const auto dweights = c.scratch().template take_view<S, dyn, K>(rows);
    const Routes<S, K> routes = s.routes.first_rows(rows);
    const Dispatched<S> to{s.places.middle_rows(0, rows), nullptr, routes.weights};
    if constexpr (Serving::computes_all) add<B>::clear(c.backend, dys);
    Weighing::template leave_backward<B, S>(c.backend, dy, s.y.middle_rows(0, n_all), to, dys, dweights);
    Held::backward(c, w.experts, dw.experts, s.first, s.x.middle_rows(0, n_all), s.experts, dys, dxs);
    Weighing::template enter_backward<B, S>(c.backend, x, dxs, to, c.into.template view<width>(rows), dx, dweights);
    R::backward(router_call(c), w.router, dw.router, x, s.router, Routes<const S, K>{routes.ids, routes.weights},
                as_const(dweights), dx);
    Serving::backward(*c.batch, dstate);
  }

 private:
  static constexpr int rows_of(int rows) { return Serving::rows(rows, R::choices(rows), E); }
  template <class S> static constexpr void plan_routes(Saved<S>& s, int rows, Arena& a) {
    R::plan(s.router, rows, a);
    s.routes.weights = a.take_view<S, dyn, K>(rows);
    s.routes.ids = a.take_view<int, dyn, K>(rows);
    s.places = a.take_view<int, dyn, K>(rows);
    s.x = a.take_view<S, dyn, width>(rows_of(rows));
    s.y = a.take_view<S, dyn, width>(rows_of(rows));
  }
  /// The router's random numbers are not those of an expert.
  template <class C> static C router_call(C const& c) { return c.child(static_cast<std::size_t>(E)); }
  template <class C> static void show_load(C const& c, Matrix<const int> ids, Matrix<const int> places) {
    if (c.side == nullptr || c.mode != mode::train) return;
    int n[E]{}, kept = 0;
    for (int r = 0; r < ids.rows(); ++r)
      for (int j = 0; j < K; ++j) {
        if (ids(r, j) >= 0) ++n[ids(r, j)];
        kept += places(r, j) >= 0;
      }
    RouterLosses<E>::show(c, n, kept);
  }
};

/// E copies of Expert of which each row uses the K best, dropless; the router's matrix is gate.weight, if it has no
/// other name.
template <class Expert, int E, int K, Routing How = Routing{}>
struct Moe : MixtureOfExperts<TopK<Expert::in, E, K, How>, Dropless,
                              std::conditional_t<How.of_input, WeightedInputs, WeightedOutputs>, Each<Expert, E>> {
  using composition = Moe;
  template <class... New> using with = Moe<New..., E, K, How>;
};

}  // namespace fauna::inline v0
