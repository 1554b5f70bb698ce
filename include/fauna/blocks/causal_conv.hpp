// The causal depthwise convolution before a recurrence (Gu and Dao 2023, "Mamba: Linear-time sequence modeling with
// selective state spaces", section 3.4): y_t = bias + Σ_k w_k ∘ x_{t-K+1+k}.
#pragma once
#include <vector>

#include <fauna/core/block.hpp>
#include <fauna/core/row_states.hpp>
#include <fauna/ops/add/op.hpp>
#include <fauna/ops/conv/op.hpp>

namespace fauna::inline v0 {

/// A causal depthwise convolution of Taps rows, checkpoints' weight [Width, 1, Taps] and bias. Its state: the last
/// Taps - 1 rows of the input.
template <int Width, int Taps, bool Bias = true> struct CausalConv : SameWidth<Width> {
  static constexpr const char* kind_name = "CausalConv";
  template <class D> struct Weights {
    static constexpr bool ready = prepared<D>;           ///< weight is [Taps, Width]
    typename D::template storage<kind::control> weight;  ///< [Width, Taps]
    typename D::template storage<kind::vector> bias;
  };
  template <class S> struct State { View<S, dyn, Width> last; };
  template <class S> struct Saved { View<S, dyn, Width> entering; };
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    // PyTorch's start of a convolution with Taps inputs.
    constexpr Init start = uniform_of(Taps);
    f(Tensor{.field = "weight",
             .rows = Width,
             .cols = Taps,
             .stored = kind::control,
             .init = start,
             .file = {Width, 1, Taps},
             .at = at,
             .prepare = transpose},
      w.weight);
    if constexpr (Bias)
      f(Tensor{.field = "bias", .rows = 1, .cols = Width, .stored = kind::vector, .init = start, .at = at}, w.bias);
  }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    s.entering = a.take_view<S, dyn, Width>(shape.sequences * (Taps - 1));
  }
  template <class S> static constexpr void plan_state(State<S>& s, Shape const& shape, Arena& a) {
    s.last = a.take_view<S, dyn, Width>(shape.sequences * (Taps - 1));
  }
  template <class F, class... St> static constexpr void visit_state(F&& f, St&... s) {
    f(StatePiece{.rows = Taps - 1}, s.last...);
  }
  template <class B> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    Scope s(a);
    a.take_view<typename B::scalar, Taps, Width>();
    if (shape.backward) a.take_view<typename B::scalar, Taps, Width>();
  }
  static constexpr double flops(double) { return 2.0 * Width * Taps; }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St& st, In<C, Width> x, Out<C, Width> y, Sv& saved) {
    Scope s(c.scratch());
    if (c.keeps()) keep_state(c, st.last, saved.entering);
    const auto taps = turned(c, w);
    by_row(
        *c.batch,
        [&](Batch const& b) {
          causal_conv<typename C::backend_type>::forward(c.backend, b, x, taps, w.bias.data(), st.last, y);
        },
        StatePart{st.last, Taps - 1});
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, In<C, Width> x, Sv& saved, In<C, Width> dy, Out<C, Width> dx,
                       St& dst) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    Scope s(c.scratch());
    const auto taps = turned(c, w);
    const auto g = gradient<S>(dw.weight);
    View<S, Taps, Width> dtaps;
    if (g) {
      dtaps = c.scratch().template take_view<S, Taps, Width>();
      add<B>::clear(c.backend, dtaps);
    }
    causal_conv<B>::backward(c.backend, *c.batch, x, saved.entering, taps, dy, dx, dtaps, gradient<S>(dw.bias).data(),
                             dst.last);
    // The checkpoint's order is the other way round; a column of it is a row here.
    for (int k = 0; g && k < Taps; ++k)
      add<B>::run(c.backend, column(as_const(g), k), across(as_const(dtaps), k), column(g, k));
  }

 private:
  static void transpose(Tensor const&, float* values) {
    std::vector<float> turned(static_cast<std::size_t>(Width) * Taps);
    for (int c = 0; c < Width; ++c)
      for (int k = 0; k < Taps; ++k) turned[static_cast<std::size_t>(k * Width + c)] = values[c * Taps + k];
    for (std::size_t i = 0; i < turned.size(); ++i) values[i] = turned[i];
  }
  static constexpr Init uniform_of(int inputs) {
    const float root = square_root(static_cast<float>(inputs));
    return uniform(-1 / root, 1 / root);
  }
  /// Column k of [Width, Taps], and row k of [Taps, Width] as a column.
  template <class V> static constexpr auto column(V v, int k) {
    return Matrix<typename V::element>(v.data() + k, Width, 1, Taps);
  }
  template <class V> static constexpr auto across(V v, int k) {
    return Matrix<typename V::element>(v.data() + k * Width, Width, 1, 1);
  }
  template <class C, class W> static auto turned(C const& c, W const& w) {
    using S = typename C::scalar;
    if constexpr (W::ready) return View<const S, Taps, Width>(w.weight.data());
    const auto taps = c.scratch().template take_view<S, Taps, Width>();
    for (int k = 0; k < Taps; ++k)
      add<typename C::backend_type>::run(c.backend, column(reading(w.weight), k), {}, across(taps, k));
    return as_const(taps);
  }
  template <class C, class V> static void keep_state(C const& c, V const& now, V const& kept) {
    if (now) add<typename C::backend_type>::run(c.backend, now, {}, kept);
    else add<typename C::backend_type>::clear(c.backend, kept);
  }
};

}  // namespace fauna::inline v0
