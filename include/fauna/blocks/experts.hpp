// The experts of a mixture (blocks/moe.hpp), on rows that stand sorted by expert: rows [first[e], first[e + 1]) are
// expert e's. They have no state and read rows alone: each is called with its rows of all sequences side by side.
#pragma once
#include <cstddef>

#include <fauna/core/block.hpp>
#include <fauna/core/fault.hpp>
#include <fauna/core/tuple.hpp>

namespace fauna::inline v0 {

/// N copies of a block, as experts.
template <class Expert, int N> struct Each {
  using expert = Expert;
  static constexpr int count = N;
  template <class New> using of = Each<New, N>;
};

/// Several kinds of experts beside each other, named experts.0, experts.1, ... through all groups.
template <class... Groups> struct HeldExperts {
  static constexpr std::size_t groups = sizeof...(Groups);
  template <std::size_t I> using Group = nth<I, Groups...>;
  template <std::size_t I> using Expert = typename Group<I>::expert;
  using fault = first_fault<typename Groups::expert::fault...>;
  static constexpr std::size_t parameters = ((Groups::count * count_parameters<typename Groups::expert>()) + ...);

  template <class D> using Weights = Tuple<typename Groups::expert::template Weights<D>[Groups::count]...>;
  template <class S> struct Saved {
    Tuple<typename Groups::expert::template Saved<S>[Groups::count]...> of;
    std::byte* room = nullptr;  ///< for what the experts keep: how many rows each gets is known in the call
    std::size_t bytes = 0;
  };

  /// number: of the first one.
  template <class W, class F> static constexpr void visit(W& w, Place const& at_, F&& f, int number = 0) {
    const Path experts{at_.path, "experts", -1};
    each_index<groups>([&](auto g) {
      for (auto& expert : at<g>(w)) {
        const Path here{&experts, nullptr, number++};
        Expert<g>::visit(expert, Place{&here, at_.layer, at_.layers, at_.outer, at_.rank}, f);
      }
    });
  }
  /// rows: the most that all experts get together.
  template <class S> static constexpr void plan(Saved<S>& s, Shape const&, int rows, Arena& a) {
    // Whatever the split, each of the experts' views ends at a cache line of its own.
    s.bytes = 0;
    each_index<groups>(
        [&](auto g) { s.bytes += bytes_of<Expert<g>, S>(rows) + Group<g>::count * bytes_of<Expert<g>, S>(1); });
    s.room = a.take<std::byte>(s.bytes);
  }
  template <class B> static constexpr void plan_scratch(Shape const& shape, int rows, Arena& a) {
    Shape part = shape;
    part.sequences = 1;
    part.length = rows;
    part.total = rows;
    each_index<groups>([&](auto g) { Expert<g>::template plan_scratch<B>(part, a); });
  }

  /// ys [n, width] of xs [n, width], n = first[experts].
  template <class C, class W, class X, class Sv>
  static void forward(C const& c, W const& w, const int* first, X xs, X ys, Sv& s, int number = 0) {
    Arena room(s.room, s.bytes);
    each(c, first, number, [&](auto g, int i, auto const& call, int from, int n) {
      typename Expert<g>::template State<typename C::scalar> none{};
      auto& own = at<g>(s.of)[i];
      if (c.keeps()) Expert<g>::plan(own, Shape{.sequences = 1, .length = n}, room);
      Expert<g>::forward(call, at<g>(w)[i], none, as_const(xs.middle_rows(from, n)), ys.middle_rows(from, n), own);
    });
  }
  template <class C, class W, class G, class X, class Sv>
  static void backward(C const& c, W const& w, G& dw, const int* first, X xs, Sv& s, X dys, X dxs, int number = 0) {
    each(c, first, number, [&](auto g, int i, auto const& call, int from, int n) {
      typename Expert<g>::template State<typename C::scalar> none{};
      Expert<g>::backward(call, at<g>(w)[i], at<g>(dw)[i], as_const(xs.middle_rows(from, n)), at<g>(s.of)[i],
                          as_const(dys.middle_rows(from, n)), dxs.middle_rows(from, n), none);
    });
  }

 private:
  template <class One, class S> static constexpr std::size_t bytes_of(int rows) {
    typename One::template Saved<S> saved{};
    Arena a;
    One::plan(saved, Shape{.sequences = 1, .length = rows}, a);
    return a.high_water();
  }
  /// f(group, number in it, the expert's call, its first row, how many) for each expert that has rows.
  template <class C, class F> static void each(C const& c, const int* first, int number, F&& f) {
    const Path experts{&c.path, "experts", -1};
    each_index<groups>([&](auto g) {
      for (int i = 0; i < Group<g>::count; ++i, ++first, ++number) {
        const int from = first[0], n = first[1] - from;
        if (n == 0) continue;
        const Batch rows = Batch::uniform(1, n);
        C call = c.child(static_cast<std::size_t>(number)).overwriting();
        call.path = Path{&experts, nullptr, number};
        call.batch = &rows;
        f(g, i, call, from, n);
      }
    });
  }
};

/// Who has the experts of these groups. Groups that ranks share (blocks/expert_parallel.hpp) specialise it.
template <class... Groups> struct experts_of_ { using type = HeldExperts<Groups...>; };
template <class... Groups> using experts_of = typename experts_of_<Groups...>::type;

}  // namespace fauna::inline v0
