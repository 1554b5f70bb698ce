// Routers: which experts a row goes to, and with what weight (Shazeer et al. 2017, "Outrageously large neural
// networks"; ops/router/op.hpp). A router is a struct of static functions, as a block is; its rows go in, and for each
// there are `slots` choices of an expert with a weight. This one scores rows by a matrix and takes the K best:
//   l = x W_gateᵀ      p = softmax(l) or σ(l)      the K largest of p + b      w = p of those, divided by their sum or
//   not
// Mixtral and DeepSeek differ in `Routing` alone; Switch (Fedus et al. 2021, section 2.1) is K = 1 with the weight as
// it is. A corrected router has a bias b_e that counts in the choice alone and is no parameter: after each update
//   b_e += rate sign(mean of n - n_e) (Wang et al. 2024, "Auxiliary-loss-free load balancing strategy").
#pragma once
#include <concepts>

#include <fauna/blocks/router_losses.hpp>
#include <fauna/core/block.hpp>
#include <fauna/core/fault.hpp>
#include <fauna/ops/add/op.hpp>
#include <fauna/ops/router/op.hpp>

namespace fauna::inline v0 {

template <class Router, int Experts, int Chosen> struct more_experts_chosen_than_there_are;
template <class Router> struct router_without_gradient;
template <class Router, int Groups, int Experts> struct groups_do_not_divide_experts;
template <class Router, int Kept, int Groups> struct kept_groups_are_no_part_of_groups;

/// How a router chooses and weighs, and what its side losses count where nobody says otherwise.
struct Routing {
  bool renormalised = true;  ///< the weights of the chosen sum to `scale`
  float balance = 0.001F, z = 0;
  router_scores scores = router_scores::softmax;
  float scale = 1;                  ///< of the weights
  int groups = 1, kept_groups = 1;  ///< of experts; rows choose among those of the kept ones
  group_score by = group_score::two_best;
  bool corrected = false;    ///< with gate.e_score_correction_bias
  bool biased = false;       ///< with gate.bias, a parameter that counts in choice and weight
  bool of_input = false;     ///< the weights are of what experts read, not of what they give (combine.hpp)
  float bias_rate = 0.001F;  ///< of that bias, an update
  Balance counting{};        ///< what the balance loss counts
  label name = "gate";       ///< of the router in files
  constexpr bool operator==(Routing const&) const = default;
  constexpr Choice choice() const { return {renormalised, scores, scale, groups, kept_groups, by}; }
};

/// What a router says of R rows: `Slots` choices each.
template <class S, int Slots> struct Routes {
  View<int, dyn, Slots> ids;    ///< experts, or -1: none
  View<S, dyn, Slots> weights;  ///< of their outputs
  constexpr Routes first_rows(int rows) const { return {ids.middle_rows(0, rows), weights.middle_rows(0, rows)}; }
};

/// What stands between rows and experts: sizes, how many experts rows have at most and on average, what it saves.
template <class R>
concept Router = requires(int rows) {
  { R::width } -> std::convertible_to<int>;
  { R::experts } -> std::convertible_to<int>;
  { R::slots } -> std::convertible_to<int>;
  { R::chosen } -> std::convertible_to<double>;
  { R::causal } -> std::convertible_to<bool>;
  { R::choices(rows) } -> std::convertible_to<int>;
  typename R::fault;
  typename R::template Weights<All<float>>;
  typename R::template Saved<float>;
};

/// The matrix that scores rows, gate.weight [E, Width].
template <int Width, int E> struct Gate {
  static constexpr int width = Width, experts = E;
  static constexpr std::size_t parameters = static_cast<std::size_t>(E) * Width;
  static constexpr double flops = 2.0 * E * Width;

  /// f(tensor of that name, w)
  template <class V, class F> static constexpr void visit(V& w, Place const& at, F&& f, const char* name = "gate") {
    const Path gate{at.path, name, -1};
    f(Tensor{.field = "weight",
             .rows = E,
             .cols = Width,
             .stored = kind::control,
             .init = normal(0.02F),
             .at = {&gate, at.layer, at.layers}},
      w);
  }
  template <class B> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    plan_workspace(router<B>::workspace(shape.rows(), Width, E, shape.threads), a);
  }
  template <class C, class V, class S>
  static void scores(C const& c, V const& w, View<const S, dyn, Width> x, View<S, dyn, E> logits,
                     const S* offset = nullptr) {
    router<typename C::backend_type>::scores(c.backend, x, reading(w), logits, offset);
  }
  /// dw and dx are added to.
  template <class C, class V, class G, class S>
  static void backward(C const& c, V const& w, G& dw, View<const S, dyn, Width> x, View<const S, dyn, E> dlogits,
                       View<S, dyn, Width> dx) {
    router<typename C::backend_type>::scores_backward(c.backend, x, reading(w), dlogits, gradient<S>(dw), dx);
  }
};

/// Rows are judged by their scores. Other ways to judge (gshard.hpp, sinkhorn.hpp) fill rows of E numbers instead.
struct ByScore {
  static constexpr bool causal = true, fills = false;
  template <class C, class V> static void fill(C const&, V const&, V const&) {}
};

/// The K best of E experts as `Judge` has it.
template <int Width, int E, int K, Routing How = Routing{}, class Judge = ByScore> struct TopK : Gate<Width, E> {
  using Matrix_ = Gate<Width, E>;
  static constexpr int slots = K;
  static constexpr double chosen = K;
  static constexpr bool causal = Judge::causal;
  static constexpr bool over_ranks = true;  ///< its losses are of all ranks that share the batch
  static constexpr int choices(int rows) { return rows * K; }
  using fault =
      first_fault<std::conditional_t<(K <= E && K >= 1), void, more_experts_chosen_than_there_are<TopK, E, K>>,
                  std::conditional_t<(K == 1 && E > 1 && How.renormalised), router_without_gradient<TopK>, void>,
                  std::conditional_t<(How.groups >= 1 && How.groups <= 64 && E % How.groups == 0), void,
                                     groups_do_not_divide_experts<TopK, How.groups, E>>,
                  std::conditional_t<(How.kept_groups >= 1 && How.kept_groups <= How.groups), void,
                                     kept_groups_are_no_part_of_groups<TopK, How.kept_groups, How.groups>>,
                  std::conditional_t<(How.groups >= 1 && K * How.groups <= How.kept_groups * E), void,
                                     more_experts_chosen_than_there_are<
                                         TopK, How.kept_groups * E / (How.groups > 0 ? How.groups : 1), K>>>;

  static constexpr std::size_t parameters = Matrix_::parameters + (How.biased ? E : 0);

  template <class D> struct Weights {
    typename D::template storage<kind::control> gate;  ///< [E, Width], in full precision
    std::conditional_t<How.biased, typename D::template storage<kind::control>, None> offset;   ///< [1, E]
    std::conditional_t<How.corrected, typename D::template storage<kind::control>, None> bias;  ///< [1, E]
  };
  template <class S> struct Saved { View<S, dyn, E> logits, p; };

  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    Matrix_::visit(w.gate, at, f, How.name.c);
    const Path gate{at.path, How.name.c, -1};
    if constexpr (How.biased)
      f(Tensor{.field = "bias",
               .rows = 1,
               .cols = E,
               .stored = kind::control,
               .init = zeros,
               .at = {&gate, at.layer, at.layers}},
        w.offset);
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
  }
  template <class S> static constexpr void plan(Saved<S>& s, int rows, Arena& a) {
    s.logits = a.take_view<S, dyn, E>(rows);
    s.p = a.take_view<S, dyn, E>(rows);
  }
  template <class B> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    Scope s(a);
    Matrix_::template plan_scratch<B>(shape, a);
    if (shape.backward || Judge::fills)
      for (int i = 0; i < 2; ++i) a.take_view<typename B::scalar, dyn, E>(shape.rows());
  }

  template <class C, class W, class S>
  static void forward(C const& c, W const& w, View<const S, dyn, Width> x, Saved<S>& kept, Routes<S, K> to) {
    using B = typename C::backend_type;
    const View<S, dyn, E> l = kept.logits.middle_rows(0, x.rows()), p = kept.p.middle_rows(0, x.rows());
    Matrix_::scores(c, w.gate, x, l, offset<S>(w));
    bool judged = false;
    if constexpr (Judge::fills) {
      if (c.mode != mode::eval) {
        Scope scope(c.scratch());
        const auto by = c.scratch().template take_view<S, dyn, E>(x.rows());
        Judge::fill(c, as_const(l), by);
        router<B>::forward(c.backend, as_const(l), How.choice(), Matrix<const S>(by), p, to.ids, to.weights);
        judged = true;
      }
    }
    if (!judged) router<B>::forward(c.backend, as_const(l), How.choice(), correction<S>(w), p, to.ids, to.weights);
    if (auto const loss = c.side_loss("balance", static_cast<double>(How.balance)); loss.value)
      RouterLosses<E>::balance(c.backend, *c.batch, How.counting, How.choice(), p, to.ids, loss.value,
                               c.ranks_of_batch());
    if (auto const loss = c.side_loss("z", static_cast<double>(How.z)); loss.value)
      router<B>::z(c.backend, as_const(l), loss.value);
  }
  /// dweights: of the weights of the choices. dx is added to.
  template <class C, class W, class G, class S>
  static void backward(C const& c, W const& w, G& dw, View<const S, dyn, Width> x, Saved<S> const& s,
                       Routes<const S, K> to, View<const S, dyn, K> dweights, View<S, dyn, Width> dx) {
    using B = typename C::backend_type;
    Scope scope(c.scratch());
    const auto dl = c.scratch().template take_view<S, dyn, E>(x.rows());
    const auto weight = [&](const char* name, float usual) {
      return c.side_loss(name, static_cast<double>(usual)).weight * c.loss_scale;
    };
    RouterLosses<E>::balance_gradient(c.backend, *c.batch, How.counting, How.choice(), weight("balance", How.balance),
                                      s.p, to.ids, Matrix<S>(dl), c.ranks_of_batch());
    if constexpr (How.corrected)
      if (const auto n = gradient<S>(dw.bias))
        for (int r = 0; r < x.rows(); ++r)
          for (int j = 0; j < K; ++j) n(0, to.ids(r, j)) += S(1);
    router<B>::backward(c.backend, as_const(s.p), How.choice(), to.ids, to.weights, dweights, as_const(dl), dl);
    if (const double z = weight("z", How.z); z != 0) router<B>::z_gradient(c.backend, as_const(s.logits), z, dl);
    if constexpr (How.biased)
      if (const auto g = gradient<S>(dw.offset)) add<B>::column_sums(c.backend, as_const(dl), g.data());
    Matrix_::backward(c, w.gate, dw.gate, x, as_const(dl), dx);
  }

 private:
  template <class S, class W> static const S* offset([[maybe_unused]] W const& w) {
    if constexpr (How.biased) return w.offset.data();
    else return nullptr;
  }
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
};

}  // namespace fauna::inline v0
