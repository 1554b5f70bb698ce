// RWKV-4's two mixers (Peng et al. 2023, "RWKV: Reinventing RNNs for the Transformer era", section 3.1), with initial
// values and learning rates of the author's training code (RWKV-v4neo), on which its results depend.
//   C  Width
//   time mix     x_c = m_c ∘ x + (1 - m_c) ∘ x_before  for c of r, k, v
//                r = x_r W_rᵀ      k = x_k W_kᵀ      v = x_v W_vᵀ
//                out = (σ(r) ∘ wkv(k, v; time_decay, time_first)) W_oᵀ      (ops/wkv4/op.hpp)
//   channel mix  blocks/rwkv_channel.hpp
#pragma once
#include <cmath>

#include <fauna/blocks/rwkv_channel.hpp>
#include <fauna/core/row_states.hpp>
#include <fauna/ops/wkv4/op.hpp>

namespace fauna::inline v0 {

/// Where the decays of RWKV-4, 5 and 6 start in layer l of L, column n of C: from + range (n / (C - 1))^(0.7 + 1.3 l /
/// (L - 1)).
template <int Width, int Layers> void start_decays(Filling const& f, float* to, double from, double range) {
  const double bend = 0.7 + (Layers > 1 ? 1.3 * f.layer / (Layers - 1.0) : 0);
  // Files have them by heads: the element's place in all of them is its column.
  f.each(to, [&](int r, int c) {
    return from + range * std::pow(Width > 1 ? static_cast<double>(f.index(r, c)) / (Width - 1.0) : 0, bend);
  });
}

/// The recurrence between its projections: rows [r | k | v] to rows of Width. Its state: three rows (ops/wkv4/op.hpp).
template <int Width, int Layers> struct Wkv4Core : Leaf<3 * Width, Width> {
  static constexpr const char* kind_name = "Wkv4Core";
  template <class D> struct Weights { typename D::template storage<kind::vector> decay, first; };
  template <class S> struct State { View<S, dyn, Width> sums; };
  template <class S> struct Saved { View<S, dyn, Width> entering, after; };

  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    Tensor t{.field = "time_decay",
             .rows = 1,
             .cols = Width,
             .stored = kind::vector,
             .decays = decay::no,
             .lr_scale = 2,
             .at = at,
             .draw_rows = start_decay};
    f(t, w.decay);
    t.field = "time_first";
    t.lr_scale = 3;
    t.draw_rows = start_first;
    f(t, w.first);
  }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    s.entering = a.take_view<S, dyn, Width>(3 * shape.sequences);
    s.after = a.take_view<S, dyn, Width>(3 * shape.rows());
  }
  template <class S> static constexpr void plan_state(State<S>& s, Shape const& shape, Arena& a) {
    s.sums = a.take_view<S, dyn, Width>(3 * shape.sequences);
  }
  template <class F, class... St> static constexpr void visit_state(F&& f, St&... s) {
    f(StatePiece{.rows = 3}, s.sums...);
  }
  static constexpr double flops(double) { return 16.0 * Width; }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St& st, In<C, 3 * Width> x, Out<C, Width> y, Sv& saved) {
    using B = typename C::backend_type;
    if (c.keeps()) {
      if (st.sums) add<B>::run(c.backend, st.sums, {}, saved.entering);
      else add<B>::clear(c.backend, saved.entering);
    }
    const auto in = parts<typename C::scalar const>(x);
    by_row(
        *c.batch,
        [&](Batch const& b) {
          wkv4<B>::forward(c.backend, b, in, w.decay.data(), w.first.data(), st.sums, y, saved.after);
        },
        StatePart{st.sums, 3});
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, In<C, 3 * Width> x, Sv& saved, In<C, Width> dy,
                       Out<C, 3 * Width> dx, St& dst) {
    using S = typename C::scalar;
    wkv4<typename C::backend_type>::backward(c.backend, *c.batch, parts<S const>(x), w.decay.data(), w.first.data(),
                                             saved.entering, saved.after, dy, parts<S>(dx),
                                             gradient<S>(dw.decay).data(), gradient<S>(dw.first).data(), dst.sums);
  }

 private:
  template <class S, class V> static Wkv4Rows<S> parts(V x) {
    return {x.template columns<0, Width>(), x.template columns<Width, Width>(), x.template columns<2 * Width, Width>()};
  }
  static void start_decay(Filling const& f, float* to) { start_decays<Width, Layers>(f, to, -5, 8); }
  static void start_first(Filling const& f, float* to) {
    f.each(to, [](int, int n) { return std::log(0.3) + 0.5 * ((n + 1) % 3 - 1); });
  }
};

/// Rows of Width columns to rows of Width, in a model of Layers layers. Its state: the last row of the input, and the
/// core's.
template <int Width, int Layers>
struct Rwkv4TimeMix
    : Seq<TokenShift<"time_mix_rkv", Width, Layers,
                     Mix{.name = "time_mix_receptance", .power = 0.5F, .what = weighs::row},
                     Mix{.name = "time_mix_key", .what = weighs::row},
                     Mix{.name = "time_mix_value", .late = 0.3F, .what = weighs::row}>,
          Beside<At<"receptance", Linear<Width, Width, false, zeros>>, At<"key", Linear<Width, Width, false, zeros>>,
                 At<"value", Linear<Width, Width, false, orthogonal()>>>,
          Wkv4Core<Width, Layers>, At<"output", Linear<Width, Width, false, zeros>>> {};

template <int Width, int Hidden, int Layers>
struct Rwkv4ChannelMix
    : RwkvChannelMix<Width, Hidden, Layers, Mix{.name = "time_mix_receptance", .what = weighs::row},
                     Mix{.name = "time_mix_key", .what = weighs::row},
                     orthogonal(square_root(Hidden > Width ? static_cast<float>(Hidden) / Width : 1.0F))> {};

}  // namespace fauna::inline v0
