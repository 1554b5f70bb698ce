// Dispatchers: which of the choices of a router are served, and where their rows stand among those that experts see,
// sorted by expert (ops/experts/op.hpp).
//   Dropless     all choices, and no row else (Gale et al. 2022, "MegaBlocks")
//   AllExperts   every row stands with every expert; what was not chosen is computed and left aside. The oracle.
//   Capacity<How>   an expert serves at most C rows; what comes after gets nothing (Lepikhin et al. 2020, "GShard",
//                   algorithm 1; Fedus et al. 2021, "Switch transformers", equation 3)
//                      C = max(least, ⌈factor K L / E⌉)
// A row that found no place goes on through the residual alone. Only rows that are served are computed: a buffer that
// is padded to C rows gives the same numbers.
//
// Who is served first decides causality. Queues in the order of positions, within each sequence, with C of a length L
// that is fixed, are causal: rows before a row are all that counts, and how many of them an expert has served is a
// state, so that a text read in pieces is served as at once. Queues over the whole batch, or by falling weight, let a
// later row or a neighbour take a place, and L counted from the batch makes C depend on how long the text will be.
#pragma once
#include <cmath>
#include <concepts>

#include <fauna/core/block.hpp>
#include <fauna/core/row_states.hpp>

namespace fauna::inline v0 {

/// Who is served first: by position; first choices of all before second ones (GShard); by falling weight.
enum class queue : int { position, choice, weight };
/// Who stands in one queue.
enum class queue_of : int { sequence, batch };

struct Limits {
  float factor = 1.25F;  ///< of what each expert would have if all were even
  int length = 0;        ///< L; 0: the rows that stand in the queue, which is not causal
  queue order = queue::position;
  queue_of scope = queue_of::sequence;
  int least = 1;
  constexpr bool operator==(Limits const&) const = default;
  constexpr bool causal() const { return order == queue::position && scope == queue_of::sequence && length > 0; }
};

/// Where choices go: first [E + 1], of each expert's rows; places [R,K] among them or -1; sources [n]: their rows.
struct Places {
  int experts;
  int* first;
  Matrix<int> places;
  int* sources;
};

/// Which choices are served: whether later rows have a say in that, whether experts compute all rows whatever was
/// chosen, how many rows they see at most, and what goes from call to call; place(batch, ids, weights, chosen, state,
/// places).
template <class D>
concept Dispatcher = requires(int n) {
  { D::causal } -> std::convertible_to<bool>;
  { D::computes_all } -> std::convertible_to<bool>;
  { D::rows(n, n, n) } -> std::convertible_to<int>;
  typename D::template State<float, 2>;
};

/// Nothing goes from call to call.
struct Stateless {
  template <class S, int E> struct State {};
  template <class S, int E> static constexpr void plan_state(State<S, E>&, Shape const&, Arena&) {}
  template <class F, class... St> static constexpr void visit_state(F&&, St&...) {}
  template <class St> static void backward(Batch const&, St&) {}
};

struct Dropless : Stateless {
  static constexpr bool causal = true, computes_all = false;
  static constexpr int rows(int /*rows*/, int choices, int /*experts*/) { return choices; }

  template <class S, class St>
  static void place(Batch const&, Matrix<const int> ids, Matrix<const S>, double, St&, Places to) {
    for (int r = 0; r < ids.rows(); ++r)
      for (int j = 0; j < ids.cols(); ++j) to.places(r, j) = ids(r, j) < 0 ? -1 : 0;
    sort(ids, to);
  }
  /// Puts those whose place is not below 0 by expert, in ascending order within each.
  static void sort(Matrix<const int> ids, Places to) {
    const int R = ids.rows(), K = ids.cols(), E = to.experts;
    for (int e = 0; e <= E; ++e) to.first[e] = 0;
    // first[e + 1] counts, then says where the next row of e goes, and ends as where those of e + 1 begin.
    for (int r = 0; r < R; ++r)
      for (int j = 0; j < K; ++j)
        if (to.places(r, j) >= 0 && ids(r, j) + 2 <= E) ++to.first[ids(r, j) + 2];
    for (int e = 2; e <= E; ++e) to.first[e] += to.first[e - 1];
    for (int r = 0; r < R; ++r)
      for (int j = 0; j < K; ++j)
        if (to.places(r, j) >= 0) {
          to.places(r, j) = to.first[ids(r, j) + 1]++;
          to.sources[to.places(r, j)] = r;
        }
  }
};

struct AllExperts : Stateless {
  static constexpr bool causal = true, computes_all = true;
  static constexpr int rows(int rows, int /*choices*/, int experts) { return rows * experts; }

  template <class S, class St>
  static void place(Batch const&, Matrix<const int> ids, Matrix<const S>, double, St&, Places to) {
    const int R = ids.rows();
    for (int r = 0; r < R; ++r)
      for (int j = 0; j < ids.cols(); ++j) to.places(r, j) = ids(r, j) < 0 ? -1 : ids(r, j) * R + r;
    for (int e = 0; e <= to.experts; ++e) to.first[e] = e * R;
    for (int i = 0; i < R * to.experts; ++i) to.sources[i] = i % R;
  }
};

/// How many rows each expert has served of each sequence, up to C: whole numbers, which have no gradient.
struct Served {
  template <class S, int E> struct State { View<S, dyn, E> served; };
  template <class S, int E> static constexpr void plan_state(State<S, E>& s, Shape const& shape, Arena& a) {
    s.served = a.take_view<S, dyn, E>(shape.sequences);
  }
  template <class F, class... St> static constexpr void visit_state(F&& f, St&... s) { f(StatePiece{}, s.served...); }
  template <class St> static void backward(Batch const& b, St& ds) {
    for (int q = 0; ds.served && q < b.sequences; ++q)
      for (int e = 0; b.last(q) > b.first(q) && e < ds.served.cols(); ++e) ds.served(q, e) = {};
  }
};

template <Limits How = Limits{}> struct Capacity : std::conditional_t<How.causal(), Served, Stateless> {
  static constexpr bool causal = How.causal(), computes_all = false;
  static constexpr int rows(int /*rows*/, int choices, int /*experts*/) { return choices; }
  /// C, of `length` rows with `chosen` experts each.
  static constexpr int most(int length, double chosen, int experts) {
    const double even = static_cast<double>(How.factor) * chosen * length / experts;
    const int up = static_cast<int>(even) + (even > static_cast<int>(even));
    return up > How.least ? up : How.least;
  }

  /// ids, weights [R,K]; chosen: experts of a row on average.
  template <class S, class St>
  static void place(Batch const& b, Matrix<const int> ids, Matrix<const S> weights, double chosen, St& state,
                    Places to) {
    if constexpr (causal) {
      const int C = most(How.length, chosen, to.experts);
      by_row(
          b, [&](Batch const& rows) { in_positions(rows, ids, C, state.served, to); }, StatePart{state.served});
    } else {
      const bool all = How.scope == queue_of::batch;
      for (int q = 0; q < (all ? 1 : b.sequences); ++q) {
        const int from = all ? 0 : b.first(q), last = all ? ids.rows() : b.last(q);
        const int C = most(How.length > 0 ? How.length : last - from, chosen, to.experts);
        if (How.order == queue::weight) by_weight(ids, weights, from, last, C, to.places);
        else in_order(ids, from, last, C, to);
      }
    }
    Dropless::sort(ids, to);
  }

 private:
  /// A row is served where fewer than C of those that it continues chose the same expert, this call's and the state's.
  template <class V> static void in_positions(Batch const& b, Matrix<const int> ids, int C, V served, Places to) {
    int* const ahead = to.first;  // [E], until the rows are sorted
    const auto count = [&](int row) {
      for (int j = 0; j < ids.cols(); ++j)
        if (ids(row, j) >= 0) ++ahead[ids(row, j)];
    };
    // Those before `row`; where `goes_on`, ahead has what came before row - 1 already.
    const auto rows_before = [&](int q, int row, bool goes_on) {
      int from = b.continues(q, row);
      if (goes_on && from == row - 1) return count(from);
      for (int e = 0; e < to.experts; ++e) ahead[e] = 0;
      for (; from >= 0; from = b.continues(q, from)) count(from);
      for (int e = 0; from == Batch::the_state && served && e < to.experts; ++e)
        ahead[e] += static_cast<int>(std::lround(static_cast<double>(served(q, e))));
    };
    for (int q = 0; q < b.sequences; ++q) {
      for (int r = b.first(q); r < b.last(q); ++r) {
        rows_before(q, r, r > b.first(q));
        for (int j = 0; j < ids.cols(); ++j) to.places(r, j) = ids(r, j) < 0 || ahead[ids(r, j)] >= C ? -1 : 0;
      }
      if (b.last(q) == b.first(q) || !served) continue;
      count(b.last(q) - 1);
      for (int e = 0; e < to.experts; ++e) served(q, e) = static_cast<float>(ahead[e] < C ? ahead[e] : C);
    }
  }
  /// Rows [from, last), by position or first choices first.
  static void in_order(Matrix<const int> ids, int from, int last, int C, Places to) {
    int* const n = to.first;
    for (int e = 0; e < to.experts; ++e) n[e] = 0;
    const int rows = last - from, K = ids.cols();
    for (int i = 0; i < rows * K; ++i) {
      const bool across = How.order == queue::choice;
      const int r = from + (across ? i % rows : i / K), j = across ? i / rows : i % K, e = ids(r, j);
      to.places(r, j) = e < 0 || n[e]++ >= C ? -1 : 0;
    }
  }
  /// Those with the C largest weights; the earlier row first among equals.
  template <class S>
  static void by_weight(Matrix<const int> ids, Matrix<const S> w, int from, int last, int C, Matrix<int> places) {
    const int K = ids.cols();
    for (int r = from; r < last; ++r)
      for (int j = 0; j < K; ++j) {
        int before = 0;
        for (int s = from; s < last && before < C; ++s)
          for (int i = 0; i < K; ++i)
            before += ids(s, i) == ids(r, j) && (w(s, i) > w(r, j) || (w(s, i) == w(r, j) && s < r));
        places(r, j) = ids(r, j) < 0 || before >= C ? -1 : 0;
      }
  }
};

}  // namespace fauna::inline v0
