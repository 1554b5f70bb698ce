// Mixture of experts (Shazeer et al. 2017; Jiang et al. 2024, "Mixtral of experts", section 2.1), dropless: every row
// goes through the K of E experts that its router chose, however many rows choose the same.
//   l = x W_gateᵀ      p, id, w = router(l)      y_r = Σ_j w_rj Expert_{id_rj}(x_r)
// Side losses: balance and z (ops/router/op.hpp).
// A corrected router has a bias b_e that counts in the choice alone and is no parameter: after each update
//   b_e += rate sign(mean of n - n_e) (Wang et al. 2024, "Auxiliary-loss-free load balancing strategy").
#pragma once
#include <new>

#include <fauna/compose/children.hpp>
#include <fauna/core/block.hpp>
#include <fauna/core/fault.hpp>
#include <fauna/ops/add/op.hpp>
#include <fauna/ops/experts/op.hpp>
#include <fauna/ops/router/op.hpp>

namespace fauna::inline v0 {

template <class Block, int Experts, int Chosen> struct more_experts_chosen_than_there_are;
template <class Block, int Reads, int Writes> struct experts_change_width;
template <class Block> struct router_without_gradient;
template <class Block, int Groups, int Experts> struct groups_do_not_divide_experts;
template <class Block, int Kept, int Groups> struct kept_groups_are_no_part_of_groups;

/// How a router chooses and weighs, and what its side losses count where nobody says otherwise.
struct Routing {
  bool renormalised = true;  ///< the weights of the chosen sum to `scale`
  float balance = 0.001F, z = 0;
  router_scores scores = router_scores::softmax;
  float scale = 1;                  ///< of the weights
  int groups = 1, kept_groups = 1;  ///< of experts; rows choose among those of the kept ones
  group_score by = group_score::two_best;
  bool corrected = false;    ///< with gate.e_score_correction_bias
  float bias_rate = 0.001F;  ///< of that bias, an update
  constexpr bool operator==(Routing const&) const = default;
  constexpr Choice choice() const { return {renormalised, scores, scale, groups, kept_groups, by}; }
};

/// E copies of Expert, named experts.0, experts.1, ..., of which each row uses K; the router's matrix is gate.weight.
/// An expert has no state and reads rows alone: it is called with those of all sequences side by side.
template <class Expert, int E, int K, Routing How = Routing{}> struct Moe : Leaf<Expert::in, Expert::out> {
  using composition = Moe;
  using children = Children<Expert>;
  template <class... New> using with = Moe<New..., E, K, How>;
  static constexpr const char* kind_name = "Moe";
  static constexpr int width = Expert::in;
  static constexpr bool adds_y = true, adds_dx = true;
  using fault = first_fault<
      typename Expert::fault,
      std::conditional_t<(K <= E && K >= 1), void, more_experts_chosen_than_there_are<Moe, E, K>>,
      std::conditional_t<Expert::in == Expert::out, void, experts_change_width<Expert, Expert::in, Expert::out>>,
      std::conditional_t<(K == 1 && E > 1 && How.renormalised), router_without_gradient<Moe>, void>,
      std::conditional_t<(How.groups >= 1 && How.groups <= 64 && E % How.groups == 0), void,
                         groups_do_not_divide_experts<Moe, How.groups, E>>,
      std::conditional_t<(How.kept_groups >= 1 && How.kept_groups <= How.groups), void,
                         kept_groups_are_no_part_of_groups<Moe, How.kept_groups, How.groups>>,
      std::conditional_t<
          (How.groups >= 1 && K * How.groups <= How.kept_groups * E), void,
          more_experts_chosen_than_there_are<Moe, How.kept_groups * E / (How.groups > 0 ? How.groups : 1), K>>>;
  static constexpr std::size_t parameters = E * count_parameters<Expert>() + static_cast<std::size_t>(E) * width;
  static constexpr std::size_t active_parameters = K * count_parameters<Expert>() + static_cast<std::size_t>(E) * width;
  static constexpr double flops(double context) { return K * Expert::flops(context) + 2.0 * E * width; }

  template <class D> struct Weights {
    typename D::template storage<kind::control> gate;  ///< [E, width], in full precision
    std::conditional_t<How.corrected, typename D::template storage<kind::control>, None> bias;  ///< [1, E]
    typename Expert::template Weights<D> expert[E];
  };
  template <class S> struct Saved {
    View<S, dyn, E> logits, p;
    View<S, dyn, K> weights;
    View<int, dyn, K> ids, places;
    View<S, dyn, width> x, y;  ///< rows by expert, in and out
    int first[E + 1]{};        ///< of each expert's rows
    typename Expert::template Saved<S> expert[E];
    std::byte* room = nullptr;  ///< for what the experts keep: how many rows each gets is known in the call
    std::size_t bytes = 0;
  };

  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    const Path gate{at.path, "gate", -1}, experts{at.path, "experts", -1};
    f(Tensor{.field = "weight",
             .rows = E,
             .cols = width,
             .stored = kind::control,
             .init = normal(0.02F),
             .at = {&gate, at.layer, at.layers}},
      w.gate);
    if constexpr (How.corrected)
      f(Tensor{.field = "e_score_correction_bias",
               .rows = 1,
               .cols = E,
               .stored = kind::control,
               .init = zeros,
               .is = role::buffer,
               .at = {&gate, at.layer, at.layers},
               .after_update = towards_even},
        w.bias);
    for (int e = 0; e < E; ++e) {
      const Path here{&experts, nullptr, e};
      Expert::visit(w.expert[e], Place{&here, at.layer, at.layers}, f);
    }
  }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    const int rows = shape.rows();
    plan_routes(s, rows, a);
    // Whatever the split, each of the experts' views ends at a cache line of its own.
    s.bytes = expert_bytes<S>(rows * K) + E * expert_bytes<S>(1);
    s.room = a.take<std::byte>(s.bytes);
  }
  template <class B> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    using S = typename B::scalar;
    const int rows = shape.rows();
    Shape part = shape;
    part.sequences = 1;
    part.length = rows;
    part.total = rows;
    Scope s(a);
    plan_workspace(router<B>::workspace(rows, width, E, shape.threads), a);
    if (!shape.backward) {
      Saved<S> saved{};
      a.take<Saved<S>>(1);
      plan_routes(saved, rows, a);
    } else {
      for (int i = 0; i < 2; ++i) a.take_view<S, dyn, width>(rows * K);
      a.take_view<S, dyn, K>(rows);
      for (int i = 0; i < 2; ++i) a.take_view<S, dyn, E>(rows);
    }
    a.take<int>(static_cast<std::size_t>(rows) * K);
    Expert::template plan_scratch<B>(part, a);
    plan_workspace(router<B>::workspace(rows, width, E, shape.threads), a);
  }

  template <class C> using X = typename Leaf<width, width>::template X<C>;
  template <class C> using Y = typename Leaf<width, width>::template Y<C>;

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St&, X<C> x, Y<C> y, Sv& kept) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    Scope scope(c.scratch());
    const int rows = x.rows();
    Saved<S>* routes = &kept;
    if (!c.keeps()) {
      routes = ::new (c.host_scratch().template take<Saved<S>>(1)) Saved<S>;
      plan_routes(*routes, rows, c.scratch());
    }
    Saved<S>& s = *routes;
    router<B>::scores(c.backend, x, reading(w.gate), s.logits.middle_rows(0, rows));
    router<B>::forward(c.backend, first_rows(s.logits, rows), How.choice(), correction<S>(w), s.p.middle_rows(0, rows),
                       s.ids.middle_rows(0, rows), s.weights.middle_rows(0, rows));
    int* const sources = c.scratch().template take<int>(static_cast<std::size_t>(rows) * K);
    expert_rows<B>::sort(c.backend, first_rows(s.ids, rows), E, s.first, s.places.middle_rows(0, rows), sources);
    side_losses(c, s, rows);
    expert_rows<B>::gather(c.backend, x, sources, s.x.middle_rows(0, rows * K));
    Arena room(s.room, s.bytes);
    each_expert(c, s, [&](int e, auto const& call, int from, int n) {
      typename Expert::template State<S> none{};
      if (c.keeps()) Expert::plan(s.expert[e], Shape{.sequences = 1, .length = n}, room);
      Expert::forward(call, w.expert[e], none, as_const(s.x.middle_rows(from, n)), s.y.middle_rows(from, n),
                      s.expert[e]);
    });
    expert_rows<B>::combine(c.backend, s.y, first_rows(s.places, rows), first_rows(s.weights, rows),
                            c.into.template view<width>(rows), y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, X<C> x, Sv& s, X<C> dy, Y<C> dx, St&) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    Scope scope(c.scratch());
    const int rows = x.rows();
    const auto dz = c.scratch().template take_view<S, dyn, width>(rows * K),
               dxs = c.scratch().template take_view<S, dyn, width>(rows * K);
    const auto dweights = c.scratch().template take_view<S, dyn, K>(rows);
    const auto dp = c.scratch().template take_view<S, dyn, E>(rows),
               dlogits = c.scratch().template take_view<S, dyn, E>(rows);
    expert_rows<B>::combine_backward(c.backend, dy, as_const(s.y), as_const(s.places), as_const(s.weights), dz,
                                     dweights);
    each_expert(c, s, [&](int e, auto const& call, int from, int n) {
      typename Expert::template State<S> none{};
      Expert::backward(call, w.expert[e], dw.expert[e], as_const(s.x.middle_rows(from, n)), s.expert[e],
                       as_const(dz.middle_rows(from, n)), dxs.middle_rows(from, n), none);
    });
    expert_rows<B>::gather_backward(c.backend, as_const(dxs), as_const(s.places), c.into.template view<width>(rows),
                                    dx);
    router<B>::balance_gradient(c.backend, as_const(s.p), How.choice(), s.first,
                                c.side_loss("balance", static_cast<double>(How.balance)).weight * c.loss_scale, dp);
    if constexpr (How.corrected)
      if (const auto chosen = gradient<S>(dw.bias))
        for (int e = 0; e < E; ++e) chosen(0, e) += static_cast<S>(s.first[e + 1] - s.first[e]);
    router<B>::backward(c.backend, as_const(s.p), How.choice(), as_const(s.ids), as_const(s.weights),
                        as_const(dweights), as_const(dp), dlogits);
    if (const double z = c.side_loss("z", static_cast<double>(How.z)).weight * c.loss_scale; z != 0)
      router<B>::z_gradient(c.backend, as_const(s.logits), z, dlogits);
    router<B>::scores_backward(c.backend, x, reading(w.gate), as_const(dlogits), gradient<S>(dw.gate), dx);
  }

 private:
  template <class S, class W> static const S* correction(W const& w) {
    if constexpr (How.corrected) return w.bias.data();
    else return nullptr;
  }
  static void towards_even(Tensor const&, double* bias, const double* chosen) {
    double all = 0;
    for (int e = 0; e < E; ++e) all += chosen[e];
    for (int e = 0; e < E; ++e)
      bias[e] += static_cast<double>(How.bias_rate) * ((E * chosen[e] < all) - (E * chosen[e] > all));
  }
  template <class S> static constexpr void plan_routes(Saved<S>& s, int rows, Arena& a) {
    s.logits = a.take_view<S, dyn, E>(rows);
    s.p = a.take_view<S, dyn, E>(rows);
    s.weights = a.take_view<S, dyn, K>(rows);
    s.ids = a.take_view<int, dyn, K>(rows);
    s.places = a.take_view<int, dyn, K>(rows);
    s.x = a.take_view<S, dyn, width>(rows * K);
    s.y = a.take_view<S, dyn, width>(rows * K);
  }
  template <class S> static constexpr std::size_t expert_bytes(int rows) {
    typename Expert::template Saved<S> saved{};
    Arena a;
    Expert::plan(saved, Shape{.sequences = 1, .length = rows}, a);
    return a.high_water();
  }
  template <class V> static constexpr auto first_rows(V v, int rows) { return as_const(v.middle_rows(0, rows)); }

  /// f(expert, its call, its first row, how many) for each that has rows.
  template <class C, class Sv, class F> static void each_expert(C const& c, Sv& s, F&& f) {
    const Path experts{&c.path, "experts", -1};
    for (int e = 0; e < E; ++e) {
      const int from = s.first[e], n = s.first[e + 1] - from;
      if (n == 0) continue;
      const Batch rows = Batch::uniform(1, n);
      C call = c.child(static_cast<std::size_t>(e)).overwriting();
      call.path = Path{&experts, nullptr, e};
      call.batch = &rows;
      f(e, call, from, n);
    }
  }

  template <class C, class Sv> static void side_losses(C const& c, Sv& s, int rows) {
    using Router = router<typename C::backend_type>;
    if (auto const l = c.side_loss("balance", static_cast<double>(How.balance)); l.value)
      Router::balance(c.backend, first_rows(s.p, rows), How.choice(), s.first, l.value);
    if (auto const l = c.side_loss("z", static_cast<double>(How.z)); l.value)
      Router::z(c.backend, first_rows(s.logits, rows), l.value);
  }
};

}  // namespace fauna::inline v0
