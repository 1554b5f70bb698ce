// expert_parallel<M, N>: model M as each of N ranks has it, with 1/N of the routed experts of each of its mixtures and
// all of the rest (Lepikhin et al. 2020, "GShard", section 3.2; dropless, as Gale et al. 2022, "MegaBlocks"). Ranks
// have rows of their own. In a mixture
//   rows go to the ranks of the experts that they chose, sorted by expert        from N ranks, then sorted by expert
//   here too; a rank's experts see the rows of all ranks, and what they give goes back the same way
// and backwards gradients do. An expert's gradient is then of all rows, on its rank alone; those of all else are of a
// rank's rows, and to be added (dist/expert_parallel.hpp). Within an expert rows stand in the order of ranks, then of
// rows: as on one rank that has all of them.
#pragma once
#include <string>
#include <type_traits>

#include <fauna/blocks/moe.hpp>
#include <fauna/blocks/ranks.hpp>
#include <fauna/compose/rewrite.hpp>

namespace fauna::inline v0 {

/// E experts of one kind, of which each of N ranks has E / N: rank r those from r E / N on.
template <class Expert, int E, int N> struct Dealt {
  using expert = Expert;
  static constexpr int count = E;
  template <class New> using of = Dealt<New, E, N>;
};

// What can be wrong with expert parallel, beside what can be with the model: an expert serves every row that chooses
// it, rows choose whatever others do, and the router's losses are of the rows of all ranks.
template <class Router, class Serving, class... Groups> struct ranks_deal_out_only_dropless_experts_of_one_kind;

namespace expert_parallel_detail {

template <class Expert, int E, int N> struct DealtExperts {
  static constexpr int each = E / N > 0 ? E / N : 1;
  static constexpr int width = Expert::in;
  using Own = HeldExperts<Each<Expert, each>>;
  using fault =
      first_fault<typename Own::fault, std::conditional_t<E % N == 0, void, ranks_do_not_divide_experts<Expert, E, N>>>;
  static constexpr std::size_t parameters = Own::parameters;

  template <class D> using Weights = typename Own::template Weights<D>;
  template <class S> struct Saved {
    typename Own::template Saved<S> own;
    View<S, dyn, width> x;  ///< rows of all ranks, by expert
    int from[N][each]{};    ///< how many rows a rank has sent to each expert here
    int first[each + 1]{};  ///< of each expert's rows
    int most = 0;           ///< rows that there is room for
  };

  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    Own::visit(
        w, at,
        [&f](Tensor t, auto& v) {
          t.alone = true;
          f(t, v);
        },
        at.rank * each);
  }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, int rows, Arena& a) {
    s.most = most(shape, rows);
    s.x = a.take_view<S, dyn, width>(s.most);
    Own::plan(s.own, shape, s.most, a);
  }
  template <class B> static constexpr void plan_scratch(Shape const& shape, int rows, Arena& a) {
    Scope scope(a);
    for (int i = 0; i < 3; ++i) a.take_view<typename B::scalar, dyn, width>(most(shape, rows));
    a.take<int>(static_cast<std::size_t>(most(shape, rows)));
    Own::template plan_scratch<B>(shape, most(shape, rows), a);
  }

  template <class C, class W, class X, class Sv>
  static void forward(C const& c, W const& w, const int* first, X xs, X ys, Sv& s) {
    Scope scope(c.scratch());
    count(c, first, s);
    const int n = s.first[each];
    const auto x = c.keeps() ? s.x.middle_rows(0, n) : take(c, n), y = take(c, n);
    const Trip<C> trip(c, first, s);
    trip.there(xs, x);
    Own::forward(c, w, s.first, x, y, s.own, c.group->rank * each);
    trip.back(y, ys);
  }
  template <class C, class W, class G, class X, class Sv>
  static void backward(C const& c, W const& w, G& dw, const int* first, X, Sv& s, X dys, X dxs) {
    Scope scope(c.scratch());
    const int n = s.first[each];
    const auto dy = take(c, n), dx = take(c, n);
    const Trip<C> trip(c, first, s);
    trip.there(dys, dy);
    Own::backward(c, w, dw, s.first, s.x.middle_rows(0, n), s.own, dy, dx, c.group->rank * each);
    trip.back(dx, dxs);
  }

 private:
  /// All rows of all ranks may choose experts of one; another rank has at most one sequence more.
  static constexpr int most(Shape const& shape, int rows) {
    const int of_a_row = (rows + shape.rows() - 1) / shape.rows();
    return N * of_a_row * (shape.rows() + shape.length);
  }
  template <class C> static auto take(C const& c, int rows) {
    return c.scratch().template take_view<typename C::scalar, dyn, width>(rows);
  }
  /// How many rows come from each rank for each expert.
  template <class C, class Sv> static void count(C const& c, const int* first, Sv& s) {
    auto const& ranks = ranks_of(c, N);
    int to[N][each];
    for (int e = 0; e < E; ++e) to[e / each][e % each] = first[e + 1] - first[e];
    Parcels parcels(N);
    for (int r = 0; r < N; ++r) {
      parcels.send(r, to[r], each);
      parcels.receive(r, s.from[r], each);
    }
    parcels.exchange(ranks);
    for (int i = 0; i < each; ++i) {
      s.from[ranks.rank][i] = to[ranks.rank][i];
      s.first[i + 1] = s.first[i];
      for (int r = 0; r < N; ++r) s.first[i + 1] += s.from[r][i];
    }
    if (c.keeps() && s.first[each] > s.most)
      fail(c.path.str(), std::to_string(s.first[each]) + " rows for the experts of a rank",
           "at most " + std::to_string(s.most), "ranks have as many sequences each, or one more");
  }

  /// Between a rank's rows, which stand sorted by all experts, and those of all ranks, sorted by the experts here.
  template <class C> class Trip {
    using S = typename C::scalar;
    using Rows = View<S, dyn, width>;

   public:
    template <class Sv>
    Trip(C const& c, const int* first, Sv const& s)
        : c_(c),
          first_(first),
          arrived_(take(c, s.first[each])),
          sources_(c.host_scratch().template take<int>(static_cast<std::size_t>(s.first[each]))) {
      int row[N]{};  // of the next row from each rank, among those that arrive
      for (int r = 1; r < N; ++r) {
        row[r] = row[r - 1];
        for (const int n : s.from[r - 1]) row[r] += n;
      }
      for (int r = 0; r < N; ++r) begin_[r] = row[r];
      begin_[N] = s.first[each];
      for (int i = 0, at = 0; i < each; ++i)
        for (int r = 0; r < N; ++r)
          for (int k = 0; k < s.from[r][i]; ++k) sources_[at++] = row[r]++;
    }
    void there(Rows own, Rows sorted) const {
      exchange(own, arrived_);
      if (sorted.rows() > 0)
        expert_rows<typename C::backend_type>::gather(c_.backend, as_const(arrived_), sources_, sorted);
    }
    void back(Rows sorted, Rows own) const {
      if (sorted.rows() > 0)
        expert_rows<typename C::backend_type>::scatter(c_.backend, as_const(sorted),
                                                       Matrix<const int>(sources_, sorted.rows(), 1), {}, arrived_);
      exchange(own, arrived_, true);
    }

   private:
    void exchange(Rows own, Rows arrived, bool home = false) const {
      Parcels parcels(N);
      for (int r = 0; r < N; ++r) {
        const Rows theirs = own.middle_rows(first_[r * each], first_[(r + 1) * each] - first_[r * each]),
                   here = arrived.middle_rows(begin_[r], begin_[r + 1] - begin_[r]), from = home ? here : theirs,
                   to = home ? theirs : here;
        if (r != c_.group->rank) {
          parcels.send(r, from.data(), from.size());
          parcels.receive(r, to.data(), to.size());
        } else if (from.rows() > 0) {
          add<typename C::backend_type>::run(c_.backend, as_const(from), {}, to);
        }
      }
      parcels.exchange(*c_.group);
    }

    C const& c_;
    const int* first_;
    Rows arrived_;  ///< in the order of the ranks that they come from
    int* sources_;  ///< where among them each row in the order of experts is
    int begin_[N + 1]{};
  };
};

/// What becomes of a block; void: it is looked into.
template <class B, int N> struct deal { using type = void; };
template <class R, class Serving, class Weighing, class... Groups, int N>
struct deal<MixtureOfExperts<R, Serving, Weighing, Groups...>, N> {
  struct type : MixtureOfExperts<R, Serving, Weighing, Groups...> {
    using fault = ranks_deal_out_only_dropless_experts_of_one_kind<R, Serving, Groups...>;
  };
};
template <class R, class Weighing, class Expert, int E, int N>
requires(R::causal&& requires {
  requires R::over_ranks;
}) struct deal<MixtureOfExperts<R, Dropless, Weighing, Each<Expert, E>>, N> {
  using type = MixtureOfExperts<R, Dropless, Weighing, Dealt<Expert, E, N>>;
};
template <class Expert, int E, int K, Routing How, int N>
struct deal<Moe<Expert, E, K, How>, N> : deal<typename Moe<Expert, E, K, How>::mixture, N> {};

}  // namespace expert_parallel_detail

template <class Expert, int E, int N> struct experts_of_<Dealt<Expert, E, N>> {
  using type = expert_parallel_detail::DealtExperts<Expert, E, N>;
};

template <int N> struct InExpertParallel {
  static_assert(N >= 1, "fauna: expert_parallel is for one rank or more");
  static constexpr int ranks = N;
  static constexpr bool original_checkpoints = true;
  static std::string text() { return "expert parallel " + std::to_string(N); }
  template <class B> static constexpr auto replace() {
    using New = typename expert_parallel_detail::deal<B, N>::type;
    if constexpr (!std::is_void_v<New>) return std::type_identity<New>{};
  }
};

template <class M, int N> using expert_parallel = rewrite<M, InExpertParallel<N>>;

}  // namespace fauna::inline v0
