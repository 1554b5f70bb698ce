// The recurrence as a block, and what makes its numbers (ops/recurrence/op.hpp, ops/fade/op.hpp): the mixers of
// linear attention's kin are compositions around it, a file each.
#pragma once
#include <cmath>

#include <fauna/core/block.hpp>
#include <fauna/core/fault.hpp>
#include <fauna/core/row_states.hpp>
#include <fauna/ops/add/op.hpp>
#include <fauna/ops/fade/op.hpp>
#include <fauna/ops/recurrence/op.hpp>

namespace fauna::inline v0 {

/// What a state of Heads heads fades by where that does not depend on the row: as a template argument, a function that
/// the compiler calls for each head.
using FixedFade = double (*)(int head);

/// Numbers that a head of K keys and N values fades by.
constexpr int recurrence_fades(Recurrence r, int K, int N) {
  return r.fade == fades::by_key ? K : r.fade == fades::by_value ? N : r.fade == fades::by_head ? 1 : 0;
}
/// Columns of what Recur reads.
constexpr int recurrence_width(Recurrence r, int heads, int key_heads, int K, int N) {
  return 2 * key_heads * K + heads * (N + recurrence_fades(r, K, N) + (r.strength ? 1 : 0) + (r.normalised ? 1 : 0) +
                                      (r.erase == erases::apart ? K : 0));
}

/// Rows of [q | k | v | fade | β | least | a], as far as R has them, to rows of Heads N columns. Queries and keys have
/// K columns in KeyHeads heads, values N in Heads; q is scaled by 1 / √K, where Scales. Its state: K rows of a head's
/// columns, the normaliser's among them.
template <Recurrence R, int Heads, int KeyHeads, int K, int N, FixedFade Fixed = nullptr, bool Scales = true>
struct Recur : Leaf<recurrence_width(R, Heads, KeyHeads, K, N), Heads * N> {
  static_assert(R.erase != erases::decoupled, "fauna: RWKV-7 has a block of its own");
  static constexpr const char* kind_name = "Recur";
  static constexpr int width = recurrence_width(R, Heads, KeyHeads, K, N), columns = recurrence_columns(R, N);
  using fault = std::conditional_t<Heads % KeyHeads == 0, void, key_heads_do_not_divide_heads<Recur, Heads, KeyHeads>>;
  template <class S> struct State { View<S, dyn, columns> heads; };
  template <class S> struct Saved { View<S, dyn, columns> heads; };  ///< states between chunks

  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    s.heads = a.take_view<S, dyn, columns>(recurrence_kept(shape.rows(), shape.sequences) * Heads * K);
  }
  template <class S> static constexpr void plan_state(State<S>& s, Shape const& shape, Arena& a) {
    s.heads = a.take_view<S, dyn, columns>(shape.sequences * Heads * K);
  }
  template <class F, class... St> static constexpr void visit_state(F&& f, St&... s) {
    f(StatePiece{.rows = Heads * K}, s.heads...);
  }
  template <class B> static constexpr void plan_scratch(Shape const& s, Arena& a) {
    plan_workspace(recurrence<R, B>::workspace(shape(), s.threads), a);
  }
  /// Fading, writing and reading; with a removal, one more of each of the last two.
  static constexpr double flops(double) { return (R.erase == erases::nothing ? 5.0 : 7.0) * Heads * K * columns; }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const&, St& st, In<C, width> x, Out<C, Heads * N> y, Sv& saved) {
    using S = typename C::scalar;
    const auto kept = c.keeps() ? saved.heads : View<S, dyn, columns>();
    const auto in = rows(x);
    const auto op = [backend = c.backend](Batch const& b, RecurrenceRows<const S> const& from, Matrix<S> state,
                                          Matrix<S> to, Matrix<S> between) {
      recurrence<R, typename C::backend_type>::forward(backend, b, shape(), from, state, to, between);
    };
    // q is of what is read from a state, and not of the state.
    const auto fold = [op](Batch const& b, FactorRow<S> f, Matrix<S> state, Matrix<S> to) {
      op(b, {f[0], f[0], f[1], f[2], f[3], f[4], {}, f[5]}, state, to, {});
    };
    by_row(
        *c.batch, [&](Batch const& b) { op(b, in, st.heads, y, kept); }, StatePart{st.heads, Heads * K},
        factors<S>(fold, Heads * N, in.k, in.v, in.fade, in.beta, in.a, in.least));
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, In<C, width> x, Sv& saved, In<C, Heads * N> dy, Out<C, width> dx,
                       St& dst) {
    using B = typename C::backend_type;
    add<B>::clear(c.backend, dx);
    recurrence<R, B>::backward(c.backend, *c.batch, shape(), rows(x), saved.heads, dy, rows(dx), dst.heads);
  }

 private:
  struct Fixed_ {
    float of[Heads]{};
  };
  static constexpr Fixed_ make_fixed() {
    Fixed_ f;
    if constexpr (Fixed != nullptr)
      for (int h = 0; h < Heads; ++h) f.of[h] = static_cast<float>(Fixed(h));
    return f;
  }
  static constexpr Fixed_ fixed = make_fixed();
  static constexpr RecurrenceShape shape() {
    return {.heads = Heads,
            .key_heads = KeyHeads,
            .keys = K,
            .values = N,
            .scale = Scales ? 1 / square_root(static_cast<float>(K)) : 1,
            .fixed = fixed.of};
  }
  static constexpr int fade_at = 2 * KeyHeads * K + Heads * N, fades_of = Heads * recurrence_fades(R, K, N),
                       beta_at = fade_at + fades_of, least_at = beta_at + (R.strength ? Heads : 0),
                       a_at = least_at + (R.normalised ? Heads : 0);
  template <class V> static constexpr RecurrenceRows<typename V::element> rows(V x) {
    RecurrenceRows<typename V::element> r{x.template columns<0, KeyHeads * K>(),
                                          x.template columns<KeyHeads * K, KeyHeads * K>(),
                                          x.template columns<2 * KeyHeads * K, Heads * N>(),
                                          {},
                                          {},
                                          {},
                                          {},
                                          {}};
    if constexpr (fades_of > 0) r.fade = x.template columns<fade_at, fades_of>();
    if constexpr (R.strength) r.beta = x.template columns<beta_at, Heads>();
    if constexpr (R.normalised) r.least = x.template columns<least_at, Heads>();
    if constexpr (R.erase == erases::apart) r.a = x.template columns<a_at, Heads * K>();
    return r;
  }
};

/// What a state fades by, of rows as a product gave them: exp(-e^{A_log} softplus(x + dt_bias)), a number for each of
/// Heads heads of Columns columns (Dao and Gu 2024, "Transformers are SSMs", section 7; its start too). Deep: files
/// have A_log as [1, 1, Heads, 1].
template <int Heads, int Columns = 1, bool Deep = false> struct RateFade : SameWidth<Heads * Columns> {
  static constexpr const char* kind_name = "RateFade";
  static constexpr int width = Heads * Columns;
  template <class D> struct Weights {
    typename D::template storage<kind::control> A_log;
    typename D::template storage<kind::control> dt_bias;
  };
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    Tensor t{.field = "A_log",
             .rows = 1,
             .cols = Heads,
             .stored = kind::control,
             .file = Deep ? FileShape(1, 1, Heads, 1) : FileShape(),
             .decays = decay::no,
             .at = at,
             .draw_rows = start_rates};
    f(t, w.A_log);
    t.field = "dt_bias";
    t.file = {};
    t.cols = width;
    t.draw_rows = nullptr;
    t.init = inverse_softplus(1e-3F, 1e-1F);
    f(t, w.dt_bias);
  }
  static constexpr double flops(double) { return 6.0 * width; }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St&, In<C, width> x, Out<C, width> y, Sv&) {
    fade_gate<typename C::backend_type>::forward(c.backend, {.head = Columns}, x, w.A_log.data(), w.dt_bias.data(), y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, In<C, width> x, Sv&, In<C, width> dy, Out<C, width> dx, St&) {
    using S = typename C::scalar;
    fade_gate<typename C::backend_type>::backward(c.backend, {.head = Columns}, x, w.A_log.data(), w.dt_bias.data(), dy,
                                                  dx, gradient<S>(dw.A_log).data(), gradient<S>(dw.dt_bias).data());
  }

 private:
  /// The logarithm of rates between 1 and 16.
  static void start_rates(Filling const& f, float* to) {
    f.each(to, [&](int r, int c) { return std::log(1 + 15 * static_cast<double>(f.key.uniform(f.index(r, c)))); });
  }
};

/// σ(x)^{1/16} (Yang et al. 2023, "Gated linear attention transformers with hardware-efficient training", section 4.4).
template <int Width> struct SlowSigmoid : SameWidth<Width> {
  static constexpr const char* kind_name = "SlowSigmoid";
  static constexpr double flops(double) { return 5.0 * Width; }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const&, St&, In<C, Width> x, Out<C, Width> y, Sv&) {
    using S = typename C::scalar;
    const S* none = nullptr;
    fade_gate<typename C::backend_type>::forward(c.backend, form, x, none, none, y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, In<C, Width> x, Sv&, In<C, Width> dy, Out<C, Width> dx, St&) {
    using S = typename C::scalar;
    const S* none = nullptr;
    S* nothing = nullptr;
    fade_gate<typename C::backend_type>::backward(c.backend, form, x, none, none, dy, dx, nothing, nothing);
  }

 private:
  static constexpr FadeShape form{.head = Width, .sign = -1, .rate = 1.0F / 16};
};

}  // namespace fauna::inline v0
