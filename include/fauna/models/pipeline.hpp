// pipeline<M, N>: a language model cut into stages for N ranks, one each (Huang et al. 2019, "GPipe", section 2) or
// several (core/stage_placement.hpp). A stage is a type with some of the rounds of the trunk's Stack; the first has
// also what stands before it, the last what stands behind it and the head. A tensor has the name that it has in M.
//   stage 0          x = Embed(t)               h = (what is before, rounds [0, r1))(x)         h goes on
//   stage s          x comes                    h = (rounds [rs, rs+1))(x)                      h goes on
//   stage N - 1      x comes                    h = (rounds [rN-1, R), what is behind)(x)       loss(Head(h))
// and gradients come back the same way. A head that is tied to the embedding gives the last stage's rank a table of its
// own, under the same name: the gradients of both are to be added before an update. A rank with both stages has one.
#pragma once
#include <initializer_list>
#include <new>
#include <type_traits>
#include <utility>

#include <fauna/compose/rewrite.hpp>
#include <fauna/compose/stack.hpp>
#include <fauna/core/concepts.hpp>
#include <fauna/core/ledger.hpp>
#include <fauna/core/stage_placement.hpp>
#include <fauna/core/tuple.hpp>
#include <fauna/models/lm.hpp>

namespace fauna::inline v0 {

// What can be wrong with a pipeline, beside what can be with its model.
template <class Trunk, int Rounds, int Stages> struct more_stages_than_rounds;
template <class Trunk> struct trunk_is_no_sequence_around_one_stack;
template <class Model> struct further_tokens_cross_stages;

namespace pipeline_detail {

/// In the place of what other stages have.
template <int Width> struct Pass : SameWidth<Width> {
  static constexpr const char* kind_name = "Pass";
  static constexpr bool in_place = true;
  template <class C, class W, class St, class V, class Y, class Sv>
  static void forward(C const& c, W const&, St&, V x, Y y, Sv&) {
    if (y.data() != x.data()) add<typename C::backend_type>::run(c.backend, x, {}, y);
  }
  template <class C, class W, class G, class V, class Sv, class DY, class DX, class St>
  static void backward(C const& c, W const&, G&, V, Sv&, DY dy, DX dx, St&) {
    if (dx.data() != dy.data()) add<typename C::backend_type>::run(c.backend, dy, {}, dx);
  }
};

/// The Stack of a trunk, where names and sequences lead to one: how many there are, its rounds, the widths around it.
struct Found {
  int stacks = 0, rounds = 0, in = 0, out = 0;
};
template <class B> constexpr Found found();
template <class B> struct found_in { static constexpr Found value{}; };
template <int First, int Rounds, class... Ls> struct found_in<Stack<First, Rounds, Ls...>> {
  static constexpr Found value{1, Rounds, Seq<Ls...>::in, Seq<Ls...>::out};
};
template <label Name, class B> struct found_in<At<Name, B>> { static constexpr Found value = found<B>(); };
template <class... Bs> struct found_in<Seq<Bs...>> {
  static constexpr Found value = [] {
    Found all;
    for (Found const& f : {found<Bs>()...})
      if (f.stacks > 0) all = {all.stacks + f.stacks, f.rounds, f.in, f.out};
    return all;
  }();
};
template <class B> constexpr Found found() {
  if constexpr (Named<B>) return found<typename B::composition>();
  else return found_in<B>::value;
}

/// Of stage i of n. Earlier stages have a round more, since the last one has the head.
constexpr int first_round(int rounds, int i, int n) { return (rounds * i + n - 1) / n; }

template <class B, int I, int N> struct cut_ { using type = B; };
template <Named B, int I, int N> struct cut_<B, I, N> : cut_<typename B::composition, I, N> {};
/// B as stage I of N has it.
template <class B, int I, int N> using cut = typename cut_<B, I, N>::type;

template <int First, int Rounds, class... Ls, int I, int N> struct cut_<Stack<First, Rounds, Ls...>, I, N> {
  static constexpr int from = first_round(Rounds, I, N), rounds = first_round(Rounds, I + 1, N) - from;
  using type = Stack<First + from* static_cast<int>(sizeof...(Ls)), (rounds > 0 ? rounds : 1), Ls...>;
};
template <label Name, class B, int I, int N> struct cut_<At<Name, B>, I, N> { using type = At<Name, cut<B, I, N>>; };
/// As many parts as in the whole model, so that each has the random numbers that it has there.
template <class... Bs, int I, int N> struct cut_<Seq<Bs...>, I, N> {
  static constexpr Found stack = found<Seq<Bs...>>();
  static constexpr std::size_t where = [] {
    std::size_t at = 0, i = 0;
    for (Found const& f : {found<Bs>()...}) {
      if (f.stacks > 0) at = i;
      ++i;
    }
    return at;
  }();
  template <std::size_t J> static constexpr auto part() {
    using B = nth<J, Bs...>;
    if constexpr (J == where) return std::type_identity<cut<B, I, N>>{};
    else if constexpr (J < where && I > 0) return std::type_identity<Pass<stack.in>>{};
    else if constexpr (J > where && I + 1 < N) return std::type_identity<Pass<stack.out>>{};
    else return std::type_identity<B>{};
  }
  template <class Js> struct parts_;
  template <std::size_t... J> struct parts_<std::index_sequence<J...>> {
    using type = Seq<typename decltype(part<J>())::type...>;
  };
  using type = typename parts_<std::index_sequence_for<Bs...>>::type;
};

/// Does a head read the embedding's table?
template <class B> struct tied_ : std::false_type {};
template <class B> inline constexpr bool tied = tied_<B>::value;
template <class Of> inline constexpr bool any_tied = false;
template <class... Bs> inline constexpr bool any_tied<Children<Bs...>> = (tied<Bs> || ...);
template <class B> inline constexpr bool is_tied_table = false;
template <class H> inline constexpr bool is_tied_table<TiedTable<H>> = true;
template <Composite B>
struct tied_<B> : std::bool_constant<is_tied_table<B> || [] {
  if constexpr (Named<B>) return tied<typename B::composition>;
  else return any_tied<typename B::children>;
}()> {};

}  // namespace pipeline_detail

/// Stage I of those that a placement has. Its functions are those of Lm for a part of the way: rows that come stand in
/// saved.x, rows that go on in saved.h, and the gradients of these, as they come, in saved.dh. Not even the last block
/// reads saved.h again. A call has the embedding in scope where the stage, or another of its rank, has one.
template <class M, int I, StagePlacement P, class Parts = typename M::children> struct PipelineStage;
template <class M, int I, StagePlacement P, class Embed, class Trunk, class Head, class... Mtps>
struct PipelineStage<M, I, P, Children<Embed, Trunk, Head, Mtps...>> {
  static constexpr int N = P.stages();
  static_assert(0 <= I && I < N, "fauna: a pipeline has stages 0 to N - 1");
  static constexpr int stage = I;
  static constexpr bool first = I == 0, last = I == N - 1;
  static constexpr bool tied = pipeline_detail::tied<Head>;
  static constexpr bool two_tables = tied && P.rank_of(0) != P.rank_of(N - 1);  ///< of the first stage and of the last

  static constexpr pipeline_detail::Found stack = pipeline_detail::found<Trunk>();
  using Part = pipeline_detail::cut<Trunk, I, N>;
  static constexpr int in = Part::in, out = Part::out, width = M::width, vocab = M::vocab;
  using fault =
      first_fault<typename M::fault,
                  std::conditional_t<stack.stacks == 1, void, trunk_is_no_sequence_around_one_stack<bare<Trunk>>>,
                  std::conditional_t<N <= stack.rounds, void, more_stages_than_rounds<bare<Trunk>, stack.rounds, N>>,
                  std::conditional_t<sizeof...(Mtps) == 0, void, further_tokens_cross_stages<M>>>;

  template <int Width> using Absent = Leaf<Width, Width>;
  using Table = std::conditional_t<first || (last && two_tables), Embed, Absent<in>>;
  using Scores = std::conditional_t<last, Head, Absent<out>>;
  static constexpr std::size_t parameters =
      (first ? count_parameters<Embed>() : 0) + count_parameters<Part>() + (last ? count_parameters<Head>() : 0);
  /// Forward pass for one token.
  static constexpr double flops(double context) {
    return (first ? Embed::flops(context) : 0) + Part::flops(context) + (last ? Head::flops(context) : 0);
  }

  template <class D> struct Weights {
    typename Table::template Weights<D> embed;
    typename Part::template Weights<D> trunk;
    typename Scores::template Weights<D> head;
  };
  template <class S> struct State { typename Part::template State<S> trunk; };
  template <class S> struct Saved {
    typename Table::template Saved<S> embed;
    typename Part::template Saved<S> trunk;
    View<S, dyn, in> x;
    View<S, dyn, out> h, dh;
    View<S, dyn, 1> losses;
  };

  template <class W, class F> static constexpr void visit(W& w, Place const& at_, F&& f) {
    Table::visit(w.embed, at_, f);
    Part::visit(w.trunk, at_, f);
    Scores::visit(w.head, at_, f);
  }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    const int n = shape.rows();
    if constexpr (first) Embed::plan(s.embed, shape, a);
    s.x = a.take_view<S, dyn, in>(n);
    Part::plan(s.trunk, shape, a);
    s.h = a.take_view<S, dyn, out>(n);
    s.dh = a.take_view<S, dyn, out>(n);
    s.losses = a.take_view<S, dyn, 1>(last ? n : 0);
  }
  template <class S> static constexpr void plan_state(State<S>& s, Shape const& shape, Arena& a) {
    Part::plan_state(s.trunk, shape, a);
  }
  template <class F, class... St> static constexpr void visit_state(F&& f, St&... s) {
    Part::visit_state(f, s.trunk...);
  }
  template <class B> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    using S = typename B::scalar;
    Scope s(a);
    if (!shape.backward) {
      a.take<typename Table::template Saved<S>>(1);
      a.take<typename Part::template Saved<S>>(1);
    }
    if constexpr (first) Embed::template plan_scratch<B>(shape, a);
    Part::template plan_scratch<B>(shape, a);
    if constexpr (last) Head::template plan_scratch<B>(shape, a);
  }

  /// Training, first half. Returns what the stage adds to the loss: its side losses, and those of the tokens where it
  /// is the last one, which then has their gradient in saved.dh.
  template <class C, class W, class G, class St, class S>
  static double forward(C const& c, W const& w, G& dw, St& state, Saved<S>& saved) {
    clear_side_losses(c);
    None none;
    if constexpr (first) Embed::forward(c.child(0), w.embed, none, tokens(c), saved.x, saved.embed);
    Part::forward(c.child(1), w.trunk, state.trunk, as_const(saved.x), saved.h, saved.trunk);
    double loss = 0;
    if constexpr (last)
      loss = mean_loss<Head>(c.child(2), w.head, dw.head, as_const(saved.h), c.batch->targets, 1.0, saved.dh,
                             saved.losses);
    add_side_losses(c, loss);
    return loss;
  }
  /// Training, second half: saved.dh to dx.
  template <class C, class W, class G, class St, class S>
  static void backward(C const& c, W const& w, G& dw, Saved<S>& saved, View<S, dyn, in> dx, St& dstate) {
    None none;
    Part::backward(c.child(1), w.trunk, dw.trunk, as_const(saved.x), saved.trunk, as_const(saved.dh), dx, dstate.trunk);
    if constexpr (first)
      Embed::backward(c.child(0), w.embed, dw.embed, tokens(c), saved.embed, as_const(dx), None{}, none);
  }
  /// Evaluation: x to h; in the first stage x is written too.
  template <class C, class W, class St>
  static void rows(C const& c, W const& w, St& state, View<typename C::scalar, dyn, in> x,
                   View<typename C::scalar, dyn, out> h) {
    using S = typename C::scalar;
    Scope host(c.host_scratch());
    auto& embed =
        *::new (c.host_scratch().template take<typename Table::template Saved<S>>(1)) typename Table::template Saved<S>;
    auto& trunk =
        *::new (c.host_scratch().template take<typename Part::template Saved<S>>(1)) typename Part::template Saved<S>;
    None none;
    if constexpr (first) Embed::forward(c.child(0), w.embed, none, tokens(c), x, embed);
    Part::forward(c.child(1), w.trunk, state.trunk, as_const(x), h, trunk);
  }
  /// Of the last stage: logits of the rows that are wanted, as Lm has them.
  template <class C, class W>
  static void logits(C const& c, W const& w, View<const typename C::scalar, dyn, out> h, logit_rows which,
                     Matrix<typename C::scalar> y) {
    wanted_rows(c, which, h, [&](auto wanted) { Head::logits(c.child(2), w.head, wanted, y); });
  }
  /// Of the last stage: losses [rows] in nats, 0 where ignored.
  template <class C, class W>
  static void losses(C const& c, W const& w, View<const typename C::scalar, dyn, out> h, typename C::scalar* losses) {
    Head::loss(c.child(2), w.head, h, c.batch->targets, losses);
  }

 private:
  template <class C> static View<const int, dyn, 1> tokens(C const& c) {
    return View<const int, dyn, 1>(c.batch->tokens, c.batch->rows);
  }
};

/// What rank R has of a model in a pipeline: the stages of a placement that are its own, as one model with all of their
/// tensors. A Saved is one stage's at a time, in memory for the largest.
template <class M, int R, StagePlacement P, class... Stages> struct PipelinePart : KeptConfig<M> {
  using model = M;  ///< that is cut
  using whole = whole_model<M>;
  static constexpr StagePlacement placement = P;
  static constexpr int rank = R;
  static constexpr std::size_t rounds = sizeof...(Stages);
  template <std::size_t K> using Stage = nth<K, Stages...>;
  static constexpr bool has_first = (Stages::first || ...), has_last = (Stages::last || ...);
  static constexpr bool two_tables = Stage<0>::two_tables;

  static constexpr std::size_t table_round = has_first ? 0 : rounds - 1;  ///< of the stage that may have a table
  using Table = typename Stage<table_round>::Table;
  static constexpr int border = Stage<0>::stack.in;  ///< width of rows between stages
  static constexpr int widest = [] {
    int w = 0;
    for (const int each : {Stages::in..., Stages::out...}) w = each > w ? each : w;
    return w;
  }();

  static constexpr int width = M::width, vocab = M::vocab;
  using fault = first_fault<typename Stages::fault...>;
  static constexpr std::size_t parameters = (Stages::parameters + ...);
  static constexpr double flops(double context) { return (Stages::flops(context) + ...); }

  template <class D> using Weights = Tuple<typename Stages::template Weights<D>...>;
  template <class S> struct State { Tuple<typename Stages::template State<S>...> of; };
  template <class S> struct Saved { Tuple<typename Stages::template Saved<S>...> of; };

  template <class W, class F> static constexpr void visit(W& w, Place const& place, F&& f) {
    each_index<rounds>([&](auto k) { Stage<k>::visit(at<k>(w), place, f); });
  }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    each_index<rounds>([&](auto k) {
      Scope same(a);
      Stage<k>::plan(at<k>(s.of), shape, a);
    });
  }
  template <class S> static constexpr void plan_state(State<S>& s, Shape const& shape, Arena& a) {
    each_index<rounds>([&](auto k) { Stage<k>::plan_state(at<k>(s.of), shape, a); });
  }
  template <class F, class... St> static constexpr void visit_state(F&& f, St&... s) {
    each_index<rounds>([&](auto k) { Stage<k>::visit_state(f, at<k>(s.of)...); });
  }
  template <class B> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    Scope s(a);
    if (!shape.backward)  // rows that come, rows that go on, and of these the last ones
      for (const int rows : {shape.rows(), shape.rows(), shape.sequences})
        a.take<typename B::scalar>(static_cast<std::size_t>(rows) * widest);
    (Stages::template plan_scratch<B>(shape, a), ...);
  }

  /// Is the i-th tensor of a table that the first rank has too, and counts in a norm?
  static bool counted_elsewhere(std::size_t i) {
    if constexpr (two_tables && has_last) {
      std::size_t before = 0;
      each_index<rounds - 1>([&before](auto k) { before += tensors<Stage<k>>(); });
      return i >= before && i < before + tensors<Table>();
    }
    return false;
  }

  /// f(k) of the round in which this rank has the stage.
  template <class F> static void on_stage(int stage, F&& f) {
    each_index<rounds>([&](auto k) {
      if (Stage<k>::stage == stage) f(k);
    });
  }
  /// f(call) with the embedding in scope that the stage of round k, or another stage of the rank, has.
  template <std::size_t K, class C, class W, class G, class F>
  static void with_table(C const& call, W const& w, G* dw, F&& f) {
    constexpr std::size_t owner = Stage<K>::last && !two_tables ? 0 : K;
    const auto gradient = [dw] {
      if constexpr (std::is_same_v<G, None>) return dw;
      else return &at<owner>(*dw).embed;
    }();
    auto const frame = call.template frame<"embedding">(at<owner>(w).embed, gradient);
    f(call.with(frame));
  }

 private:
  template <class B> static std::size_t tensors() {
    std::size_t n = 0;
    typename B::template Weights<All<float>> none{};
    B::visit(none, Place{}, [&n](Tensor const&, auto&) { ++n; });
    return n;
  }
};

/// A model's parts on N ranks of `Rounds` stages each: pipeline<M, 4>::part<0> is the first rank's, pipeline<M, 4, 2>
/// deals out eight stages.
template <LanguageModel M, int N, int Rounds = 1, stage_order Order = stage_order::loop> struct pipeline {
  static_assert(N >= 1 && Rounds >= 1, "fauna: a pipeline is of one stage or more");
  static_assert(Order == stage_order::loop || Rounds == 2, "fauna: stages there and back are two a rank");
  static constexpr StagePlacement placement{N, Rounds, Order};
  static constexpr int stages = placement.stages();
  using whole = whole_model<M>;
  template <int I> using stage = PipelineStage<M, I, placement>;

 private:
  template <int R, class Ks> struct part_;
  template <int R, std::size_t... K> struct part_<R, std::index_sequence<K...>> {
    using type = PipelinePart<M, R, placement, stage<placement.stage_of(R, static_cast<int>(K))>...>;
  };

 public:
  template <int R> using part = typename part_<R, std::make_index_sequence<static_cast<std::size_t>(Rounds)>>::type;
};

}  // namespace fauna::inline v0
