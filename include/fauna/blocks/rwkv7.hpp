// RWKV-7's two mixers (Peng et al. 2025, "RWKV-7 'Goose' with expressive dynamic state evolution", section 4), as the
// author's training code has them: initial values, learning rates and decay too, which its results depend on.
//   C  Width     H  Heads of N = C / H columns     D, A, V, G  ranks of what makes decay, learning rate, value and gate
//   time mix     x_c = x + (x_before - x) ∘ μ_c  for c of r, w, k, v, a, g
//                r = x_r W_rᵀ      k = x_k W_kᵀ      v = x_v W_vᵀ
//                w = w0 + tanh(x_w w1) w2      a = a0 + x_a a1 a2      g = σ(x_g g1) g2
//                the first layer publishes v; in the others v ← v + (v_first - v) ∘ σ(v0 + x_v v1 v2)
//                y = the recurrence of r, w, k, v, a (ops/rwkv7/op.hpp, ops/wkv7/op.hpp), normalised head by head
//                out = (y ∘ g) W_oᵀ
//   channel mix  x_k = x + (x_before - x) ∘ μ      out = max(x_k W_kᵀ, 0)² W_vᵀ
#pragma once
#include <cmath>
#include <string_view>
#include <type_traits>

#include <fauna/blocks/activation.hpp>
#include <fauna/blocks/factor.hpp>
#include <fauna/blocks/norm.hpp>
#include <fauna/blocks/token_shift.hpp>
#include <fauna/compose/at.hpp>
#include <fauna/compose/seq.hpp>
#include <fauna/core/row_states.hpp>
#include <fauna/ops/rwkv7/op.hpp>
#include <fauna/ops/wkv7/op.hpp>

namespace fauna::inline v0 {

/// A letter and a digit.
constexpr label numbered(char letter, char digit) {
  const char both[] = {letter, digit, 0};
  return label(both);
}

/// A(x W1) W2, or with b0 added; it starts as b0 alone.
template <char Letter, int Width, int Rank, activation Form, bool Bias>
struct LowRank : Seq<Factor<numbered(Letter, '1'), "", Width, Rank, false, zeros>, Activation<Rank, Form>,
                     Factor<numbered(Letter, '2'), numbered(Letter, '0'), Rank, Width, Bias, orthogonal(0.1F)>> {};
template <char Letter, int Width, int Rank, bool Bias>
struct LowRank<Letter, Width, Rank, activation::none, Bias>
    : Seq<Factor<numbered(Letter, '1'), "", Width, Rank, false, zeros>,
          Factor<numbered(Letter, '2'), numbered(Letter, '0'), Rank, Width, Bias, orthogonal(0.1F)>> {};

struct Rwkv7Ranks {
  int decay = 64, learning = 64, value = 32, gate = 128;
  constexpr bool operator==(Rwkv7Ranks const&) const = default;
};

/// Rows of Width columns to rows of Width, in a model of Layers layers of which one is the First. In scope is the
/// stream "v_first", Width wide. Its state: the last row of the input, and N x N numbers a head.
template <int Width, int Heads, Rwkv7Ranks R, int Layers, bool First> struct Rwkv7TimeMix : SameWidth<Width> {
  static constexpr const char* kind_name = "Rwkv7TimeMix";
  static constexpr bool adds_y = true;
  static constexpr int N = Width / Heads;
  static constexpr float epsilon = 64e-5F;  ///< of the norm, whatever the size of a head
  using fault = std::conditional_t<Width % Heads == 0, void, heads_do_not_divide_width<Rwkv7TimeMix, Heads, Width>>;

  using Shift = TokenShift<"x_rwkvag", Width, Layers, Mix{"x_r", 0.2F}, Mix{"x_w", 0.9F}, Mix{"x_k", 0.7F},
                           Mix{"x_v", 0.7F}, Mix{"x_a", 0.9F}, Mix{"x_g", 0.2F}>;
  using Receptance = At<"receptance", Linear<Width, Width, false, orthogonal()>>;
  using Key = At<"key", Linear<Width, Width, false, orthogonal(0.1F)>>;
  using Value = At<"value", Linear<Width, Width, false, orthogonal()>>;
  using Output = At<"output", Linear<Width, Width, false, zeros>>;
  using Decay = LowRank<'w', Width, R.decay, activation::tanh, true>;
  using Learning = LowRank<'a', Width, R.learning, activation::none, true>;
  using Gate = LowRank<'g', Width, R.gate, activation::sigmoid, false>;
  using Return = std::conditional_t<First, SameWidth<Width>, LowRank<'v', Width, R.value, activation::none, true>>;
  using Norm = At<"ln_x", LayerNorm<Width>>;  // its tensors alone: heads are normalised one by one

  template <class D> struct Weights {
    typename Shift::template Weights<D> shift;
    typename Receptance::template Weights<D> receptance;
    typename Key::template Weights<D> key;
    typename Value::template Weights<D> value;
    typename Output::template Weights<D> output;
    typename Decay::template Weights<D> decay;
    typename Learning::template Weights<D> learning;
    typename Gate::template Weights<D> gate;
    typename Return::template Weights<D> back;
    typename Norm::template Weights<D> norm;
    typename D::template storage<kind::vector> k_k, k_a, r_k;
  };
  template <class S> struct State {
    typename Shift::template State<S> shift;
    View<S, dyn, N> heads;
  };
  template <class S> struct Saved {
    typename Shift::template Saved<S> shift;
    typename Decay::template Saved<S> decay;
    typename Learning::template Saved<S> learning;
    typename Gate::template Saved<S> gate;
    typename Return::template Saved<S> back;
    View<S, dyn, 6 * Width> mixed;
    View<S, dyn, Width> r, w, k, v, a, g, back_gate, value, y, out;  ///< value: v with what came back
    View<S, dyn, N> heads;                                           ///< states between chunks
  };

  /// The states of parts that have none.
  template <class S> struct Stateless {
    typename Decay::template State<S> decay;
    typename Learning::template State<S> learning;
    typename Gate::template State<S> gate;
    typename Return::template State<S> back;
  };

  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    const auto starting = [&f](void (*start)(Filling const&, float*), float lr_scale = 1) {
      return [&f, start, lr_scale](Tensor t, auto& v) {
        if (t.is_vector()) {
          t.draw_rows = start;
          t.lr_scale = lr_scale;
        }
        f(t, v);
      };
    };
    Tensor vector{
        .rows = 1, .cols = Width, .stored = kind::vector, .file = {1, 1, Width}, .decays = decay::no, .at = at};
    Shift::visit(w.shift, at, f);
    Decay::visit(w.decay, at, starting(start_decay, 2));
    Learning::visit(w.learning, at, starting(start_learning));
    Return::visit(w.back, at, starting(start_value));
    Gate::visit(w.gate, at, f);
    vector.field = "k_k";
    vector.draw_rows = start_k_k;
    f(vector, w.k_k);
    vector.field = "k_a";
    vector.draw_rows = nullptr;
    vector.init = filled(1.02F);
    f(vector, w.k_a);
    vector.field = "r_k";
    vector.file = {Heads, N};
    vector.init = filled(-0.04F);
    f(vector, w.r_k);
    Receptance::visit(w.receptance, at, f);
    Key::visit(w.key, at, f);
    Value::visit(w.value, at, f);
    Output::visit(w.output, at, f);
    Norm::visit(w.norm, at, [&f](Tensor t, auto& v) {
      if (std::string_view(t.field) == "weight") t.draw_rows = start_norm;
      f(t, v);
    });
  }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    const int rows = shape.rows();
    Shift::plan(s.shift, shape, a);
    Decay::plan(s.decay, shape, a);
    Learning::plan(s.learning, shape, a);
    Gate::plan(s.gate, shape, a);
    Return::plan(s.back, shape, a);
    s.mixed = a.take_view<S, dyn, 6 * Width>(rows);
    for (auto* v : {&s.r, &s.w, &s.k, &s.v, &s.a, &s.g, &s.y, &s.out}) *v = a.take_view<S, dyn, Width>(rows);
    if (!First)
      for (auto* v : {&s.back_gate, &s.value}) *v = a.take_view<S, dyn, Width>(rows);
    s.heads = a.take_view<S, dyn, N>(wkv7_kept(rows, shape.sequences) * Width);
  }
  template <class S> static constexpr void plan_state(State<S>& s, Shape const& shape, Arena& a) {
    Shift::plan_state(s.shift, shape, a);
    s.heads = a.take_view<S, dyn, N>(shape.sequences * Width);
  }
  template <class F, class... St> static constexpr void visit_state(F&& f, St&... s) {
    Shift::visit_state(f, s.shift...);
    f(StatePiece{.rows = Width}, s.heads...);
  }
  template <class B> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    using S = typename B::scalar;
    Scope s(a);
    // Backward: four inputs and six gradients of the recurrence, those of y, out and both gates, and of the mixes.
    for (int i = 0; i < 14; ++i) a.take_view<S, dyn, Width>(shape.rows());
    a.take_view<S, dyn, 6 * Width>(shape.rows());
    plan_workspace(wkv7<B>::workspace(N, shape.threads), a);
    Receptance::template plan_scratch<B>(shape, a);
    Decay::template plan_scratch<B>(shape, a);
    Learning::template plan_scratch<B>(shape, a);
    Gate::template plan_scratch<B>(shape, a);
    Return::template plan_scratch<B>(shape, a);
  }
  static constexpr double flops(double context) {
    return Shift::flops(context) + 4 * Receptance::flops(context) + Decay::flops(context) + Learning::flops(context) +
           Gate::flops(context) + Return::flops(context) + 10.0 * N * Width;
  }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St& st, In<C, Width> x, Out<C, Width> out, Sv& saved) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    Scope s(c.scratch());
    None none;
    Stateless<S> without;
    const auto room = [&](View<S, dyn, Width> kept) { return c.keeps() ? kept : take(c, x.rows()); };
    const auto mixed = c.keeps() ? saved.mixed : c.scratch().template take_view<S, dyn, 6 * Width>(x.rows());
    const auto r = room(saved.r), w_ = room(saved.w), k = room(saved.k), v = room(saved.v), a = room(saved.a),
               g = room(saved.g), y = room(saved.y), z = room(saved.out);
    Shift::forward(c.child(0).overwriting(), w.shift, st.shift, x, mixed, saved.shift);
    const auto m = as_const(mixed);
    Receptance::forward(c.child(1).overwriting(), w.receptance, none, part<0>(m), r, none);
    Decay::forward(c.child(2).overwriting(), w.decay, without.decay, part<1>(m), w_, saved.decay);
    Key::forward(c.child(3).overwriting(), w.key, none, part<2>(m), k, none);
    Value::forward(c.child(4).overwriting(), w.value, none, part<3>(m), v, none);
    Learning::forward(c.child(5).overwriting(), w.learning, without.learning, part<4>(m), a, saved.learning);
    Gate::forward(c.child(6).overwriting(), w.gate, without.gate, part<5>(m), g, saved.gate);
    auto value = v;
    auto const& v_first = *c.template get<"v_first">().value;
    if constexpr (First) {
      add<B>::run(c.backend, v, {}, v_first);
    } else {
      value = room(saved.value);
      const auto gate = room(saved.back_gate);
      Return::forward(c.child(7).overwriting(), w.back, without.back, part<3>(m), gate, saved.back);
      rwkv7_mix<B>::value(c.backend, v, v_first, gate, value);
    }
    const auto in = inputs(c, w, r, w_, k, a, value);
    const auto op = [backend = c.backend](Batch const& b, Wkv7Rows<const S> const& from, Matrix<S> state, Matrix<S> to,
                                          Matrix<S> kept) { wkv7<B>::forward(backend, b, N, from, state, to, kept); };
    // r is of what is read from a state, and not of the state.
    const auto fold = [op](Batch const& b, FactorRow<S> f, Matrix<S> state, Matrix<S> to) {
      op(b, {f[1], f[0], f[1], f[2], f[3], f[4]}, state, to, {});
    };
    by_row(
        *c.batch, [&](Batch const& b) { op(b, in, st.heads, y, saved.heads); }, StatePart{st.heads, Width},
        factors<S>(fold, Width, in.w, in.k, in.v, in.a, in.b));
    rwkv7_mix<B>::outputs(c.backend, N, y, in, g, w.r_k.data(), w.norm.weight.data(), w.norm.bias.data(), epsilon, z);
    Output::forward(c.child(8), w.output, none, as_const(z), out, none);
  }

  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, In<C, Width> x, Sv& saved, In<C, Width> dout, Out<C, Width> dx,
                       St& dst) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    Scope s(c.scratch());
    None none;
    Stateless<S> without;
    const auto new_rows = [&] { return take(c, x.rows()); };
    const auto m = as_const(saved.mixed);
    const auto dm = c.scratch().template take_view<S, dyn, 6 * Width>(x.rows());
    const auto value = First ? saved.v : saved.value, dr = new_rows(), dw_ = new_rows(), dk = new_rows(),
               dv = new_rows(), da = new_rows(), db = new_rows(), dg = new_rows(), dy = new_rows(), dz = new_rows();
    for (auto const& d : {dr, dw_, dk, dv, da, db}) add<B>::clear(c.backend, d);
    const Wkv7Rows<S> d{dr, dw_, dk, dv, da, db};
    const auto in = inputs(c, w, saved.r, saved.w, saved.k, saved.a, value);
    Output::backward(c.child(8).overwriting(), w.output, dw.output, as_const(saved.out), none, dout, dz, none);
    rwkv7_mix<B>::outputs_backward(c.backend, N, saved.y, in, saved.g, w.r_k.data(), w.norm.weight.data(),
                                   w.norm.bias.data(), epsilon, dz, dy, d, dg, gradient<S>(dw.r_k).data(),
                                   gradient<S>(dw.norm.weight).data(), gradient<S>(dw.norm.bias).data());
    wkv7<B>::backward(c.backend, *c.batch, N, in, saved.heads, dy, d, dst.heads);
    rwkv7_mix<B>::inputs_backward(c.backend, N, saved.w, saved.k, saved.a, w.k_k.data(), w.k_a.data(),
                                  Wkv7Rows<const S>{{}, dw_, dk, {}, da, db}, dw_, dk, da, gradient<S>(dw.k_k).data(),
                                  gradient<S>(dw.k_a).data());
    auto const& v_first = c.template get<"v_first">();
    if constexpr (First) {
      add<B>::run(c.backend, dv, *v_first.gradient, dv);
    } else {
      const auto d_gate = new_rows();
      rwkv7_mix<B>::value_backward(c.backend, saved.v, *v_first.value, saved.back_gate, dv, dv, *v_first.gradient,
                                   d_gate);
      Return::backward(c.child(7).overwriting(), w.back, dw.back, part<3>(m), saved.back, as_const(d_gate), part<3>(dm),
                       without.back);
    }
    Receptance::backward(c.child(1).overwriting(), w.receptance, dw.receptance, part<0>(m), none, as_const(dr),
                         part<0>(dm), none);
    Decay::backward(c.child(2).overwriting(), w.decay, dw.decay, part<1>(m), saved.decay, as_const(dw_), part<1>(dm),
                    without.decay);
    Key::backward(c.child(3).overwriting(), w.key, dw.key, part<2>(m), none, as_const(dk), part<2>(dm), none);
    // With the second reader of x_v, or alone.
    const auto of_value = First ? c.child(4).overwriting() : c.child(4).onto(part<3>(dm));
    Value::backward(of_value, w.value, dw.value, part<3>(m), none, as_const(dv), part<3>(dm), none);
    Learning::backward(c.child(5).overwriting(), w.learning, dw.learning, part<4>(m), saved.learning, as_const(da),
                       part<4>(dm), without.learning);
    Gate::backward(c.child(6).overwriting(), w.gate, dw.gate, part<5>(m), saved.gate, as_const(dg), part<5>(dm),
                   without.gate);
    Shift::backward(c.child(0).overwriting(), w.shift, dw.shift, x, saved.shift, as_const(dm), dx, dst.shift);
  }

 private:
  /// What is mixed for the I-th of r, w, k, v, a, g.
  template <int I, class V> static constexpr auto part(V mixed) { return mixed.template columns<I * Width, Width>(); }
  template <class C> static View<typename C::scalar, dyn, Width> take(C const& c, int rows) {
    return c.scratch().template take_view<typename C::scalar, dyn, Width>(rows);
  }
  /// The rows of the recurrence, made of what the products gave.
  template <class C, class W, class V>
  static Wkv7Rows<const typename C::scalar> inputs(C const& c, W const& w, V r, V w_, V k, V a, V v) {
    const V decay = take(c, r.rows()), key = take(c, r.rows()), erase = take(c, r.rows()), replace = take(c, r.rows());
    rwkv7_mix<typename C::backend_type>::inputs(c.backend, N, w_, k, a, w.k_k.data(), w.k_a.data(),
                                                {{}, decay, key, {}, erase, replace});
    return {r, decay, key, v, erase, replace};
  }

  // Initial values, of column n in layer f.layer.
  static constexpr double linear(int n) { return Width > 1 ? n / (Width - 1.0) - 0.5 : 0; }
  static constexpr double zigzag(int n) {
    const double z = N > 1 ? (n % N - (N - 1) / 2.0) / ((N - 1) / 2.0) : 0;
    return z < 0 ? -z * z : z * z;
  }
  static void start_decay(Filling const& f, float* to) {
    const double bend = 1 + (Layers > 1 ? std::pow(f.layer / (Layers - 1.0), 0.3) : 0);
    f.each(to, [&](int, int n) { return -5.5 + 6 * std::pow(linear(n) + 0.5, bend) + 2.5 * zigzag(n); });
  }
  static void start_learning(Filling const& f, float* to) {
    f.each(to, [](int, int n) { return -0.19 + 0.3 * zigzag(n) + 0.4 * linear(n); });
  }
  static void start_value(Filling const& f, float* to) {
    f.each(to, [](int, int n) { return 0.73 - 0.4 * linear(n); });
  }
  static void start_k_k(Filling const& f, float* to) {
    f.each(to, [](int, int n) { return 0.71 - 0.1 * linear(n); });
  }
  static void start_norm(Filling const& f, float* to) {
    f.each(to, [&](int, int) { return std::pow((1.0 + f.layer) / Layers, 0.7); });
  }
};

/// Rows of Width columns to rows of Width, with Hidden between. Its state: the last row of the input.
template <int Width, int Hidden, int Layers>
struct Rwkv7ChannelMix
    : Seq<TokenShift<"x_k", Width, Layers, Mix{"x_k", 1, 4}>, At<"key", Linear<Width, Hidden, false, orthogonal()>>,
          ReluSquared<Hidden>, At<"value", Linear<Hidden, Width, false, zeros>>> {};

}  // namespace fauna::inline v0
