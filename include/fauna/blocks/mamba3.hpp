// Mamba-3's mixer ("Mamba-3: Improved sequence modeling using state space principles", 2026, arXiv 2603.15569), the
// single-input single-output form, in the names and the order of mamba_ssm's checkpoints.
//   C  Width of the residual stream     H  Heads of P columns, E = H P     N  States, numbers for each column of a head
//   G  Groups of heads, which share B and C     K  Angles, each of which turns two of the N
//   [z | x | B | C | dt | a | trap | angle] = u W_inᵀ
//   δ = softplus(dt + dt_bias)      A = max(r(a), 1e-4)      λ = σ(trap)      θ_t = θ_{t-1} + π δ tanh(angle)
//   k = R(θ) (RmsNorm(B) + B_bias)      q = R(θ) (RmsNorm(C) + C_bias)            R turns pairs of neighbours
//   α_t = exp(-δ_t A_t)      γ_t = λ_t δ_t      e_t = (1 - λ_t) δ_t
//   h_t = α_t h_{t-1} + α_t e_t k_{t-1} x_{t-1}ᵀ + γ_t k_t x_tᵀ                   the trapezoidal rule
//   y_t = h_tᵀ q_t + D x_t      out = (y ∘ silu(z)) W_outᵀ, or (RmsNorm_head(y) ∘ silu(z)) W_outᵀ
// A step writes for its own row and for the one before it. What is carried here is h without the last row's own part,
// S_t = h_t - γ_t k_t x_tᵀ, which is written once a step:
//   S_t = α_t S_{t-1} + α_t (γ_{t-1} + e_t) k_{t-1} x_{t-1}ᵀ      y_t = S_tᵀ q_t + (γ_t (k_t · q_t) + D) x_t
// That is ops/recurrence with a number a head to fade by, whose keys and values come a row later (ops/token_shift);
// what makes its numbers, and the second term of y, is ops/mamba3. mamba_ssm and Mamba-2 alike start with δ in [1e-3,
// 0.1].
#pragma once
#include <fauna/blocks/activation.hpp>
#include <fauna/blocks/gated.hpp>
#include <fauna/blocks/heads.hpp>
#include <fauna/blocks/linear.hpp>
#include <fauna/compose/at.hpp>
#include <fauna/compose/beside.hpp>
#include <fauna/compose/seq.hpp>
#include <fauna/core/fault.hpp>
#include <fauna/core/row_states.hpp>
#include <fauna/ops/add/op.hpp>
#include <fauna/ops/mamba3/op.hpp>
#include <fauna/ops/recurrence/op.hpp>
#include <fauna/ops/token_shift/op.hpp>

namespace fauna::inline v0 {

/// What a mixer of Mamba-3 is, beside its width.
struct Mamba3Sizes {
  int heads = 24, size = 64, states = 128, groups = 1;
  int angles = 32;    ///< a quarter of the states, or half
  bool norm = false;  ///< of each head, before the gate
  constexpr bool operator==(Mamba3Sizes const&) const = default;
  constexpr int inner() const { return heads * size; }
  /// Columns of x, B, C, dt, a, trap and the angles.
  constexpr int read() const { return inner() + 2 * groups * states + 3 * heads + angles; }
};

/// The mixer without its gate: rows of [x | B | C | dt | a | trap | angle], B and C normalised, to rows of E. Its
/// state: N rows of P numbers a head, the last row's x, k and γ, and θ.
template <Mamba3Sizes Z> struct Mamba3Core : Leaf<Z.read(), Z.inner()> {
  static constexpr const char* kind_name = "Mamba3Core";
  static constexpr int E = Z.inner(), H = Z.heads, P = Z.size, N = Z.states, G = Z.groups, K = Z.angles;
  static constexpr Recurrence R{.fade = fades::by_head, .strength = true};
  using fault = first_fault<std::conditional_t<H % G == 0, void, groups_do_not_divide_heads<Mamba3Core, H, G>>,
                            std::conditional_t<(2 * K <= N), void, rotary_width_exceeds_head<Mamba3Core, 2 * K, N>>>;

  template <class D> struct Weights { typename D::template storage<kind::vector> dt_bias, B_bias, C_bias, D_; };
  template <class S> struct State {
    View<S, dyn, P> heads;
    View<S, dyn, E> x;
    View<S, dyn, H * N> k;
    View<S, dyn, H> now;
    View<S, dyn, H * K> theta;
  };
  /// What stands between the rows and the recurrence.
  template <class S> struct Made {
    View<S, dyn, H> fade, now, beta;
    View<S, dyn, H * K> theta;
    View<S, dyn, H * N> k, q, k_before;
    View<S, dyn, E> x_before;
    static constexpr Made placed(Arena& a, int rows) {
      Made m;
      m.fade = a.take_view<S, dyn, H>(rows);
      m.now = a.take_view<S, dyn, H>(rows);
      m.beta = a.take_view<S, dyn, H>(rows);
      m.theta = a.take_view<S, dyn, H * K>(rows);
      m.k = a.take_view<S, dyn, H * N>(rows);
      m.q = a.take_view<S, dyn, H * N>(rows);
      m.k_before = a.take_view<S, dyn, H * N>(rows);
      m.x_before = a.take_view<S, dyn, E>(rows);
      return m;
    }
    constexpr Mamba3Gates<S> gates() const { return {fade, now, beta, theta}; }
    constexpr RecurrenceRows<S> rows() const { return {q, k_before, x_before, fade, beta, {}, {}, {}}; }
  };
  template <class S> struct Saved {
    Made<S> made;
    View<S, dyn, P> kept;  ///< states between chunks
    View<S, dyn, H> now;   ///< as they entered
    View<S, dyn, H * K> theta;
  };

  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    Tensor t{.field = "dt_bias",
             .rows = 1,
             .cols = H,
             .stored = kind::vector,
             .init = inverse_softplus(1e-3F, 1e-1F),
             .at = at};
    f(t, w.dt_bias);
    t.init = ones;
    t.field = "D";
    f(t, w.D_);
    t.cols = H * N;
    t.file = {H, 1, N};
    t.field = "B_bias";
    f(t, w.B_bias);
    t.field = "C_bias";
    f(t, w.C_bias);
  }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    s.made = Made<S>::placed(a, shape.rows());
    s.kept = a.take_view<S, dyn, P>(recurrence_kept(shape.rows(), shape.sequences) * H * N);
    s.now = a.take_view<S, dyn, H>(shape.sequences);
    s.theta = a.take_view<S, dyn, H * K>(shape.sequences);
  }
  template <class S> static constexpr void plan_state(State<S>& s, Shape const& shape, Arena& a) {
    s.heads = a.take_view<S, dyn, P>(shape.sequences * H * N);
    s.x = a.take_view<S, dyn, E>(shape.sequences);
    s.k = a.take_view<S, dyn, H * N>(shape.sequences);
    s.now = a.take_view<S, dyn, H>(shape.sequences);
    s.theta = a.take_view<S, dyn, H * K>(shape.sequences);
  }
  template <class F, class... St> static constexpr void visit_state(F&& f, St&... s) {
    f(StatePiece{.rows = H * N}, s.heads...);
    f(StatePiece{}, s.x...);
    f(StatePiece{}, s.k...);
    f(StatePiece{}, s.now...);
    f(StatePiece{}, s.theta...);
  }
  template <class B> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    using S = typename B::scalar;
    Scope s(a);
    Made<S>::placed(a, shape.rows());  // forward in inference; backward: the gradients
    plan_workspace(mamba3_gates<B>::workspace(sizes, shape.rows()), a);
    plan_workspace(recurrence<R, B>::workspace(heads, shape.threads), a);
  }
  static constexpr double flops(double) { return 5.0 * E * N + 2.0 * E + 16.0 * H * N; }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St& st, In<C, Z.read()> u, Out<C, E> y, Sv& saved) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    Scope s(c.scratch());
    const auto m = c.keeps() ? saved.made : Made<S>::placed(c.scratch(), u.rows());
    if (c.keeps()) {
      keep_state(c, st.now, saved.now);
      keep_state(c, st.theta, saved.theta);
    }
    by_row(
        *c.batch,
        [&](Batch const& b) {
          mamba3_gates<B>::forward(c.backend, b, sizes, gate_rows(u), w.dt_bias.data(), carried(st), m.gates());
        },
        StatePart{st.now}, StatePart{st.theta});
    mamba3_heads<B>::forward(c.backend, sizes, {part_b(u), w.B_bias.data()}, {part_c(u), w.C_bias.data()}, m.theta, m.k,
                             m.q);
    by_row(
        *c.batch,
        [&](Batch const& b) {
          token_shift<B>::forward(c.backend, b, m.k, {}, st.k, m.k_before);
          token_shift<B>::forward(c.backend, b, part_x(u), {}, st.x, m.x_before);
        },
        StatePart{st.k}, StatePart{st.x});
    const auto in = reading_rows<S>(m);
    const auto op = [backend = c.backend](Batch const& b, RecurrenceRows<const S> const& from, Matrix<S> state,
                                          Matrix<S> to, Matrix<S> kept) {
      recurrence<R, B>::forward(backend, b, heads, from, state, to, kept);
    };
    // q is of what is read from a state, and not of the state.
    const auto fold = [op](Batch const& b, FactorRow<S> f, Matrix<S> state, Matrix<S> to) {
      op(b, {f[0], f[0], f[1], f[2], f[3], {}, {}, {}}, state, to, {});
    };
    by_row(
        *c.batch, [&](Batch const& b) { op(b, in, st.heads, y, c.keeps() ? saved.kept : View<S, dyn, P>()); },
        StatePart{st.heads, H * N}, factors<S>(fold, E, in.k, in.v, in.fade, in.beta));
    mamba3_skip<B>::forward(c.backend, sizes, {m.k, m.q, part_x(u), m.now}, w.D_.data(), y);
  }
  template <class C, class W, class G_, class Sv, class St>
  static void backward(C const& c, W const& w, G_& dw, In<C, Z.read()> u, Sv& saved, In<C, E> dy, Out<C, Z.read()> du,
                       St& dst) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    Scope s(c.scratch());
    auto const& m = saved.made;
    const auto d = Made<S>::placed(c.scratch(), u.rows());
    for (const Matrix<S>& v :
         {Matrix<S>(d.fade), Matrix<S>(d.beta), Matrix<S>(d.q), Matrix<S>(d.k_before), Matrix<S>(d.x_before)})
      add<B>::clear(c.backend, v);
    recurrence<R, B>::backward(c.backend, *c.batch, heads, reading_rows<S>(m), saved.kept, dy, d.rows(), dst.heads);
    token_shift<B>::backward(c.backend, *c.batch, part_x(u), {}, {}, d.x_before, part_x(du), {}, dst.x);
    token_shift<B>::backward(c.backend, *c.batch, m.k, {}, {}, d.k_before, d.k, {}, dst.k);
    mamba3_skip<B>::backward(c.backend, sizes, {m.k, m.q, part_x(u), m.now}, w.D_.data(), dy,
                             {d.k, d.q, part_x(du), d.now}, gradient<S>(dw.D_).data());
    mamba3_heads<B>::backward(c.backend, sizes, m.k, m.q, m.theta, d.k, d.q,
                              {part_b(du), gradient<S>(dw.B_bias).data()}, {part_c(du), gradient<S>(dw.C_bias).data()},
                              d.theta);
    mamba3_gates<B>::backward(c.backend, *c.batch, sizes, gate_rows(u), w.dt_bias.data(), {saved.theta, saved.now},
                              {m.fade, m.now, m.beta, m.theta}, {d.fade, d.now, d.beta, d.theta}, gate_rows(du),
                              gradient<S>(dw.dt_bias).data(), carried(dst));
  }

 private:
  static constexpr Mamba3Shape sizes{H, N, P, G, K};
  static constexpr RecurrenceShape heads{.heads = H, .key_heads = H, .keys = N, .values = P};

  template <class V> static constexpr auto part_x(V u) { return u.template columns<0, E>(); }
  template <class V> static constexpr auto part_b(V u) { return u.template columns<E, G * N>(); }
  template <class V> static constexpr auto part_c(V u) { return u.template columns<E + G * N, G * N>(); }
  template <class V> static constexpr Mamba3GateRows<typename V::element> gate_rows(V u) {
    constexpr int at = E + 2 * G * N;
    return {u.template columns<at, H>(), u.template columns<at + H, H>(), u.template columns<at + 2 * H, H>(),
            u.template columns<at + 3 * H, K>()};
  }
  template <class S> static constexpr RecurrenceRows<const S> reading_rows(Made<S> const& m) {
    return {m.q, m.k_before, m.x_before, m.fade, m.beta, {}, {}, {}};
  }
  template <class S> static constexpr Mamba3State<S> carried(State<S> const& s) { return {s.theta, s.now}; }
  template <class C, class V> static void keep_state(C const& c, V const& now, V const& kept) {
    if (now) add<typename C::backend_type>::run(c.backend, now, {}, kept);
    else add<typename C::backend_type>::clear(c.backend, kept);
  }
};

/// Columns that pass by.
template <int Columns> using Passing = Activation<Columns, activation::none>;
/// The core, and the norm of its heads where there is one.
template <Mamba3Sizes Z>
using Mamba3Normed =
    std::conditional_t<Z.norm, Seq<Mamba3Core<Z>, At<"norm", HeadNorm<Z.heads, RmsNorm<Z.size>, false>>>,
                       Mamba3Core<Z>>;

/// Rows of Width columns to rows of Width.
template <int Width, Mamba3Sizes Z>
struct Mamba3Mixer
    : Seq<At<"in_proj", Linear<Width, Z.inner() + Z.read(), false>>,
          Beside<Passing<Z.inner()>,
                 Seq<Beside<Passing<Z.inner()>, At<"B_norm", HeadNorm<Z.groups, RmsNorm<Z.states>>>,
                            At<"C_norm", HeadNorm<Z.groups, RmsNorm<Z.states>>>, Passing<3 * Z.heads + Z.angles>>,
                     Mamba3Normed<Z>>>,
          Gated<activation::silu, Z.inner()>, At<"out_proj", Linear<Z.inner(), Width, false, residual_normal(0.02F)>>> {
};

}  // namespace fauna::inline v0
