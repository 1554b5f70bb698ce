// RWKV-5.2's two mixers (Peng et al. 2024, "Eagle and Finch: RWKV with matrix-valued states and dynamic recurrence",
// section 4.1), with initial values and learning rates of the author's training code, on which its results depend.
//   C  Width     H  Heads of N = C / H columns
//   time mix     x_c = m_c ∘ x + (1 - m_c) ∘ x_before  for c of g, r, k, v
//                g = x_g W_gᵀ      r = x_r W_rᵀ      k = x_k W_kᵀ      v = x_v W_vᵀ
//                y = wkv(r, k, v; time_decay, time_faaaa), normalised head by head      (ops/wkv6/op.hpp)
//                out = (silu(g) ∘ y) W_oᵀ
//   channel mix  blocks/rwkv_channel.hpp
#pragma once
#include <cmath>
#include <string_view>

#include <fauna/blocks/norm.hpp>
#include <fauna/blocks/rwkv4.hpp>
#include <fauna/core/row_states.hpp>
#include <fauna/ops/wkv6/op.hpp>

namespace fauna::inline v0 {

/// Each of Heads parts of a row normalised over its own columns, as LayerNorm does it. Weights start at ((1 + l) /
/// Layers)^0.7 in layer l.
template <int Width, int Heads, int Layers, Epsilon E> struct RwkvHeadNorm : SameWidth<Width> {
  static constexpr const char* kind_name = "RwkvHeadNorm";
  static constexpr int N = Width / Heads;
  template <class D> using Weights = typename LayerNorm<Width>::template Weights<D>;
  template <class S> struct Saved {
    View<S, dyn, 1> mean, rstd;  ///< head by head
  };
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    LayerNorm<Width>::visit(w, at, [&f](Tensor t, auto& v) {
      if (std::string_view(t.field) == "weight") t.draw_rows = start;
      f(t, v);
    });
  }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    s.mean = a.take_view<S, dyn, 1>(shape.rows() * Heads);
    s.rstd = a.take_view<S, dyn, 1>(shape.rows() * Heads);
  }
  template <class B> static constexpr void plan_scratch(Shape const& s, Arena& a) {
    if (s.backward) plan_workspace(layer_norm<B>::workspace(s.rows(), N, s.threads), a);
  }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St&, In<C, Width> x, Out<C, Width> y, Sv& saved) {
    for (int h = 0; h < Heads; ++h)
      layer_norm<typename C::backend_type>::forward(c.backend, head(x, h), part(w.weight.data(), h),
                                                    part(w.bias.data(), h), head(y, h), of(saved.mean, h, x.rows()),
                                                    of(saved.rstd, h, x.rows()), E.value);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, In<C, Width> x, Sv& saved, In<C, Width> dy, Out<C, Width> dx,
                       St&) {
    using S = typename C::scalar;
    for (int h = 0; h < Heads; ++h)
      layer_norm<typename C::backend_type>::backward(
          c.backend, head(x, h), part(w.weight.data(), h), of(saved.mean, h, x.rows()), of(saved.rstd, h, x.rows()),
          head(dy, h), head(dx, h), {}, part(gradient<S>(dw.weight).data(), h), part(gradient<S>(dw.bias).data(), h));
  }

 private:
  template <class V> static auto head(V v, int h) {
    return Matrix<typename V::element>(v.data() + h * N, v.rows(), N, v.stride());
  }
  template <class P> static P part(P of_all, int h) { return of_all ? of_all + h * N : of_all; }
  template <class V> static auto of(V v, int h, int rows) {
    return v.data() ? v.data() + static_cast<std::ptrdiff_t>(h) * rows : v.data();
  }
  static void start(Filling const& f, float* to) {
    f.each(to, [&](int, int) { return std::pow((1.0 + f.layer) / Layers, 0.7); });
  }
};

/// The recurrence of RWKV-5 and 6 between its projections: rows [r | k | v], or with a decay of their own [r | k | v |
/// d], to rows of Width. Its state: N x N numbers a head.
template <int Width, int Heads, int Layers, bool OwnDecay> struct Wkv6Core : Leaf<(OwnDecay ? 4 : 3) * Width, Width> {
  static constexpr const char* kind_name = "Wkv6Core";
  static constexpr int N = Width / Heads;
  using fault = std::conditional_t<Width % Heads == 0, void, heads_do_not_divide_width<Wkv6Core, Heads, Width>>;
  template <class D> struct Weights {
    typename D::template storage<kind::vector> decay, first;  ///< decay: where rows have none
  };
  template <class S> struct State { View<S, dyn, N> heads; };
  template <class S> struct Saved {
    View<S, dyn, N> heads;  ///< states between chunks
  };

  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    Tensor t{.field = "time_decay",
             .rows = 1,
             .cols = Width,
             .stored = kind::vector,
             .file = {Heads, N},
             .decays = decay::no,
             .lr_scale = 2,
             .at = at,
             .draw_rows = start_decay};
    if (!OwnDecay) f(t, w.decay);
    t.field = "time_faaaa";
    t.lr_scale = 1;
    t.draw_rows = start_first;
    f(t, w.first);
  }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    s.heads = a.take_view<S, dyn, N>(wkv7_kept(shape.rows(), shape.sequences) * Width);
  }
  template <class S> static constexpr void plan_state(State<S>& s, Shape const& shape, Arena& a) {
    s.heads = a.take_view<S, dyn, N>(shape.sequences * Width);
  }
  template <class F, class... St> static constexpr void visit_state(F&& f, St&... s) {
    f(StatePiece{.rows = Width}, s.heads...);
  }
  template <class B> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    plan_workspace(wkv6<B>::workspace(N, shape.threads), a);
  }
  static constexpr double flops(double) { return 6.0 * N * Width; }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St& st, In<C, (OwnDecay ? 4 : 3) * Width> x, Out<C, Width> y, Sv& saved) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    const auto in = parts(x, reading(w.decay));
    const auto op = [backend = c.backend, first = w.first.data()](Batch const& b, Wkv6Rows<const S> const& from,
                                                                  Matrix<S> state, Matrix<S> to, Matrix<S> kept) {
      wkv6<B>::forward(backend, b, N, from, first, state, to, kept);
    };
    // r is of what is read from a state, and not of the state.
    const auto fold = [op, d = in.d](Batch const& b, FactorRow<S> f, Matrix<S> state, Matrix<S> to) {
      op(b, {f[0], f[0], f[1], OwnDecay ? f[2] : d, !OwnDecay}, state, to, {});
    };
    by_row(
        *c.batch, [&](Batch const& b) { op(b, in, st.heads, y, saved.heads); }, StatePart{st.heads, Width},
        factors<S>(fold, Width, in.k, in.v, OwnDecay ? in.d : Matrix<const S>()));
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, In<C, (OwnDecay ? 4 : 3) * Width> x, Sv& saved, In<C, Width> dy,
                       Out<C, (OwnDecay ? 4 : 3) * Width> dx, St& dst) {
    using S = typename C::scalar;
    wkv6<typename C::backend_type>::backward(c.backend, *c.batch, N, parts(x, reading(w.decay)), w.first.data(),
                                             saved.heads, dy, parts(dx, matrix(gradient<S>(dw.decay))),
                                             gradient<S>(dw.first).data(), dst.heads);
  }

 private:
  template <class V, class S> static Wkv6Rows<S> parts(V x, Matrix<S> decay) {
    Wkv6Rows<S> rows{x.template columns<0, Width>(), x.template columns<Width, Width>(),
                     x.template columns<2 * Width, Width>(), decay, !OwnDecay};
    if constexpr (OwnDecay) rows.d = x.template columns<3 * Width, Width>();
    return rows;
  }
  static void start_decay(Filling const& f, float* to) { start_decays<Width, Layers>(f, to, -6, 5); }
  static void start_first(Filling const& f, float* to) {
    const double late = Layers > 1 ? f.layer / (Layers - 1.0) : 0;
    f.each(to, [&](int, int n) { return late * (1 - (Width > 1 ? n / (Width - 1.0) : 0)) + 0.1 * ((n + 1) % 3 - 1); });
  }
};

/// From rows [g | what the core reads] to the gated output.
template <int Width, int Heads, int Layers, Epsilon E, bool OwnDecay>
struct RwkvGatedCore
    : Seq<Beside<Activation<Width, activation::none>,
                 Seq<Wkv6Core<Width, Heads, Layers, OwnDecay>, At<"ln_x", RwkvHeadNorm<Width, Heads, Layers, E>>>>,
          Gated<activation::silu, Width>, At<"output", Linear<Width, Width, false, zeros>>> {};

/// Rows of Width columns to rows of Width, in a model of Layers layers. Its state: the last row of the input, and the
/// core's.
template <int Width, int Heads, int Layers, Epsilon E>
struct Rwkv5TimeMix
    : Seq<TokenShift<"time_mix_grkv", Width, Layers, Mix{.name = "time_mix_g", .power = 0.5F, .what = weighs::row},
                     Mix{.name = "time_mix_r", .power = 0.5F, .what = weighs::row},
                     Mix{.name = "time_mix_k", .what = weighs::row},
                     Mix{.name = "time_mix_v", .late = 0.3F, .what = weighs::row}>,
          Beside<At<"gate", Linear<Width, Width, false, orthogonal(0.1F)>>,
                 At<"receptance", Linear<Width, Width, false, orthogonal()>>,
                 At<"key", Linear<Width, Width, false, orthogonal(0.1F)>>,
                 At<"value", Linear<Width, Width, false, orthogonal()>>>,
          RwkvGatedCore<Width, Heads, Layers, E, false>> {};

template <int Width, int Hidden, int Layers>
struct Rwkv5ChannelMix : RwkvChannelMix<Width, Hidden, Layers, Mix{.name = "time_mix_r", .what = weighs::row},
                                        Mix{.name = "time_mix_k", .what = weighs::row}, orthogonal()> {};

}  // namespace fauna::inline v0
