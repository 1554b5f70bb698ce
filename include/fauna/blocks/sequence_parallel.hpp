// sequence_parallel<M, N>: tensor_parallel<M, N> of which each of the N ranks has 1/N of the rows between the parts
// that are cut (Korthikanti et al. 2022, "Reducing activation recomputation in large transformer models",
// section 4.2.2): norms, residual sums and what training keeps of them are of a rank's own rows x_i.
//   before attention, MLP, head       X = [x_0; x_1; ...], of all ranks; backward, each gets the sum of dX's own rows
//   after attention, MLP, embedding   y_i = own rows of Σ_j Y_j; backward, all get dY = [dy_0; dy_1; ...]
// So where tensor parallel sums V bytes, which sends 2 (N - 1)/N V, this gathers and scatters them, (N - 1)/N V each.
// The gradient of what all ranks have, such as a norm's weights, is a sum over ranks (dist/sequence_parallel.hpp).
#pragma once
#include <cmath>
#include <string>
#include <type_traits>

#include <fauna/blocks/tensor_parallel.hpp>

namespace fauna::inline v0 {

namespace sequence_parallel_detail {

using tensor_parallel_detail::group;

template <class C> Batch const& whole(C const& c, int ranks) {
  auto const& g = group(c, ranks);
  if (g.whole == nullptr || g.whole->rows != ranks * c.batch->rows)
    fail(c.path.str(), "no rows of the other ranks", "a batch that is shared by rows",
         "a model in sequence parallel runs in a SequenceShare");
  return *g.whole;
}
inline constexpr Shape whole(Shape s, int ranks) {
  s.length *= ranks;
  s.total *= ranks;
  return s;
}
/// The call on all rows.
template <class C> C on_all(C const& c, int ranks) {
  C all = c.overwriting();
  all.batch = &whole(c, ranks);
  return all;
}

/// all [N rows of x]: each rank's x in its place.
template <class S, class V, class A> void gather_rows(Group<S> const& g, V x, A all) {
  const int rows = x.rows();
  const auto of = [&](int rank) { return all.middle_rows(rank * rows, rows); };
  const std::size_t n = static_cast<std::size_t>(rows) * static_cast<std::size_t>(x.cols());
  for (int r = 0; r < rows; ++r)
    for (int k = 0; k < x.cols(); ++k) of(g.rank)(r, k) = x(r, k);
  Parcels parcels(g.size);
  for (int r = 0; r < g.size; ++r) {
    if (r == g.rank) continue;
    parcels.send(r, of(g.rank).data(), n);
    parcels.receive(r, of(r).data(), n);
  }
  parcels.exchange(g);
}
/// y: its rows of the sum of all ranks' `all`, added in the order of the ranks. `room` [rows of all].
template <class S, class A, class V> void scatter_sum(Group<S> const& g, A all, A room, V y) {
  const int rows = y.rows();
  const std::size_t n = static_cast<std::size_t>(rows) * static_cast<std::size_t>(y.cols());
  Parcels parcels(g.size);
  for (int r = 0; r < g.size; ++r) {
    if (r == g.rank) continue;
    parcels.send(r, all.row(r * rows), n);
    parcels.receive(r, room.row(r * rows), n);
  }
  parcels.exchange(g);
  for (int r = 0; r < rows; ++r)
    for (int k = 0; k < y.cols(); ++k) {
      S total{};
      for (int from = 0; from < g.size; ++from) total += (from == g.rank ? all : room)(from * rows + r, k);
      y(r, k) = total;
    }
}

/// A block in tensor parallel, which sees all rows, between rows of the ranks' own.
template <class B, int N> struct AllRows : B {
  using composition = AllRows;
  using children = Children<B>;
  template <class... New> using with = AllRows<New..., N>;
  static std::string child_name(std::size_t) { return "all rows"; }
  static constexpr bool adds_y = false, adds_dx = false, in_place = false;
  template <class C> using X = View<const typename C::scalar, dyn, B::in>;
  template <class C> using Y = View<typename C::scalar, dyn, B::out>;
  template <class C> using DY = View<const typename C::scalar, dyn, B::out>;
  template <class C> using DX = View<typename C::scalar, dyn, B::in>;
  template <class S> struct Saved {
    typename B::template Saved<S> inner;
    View<S, dyn, B::in> x;  ///< of all ranks
  };
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    const Shape all = whole(shape, N);
    s.x = a.take_view<S, dyn, B::in>(all.rows());
    B::plan(s.inner, all, a);
  }
  template <class S> static constexpr void plan_state(typename B::template State<S>& s, Shape const& shape, Arena& a) {
    B::plan_state(s, whole(shape, N), a);
  }
  template <class Bk> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    const Shape all = whole(shape, N);
    Scope s(a);
    for (int i = 0; i < 2; ++i) {
      a.take_view<typename Bk::scalar, dyn, B::in>(all.rows());
      a.take_view<typename Bk::scalar, dyn, B::out>(all.rows());
    }
    B::template plan_scratch<Bk>(all, a);
  }
  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St& state, X<C> x, Y<C> y, Sv& saved) {
    using S = typename C::scalar;
    Scope s(c.scratch());
    const int rows = whole(c, N).rows;
    const auto all_x = c.keeps() ? saved.x : c.scratch().template take_view<S, dyn, B::in>(rows);
    const auto all_y = c.scratch().template take_view<S, dyn, B::out>(rows),
               room = c.scratch().template take_view<S, dyn, B::out>(rows);
    gather_rows(group(c, N), x, all_x);
    B::forward(on_all(c, N), w, state, as_const(all_x), all_y, saved.inner);
    scatter_sum(group(c, N), all_y, room, y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, X<C>, Sv& saved, DY<C> dy, DX<C> dx, St& dstate) {
    using S = typename C::scalar;
    Scope s(c.scratch());
    const int rows = whole(c, N).rows;
    const auto all_dy = c.scratch().template take_view<S, dyn, B::out>(rows);
    const auto all_dx = c.scratch().template take_view<S, dyn, B::in>(rows),
               room = c.scratch().template take_view<S, dyn, B::in>(rows);
    gather_rows(group(c, N), dy, all_dy);
    B::backward(on_all(c, N), w, dw, as_const(saved.x), saved.inner, as_const(all_dy), all_dx, dstate);
    scatter_sum(group(c, N), all_dx, room, dx);
  }
};

/// tensor_parallel's table, whose tokens all ranks know.
template <class B, int N> struct AllTokens : B {
  template <class Bk> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    const Shape all = whole(shape, N);
    Scope s(a);
    for (int i = 0; i < 2; ++i) a.take_view<typename Bk::scalar, dyn, B::out>(all.rows());
    B::template plan_scratch<Bk>(all, a);
  }
  template <class C, class W, class St, class V, class Y, class Sv>
  static void forward(C const& c, W const& w, St& state, V, Y y, Sv& saved) {
    Scope s(c.scratch());
    Batch const& all = whole(c, N);
    const auto all_y = c.scratch().template take_view<typename C::scalar, dyn, B::out>(all.rows),
               room = c.scratch().template take_view<typename C::scalar, dyn, B::out>(all.rows);
    B::forward(on_all(c, N), w, state, View<const int, dyn, 1>(all.tokens, all.rows), all_y, saved);
    scatter_sum(group(c, N), all_y, room, y);
  }
  template <class C, class W, class G, class V, class Sv, class DY, class DX, class St>
  static void backward(C const& c, W const& w, G& dw, V, Sv& saved, DY dy, DX dx, St& dstate) {
    Scope s(c.scratch());
    Batch const& all = whole(c, N);
    const auto all_dy = c.scratch().template take_view<typename C::scalar, dyn, B::out>(all.rows);
    gather_rows(group(c, N), dy, all_dy);
    B::backward(on_all(c, N), w, dw, View<const int, dyn, 1>(all.tokens, all.rows), saved, as_const(all_dy), dx,
                dstate);
  }
};

/// tensor_parallel's head.
template <class B, int N> struct AllRowsHead : B {
  template <class Bk> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    const Shape all = whole(shape, N);
    Scope s(a);
    for (int i = 0; i < 3; ++i) a.take_view<typename Bk::scalar, dyn, B::in>(all.rows());
    a.take<typename Bk::scalar>(static_cast<std::size_t>(all.rows()));
    B::template plan_scratch<Bk>(all, a);
  }
  template <class C, class W>
  static void logits(C const& c, W const&, Matrix<const typename C::scalar>, Matrix<typename C::scalar>) {
    fail(c.path.str(), "logits in sequence parallel", "training", "tensor_parallel<M, N> writes texts");
  }
  template <class C, class W>
  static void loss(C const& c, W const& w, Matrix<const typename C::scalar> x, const int*, typename C::scalar* losses) {
    Scope s(c.scratch());
    const Rows<C> all(c, x);
    B::loss(on_all(c, N), w, as_const(matrix(all.x)), whole(c, N).targets, all.losses);
    all.own(c, losses);
  }
  /// Ranks have the same factor, or 0 where none of their own rows counts.
  template <class C, class W, class G>
  static void loss_and_gradient(C const& c, W const& w, G& dw, Matrix<const typename C::scalar> x, const int*,
                                typename C::scalar factor, typename C::scalar* losses, Matrix<typename C::scalar> dx) {
    using S = typename C::scalar;
    Scope s(c.scratch());
    auto const& g = group(c, N);
    const Rows<C> all(c, x);
    const auto all_dx = c.scratch().template take_view<S, dyn, B::in>(whole(c, N).rows),
               room = c.scratch().template take_view<S, dyn, B::in>(whole(c, N).rows);
    g.most(g.user, &factor, 1);
    B::loss_and_gradient(on_all(c, N), w, dw, as_const(matrix(all.x)), whole(c, N).targets, factor, all.losses,
                         matrix(all_dx));
    scatter_sum(g, all_dx, room, dx);
    all.own(c, losses);
  }

 private:
  template <class C> struct Rows {
    using S = typename C::scalar;
    View<S, dyn, B::in> x;
    S* losses;
    Rows(C const& c, Matrix<const S> own_x)
        : x(c.scratch().template take_view<S, dyn, B::in>(whole(c, N).rows)),
          losses(c.scratch().template take<S>(static_cast<std::size_t>(whole(c, N).rows))) {
      gather_rows(group(c, N), own_x, x);
    }
    void own(C const& c, S* to) const {
      for (int r = 0; r < c.batch->rows; ++r) to[r] = losses[group(c, N).rank * c.batch->rows + r];
    }
  };
};

/// What stands around a block in tensor parallel.
template <class B, int N> struct around { using type = AllRows<B, N>; };
template <int Vocab, int Width, int N> struct around<tensor_parallel_detail::Table<Vocab, Width, N>, N> {
  using type = AllTokens<tensor_parallel_detail::Table<Vocab, Width, N>, N>;
};
template <int Width, int Vocab, int N> struct around<tensor_parallel_detail::Head<Width, Vocab, N>, N> {
  using type = AllRowsHead<tensor_parallel_detail::Head<Width, Vocab, N>, N>;
};

/// Does a block carry something from row to row, or weigh rows by what all others chose?
template <class B> constexpr bool reads_other_rows() {
  if constexpr (requires { typename B::mixture; }) return true;
  else if constexpr (Composite<B>) return false;
  else return !std::is_empty_v<typename B::template State<float>>;
}

/// What stands in the place of such a block but for the attention that is cut: no model with it is legal.
template <class B> struct Refused : B { using fault = rows_are_on_several_ranks<B>; };

}  // namespace sequence_parallel_detail

template <int N> struct InSequenceParallel {
  static_assert(N >= 1, "fauna: sequence_parallel is for one rank or more");
  static constexpr int ranks = N;
  static constexpr bool shares_rows = true;
  static std::string text() { return "sequence parallel " + std::to_string(N); }
  static constexpr bool original_checkpoints = true;
  template <class B> static constexpr auto replace() {
    using New = typename tensor_parallel_detail::part<B, N>::type;
    if constexpr (!std::is_void_v<New>)
      return std::type_identity<typename sequence_parallel_detail::around<New, N>::type>{};
    else if constexpr (requires { typename B::template State<float>; })
      if constexpr (sequence_parallel_detail::reads_other_rows<B>())
        return std::type_identity<sequence_parallel_detail::Refused<B>>{};
  }
};

template <class M, int N> using sequence_parallel = rewrite<M, InSequenceParallel<N>>;

/// Among how many ranks M deals out rows: one, where it is in no sequence parallel.
template <class M> constexpr int row_shares() {
  if constexpr (requires { M::rewriting::shares_rows; }) return M::rewriting::ranks;
  else if constexpr (requires { typename M::original; }) return row_shares<typename M::original>();
  else return 1;
}

}  // namespace fauna::inline v0
