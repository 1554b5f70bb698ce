// RWKV-6's two mixers (Peng et al. 2024, "Eagle and Finch: RWKV with matrix-valued states and dynamic recurrence",
// section 4.2), with initial values and learning rates of the author's training code, on which its results depend.
//   C  Width     H  Heads of N = C / H columns     M, D  ranks of what makes mixes and decay
//   time mix     z = x + (x_before - x) ∘ μ_x      m = tanh(z A) B, a part for each c, A [C, 5 M], B 5 of [M, C]
//                x_c = x + (x_before - x) ∘ (μ_c + m_c)  for c of g, r, k, v, w
//                g = x_g W_gᵀ      r = x_r W_rᵀ      k = x_k W_kᵀ      v = x_v W_vᵀ
//                d = time_decay + tanh(x_w D₁) D₂
//                y = wkv(r, k, v, d; time_faaaa), normalised head by head      (ops/wkv6/op.hpp)
//                out = (silu(g) ∘ y) W_oᵀ
//   channel mix  blocks/rwkv_channel.hpp
#pragma once
#include <fauna/blocks/factor.hpp>
#include <fauna/blocks/rwkv5.hpp>
#include <fauna/core/row_states.hpp>
#include <fauna/ops/token_mix/op.hpp>

namespace fauna::inline v0 {

namespace rwkv6_detail {
/// Where the parts of g, r, k, v and w stand in files, which have w, k, v, r, g.
inline constexpr int order[] = {4, 3, 1, 2, 0};
inline std::string below(Tensor const& t, const char* name) { return (t.at.path ? t.at.path->str() + '.' : "") + name; }
}  // namespace rwkv6_detail

/// A of the mixes, time_maa_w1 in files, [Width, 5 Rank].
template <int Width, int Rank> struct Rwkv6MixIn : Factor<"time_maa_w1", "", Width, 5 * Rank, false, zeros> {
  using Base = Factor<"time_maa_w1", "", Width, 5 * Rank, false, zeros>;
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    Base::visit(w, at, [&f](Tensor t, auto& v) {
      t.pieces = pieces;
      f(t, v);
    });
  }

 private:
  static std::vector<Piece> pieces(Tensor const& t) {
    std::vector<Piece> all;
    for (int i = 0; i < 5; ++i) {
      Piece p{.name = rwkv6_detail::below(t, "time_maa_w1"), .shape = {Width, 5 * Rank}, .first = i * Rank};
      p.rows = Rank;
      p.offset = rwkv6_detail::order[i] * Rank;
      p.col_stride = 5 * Rank;
      p.digits[2] = {Rank, 1};
      all.push_back(p);
    }
    return all;
  }
};
/// Part I of B, in files all of them in time_maa_w2, [5, Rank, Width].
template <int I, int Width, int Rank> struct Rwkv6MixOut : Linear<Rank, Width, false, uniform(-0.01F, 0.01F)> {
  using Base = Linear<Rank, Width, false, uniform(-0.01F, 0.01F)>;
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    Base::visit(w, at, [&f](Tensor t, auto& v) {
      t.field = name;
      t.decays = decay::no;
      t.pieces = pieces;
      f(t, v);
    });
  }

 private:
  static constexpr char name[] = {'t', 'i', 'm', 'e', '_', 'm', 'a', 'a', '_', 'w', '2', '_', "grkvw"[I], 0};
  static std::vector<Piece> pieces(Tensor const& t) {
    Piece p{.name = rwkv6_detail::below(t, "time_maa_w2"), .shape = {5, Rank, Width}, .first = 0};
    p.rows = Width;
    p.offset = rwkv6_detail::order[I] * Rank * Width;
    p.col_stride = Width;
    p.digits[2] = {Width, 1};
    return {p};
  }
};

/// Rows of Width to [x_g | x_r | x_k | x_v | x_w], each mixed with the row before as the row itself says. Its state:
/// the last row of the input.
template <int Width, int Layers, int Rank> struct Rwkv6Shift : Leaf<Width, 5 * Width> {
  static constexpr const char* kind_name = "Rwkv6Shift";
  using Own = Seq<Rwkv6MixIn<Width, Rank>, Activation<5 * Rank, activation::tanh>,
                  Beside<Rwkv6MixOut<0, Width, Rank>, Rwkv6MixOut<1, Width, Rank>, Rwkv6MixOut<2, Width, Rank>,
                         Rwkv6MixOut<3, Width, Rank>, Rwkv6MixOut<4, Width, Rank>>>;
  /// The tensor of all μ alone.
  using Mu = TokenShift<"time_maa", Width, Layers, Mix{"time_maa_x"}, Mix{"time_maa_g", 0.5F}, Mix{"time_maa_r", 0.5F},
                        Mix{"time_maa_k"}, Mix{.name = "time_maa_v", .late = 0.3F}, Mix{"time_maa_w"}>;
  template <class D> struct Weights {
    typename Mu::template Weights<D> mu;
    typename Own::template Weights<D> own;
  };
  template <class S> using State = typename Mu::template State<S>;
  template <class S> struct Saved {
    typename Own::template Saved<S> own;
    View<S, dyn, Width> entering, before, z;
    View<S, dyn, 5 * Width> m;
  };
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    Mu::visit(w.mu, at, f);
    Own::visit(w.own, at, f);
  }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    Own::plan(s.own, shape, a);
    s.entering = a.take_view<S, dyn, Width>(shape.sequences);
    s.before = a.take_view<S, dyn, Width>(shape.rows());
    s.z = a.take_view<S, dyn, Width>(shape.rows());
    s.m = a.take_view<S, dyn, 5 * Width>(shape.rows());
  }
  template <class S> static constexpr void plan_state(State<S>& s, Shape const& shape, Arena& a) {
    Mu::plan_state(s, shape, a);
  }
  template <class F, class... St> static constexpr void visit_state(F&& f, St&... s) { Mu::visit_state(f, s...); }
  template <class B> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    using S = typename B::scalar;
    Scope s(a);
    for (int i = 0; i < 3; ++i) a.take_view<S, dyn, Width>(shape.rows());
    a.take_view<S, dyn, 5 * Width>(shape.rows());
    Own::template plan_scratch<B>(shape, a);
  }
  static constexpr double flops(double context) { return Own::flops(context) + 18.0 * Width; }

  using Rows = Leaf<Width, 5 * Width>;

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St& st, In<C, Width> x, Out<C, 5 * Width> y, Sv& saved) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    Scope s(c.scratch());
    const auto room = [&](View<S, dyn, Width> kept) { return c.keeps() ? kept : take(c, x.rows()); };
    const auto before = room(saved.before), z = room(saved.z);
    const auto m = c.keeps() ? saved.m : c.scratch().template take_view<S, dyn, 5 * Width>(x.rows());
    if (c.keeps()) {
      if (st.last) add<B>::run(c.backend, st.last, {}, saved.entering);
      else add<B>::clear(c.backend, saved.entering);
    }
    typename Own::template State<S> none;
    const auto mu = reading(w.mu.mu);
    by_row(
        *c.batch, [&](Batch const& b) { token_shift<B>::forward(c.backend, b, x, {}, st.last, before); },
        StatePart{st.last});
    token_mix<B>::forward(c.backend, x, before, mu.middle_rows(0, 1), {}, z);
    Own::forward(c.child(0).overwriting(), w.own, none, as_const(z), m, saved.own);
    token_mix<B>::forward(c.backend, x, before, mu.middle_rows(1, 5), m, y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, In<C, Width> x, Sv& saved, In<C, 5 * Width> dy, Out<C, Width> dx,
                       St& dst) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    Scope s(c.scratch());
    const auto own = take(c, x.rows()), before = take(c, x.rows()), dz = take(c, x.rows());
    const auto dm = c.scratch().template take_view<S, dyn, 5 * Width>(x.rows());
    const auto mu = reading(w.mu.mu);
    const auto dmu = matrix(gradient<S>(dw.mu.mu));
    typename Own::template State<S> none;
    add<B>::clear(c.backend, own);
    add<B>::clear(c.backend, before);
    token_mix<B>::backward(c.backend, x, saved.before, mu.middle_rows(1, 5), saved.m, dy, own, before,
                           dmu.middle_rows(1, 5), dm);
    Own::backward(c.child(0).overwriting(), w.own, dw.own, as_const(saved.z), saved.own, as_const(dm), dz, none);
    token_mix<B>::backward(c.backend, x, saved.before, mu.middle_rows(0, 1), {}, dz, own, before, dmu.middle_rows(0, 1),
                           {});
    token_shift<B>::backward(c.backend, *c.batch, x, saved.entering, {}, before, dx, {}, dst.last);
    add<B>::run(c.backend, own, dx, dx);
  }

 private:
  template <class C> static View<typename C::scalar, dyn, Width> take(C const& c, int rows) {
    return c.scratch().template take_view<typename C::scalar, dyn, Width>(rows);
  }
};

/// The second factor of the decay, with time_decay as its bias.
template <int Rank, int Width, int Layers>
struct Rwkv6DecayOut : Factor<"time_decay_w2", "time_decay", Rank, Width, true, uniform(-0.01F, 0.01F)> {
  using Base = Factor<"time_decay_w2", "time_decay", Rank, Width, true, uniform(-0.01F, 0.01F)>;
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    Base::visit(w, at, [&f](Tensor t, auto& v) {
      if (t.is_vector()) {
        t.draw_rows = [](Filling const& filling, float* to) { start_decays<Width, Layers>(filling, to, -6, 5); };
        t.lr_scale = 2;
      }
      f(t, v);
    });
  }
};

struct Rwkv6Ranks {
  int mix = 32, decay = 64;
  constexpr bool operator==(Rwkv6Ranks const&) const = default;
};

/// Rows of Width columns to rows of Width, in a model of Layers layers. Its state: the last row of the input, and the
/// core's.
template <int Width, int Heads, Rwkv6Ranks R, int Layers, Epsilon E>
struct Rwkv6TimeMix : Seq<Rwkv6Shift<Width, Layers, R.mix>,
                          Beside<At<"gate", Linear<Width, Width, false, orthogonal(0.1F)>>,
                                 At<"receptance", Linear<Width, Width, false, orthogonal()>>,
                                 At<"key", Linear<Width, Width, false, orthogonal(0.1F)>>,
                                 At<"value", Linear<Width, Width, false, orthogonal()>>,
                                 Seq<Factor<"time_decay_w1", "", Width, R.decay, false, zeros>,
                                     Activation<R.decay, activation::tanh>, Rwkv6DecayOut<R.decay, Width, Layers>>>,
                          RwkvGatedCore<Width, Heads, Layers, E, true>> {};

template <int Width, int Hidden, int Layers>
struct Rwkv6ChannelMix : RwkvChannelMix<Width, Hidden, Layers, Mix{"time_maa_r"}, Mix{"time_maa_k"}, orthogonal()> {};

}  // namespace fauna::inline v0
