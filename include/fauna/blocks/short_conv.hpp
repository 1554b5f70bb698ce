// The gated short convolution of LFM2 (Liquid AI 2025, "LFM2 technical report", section 2), in transformers' names.
//   C  Width     T  Taps of the convolution
//   [b | c | x] = u W_inᵀ      y = c ∘ conv(b ∘ x)      out = y W_outᵀ
#pragma once
#include <fauna/blocks/mamba.hpp>
#include <fauna/ops/product/op.hpp>

namespace fauna::inline v0 {

/// Rows of [b | c | x], 3 Width columns, to rows of Width. Its state: the convolution's.
template <int Width, int Taps, bool Bias = false> struct ShortConvCore : Leaf<3 * Width, Width> {
  static constexpr const char* kind_name = "ShortConvCore";
  using Conv = At<"conv", CausalConv<Width, Taps, Bias>>;
  using Rows = Leaf<3 * Width, Width>;
  template <class D> using Weights = typename Conv::template Weights<D>;
  template <class S> using State = typename Conv::template State<S>;
  template <class S> struct Saved {
    typename Conv::template Saved<S> conv;
    View<S, dyn, Width> gated, convolved;
  };

  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) { Conv::visit(w, at, f); }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    Conv::plan(s.conv, shape, a);
    for (auto* v : {&s.gated, &s.convolved}) *v = a.take_view<S, dyn, Width>(shape.rows());
  }
  template <class S> static constexpr void plan_state(State<S>& s, Shape const& shape, Arena& a) {
    Conv::plan_state(s, shape, a);
  }
  template <class F, class... St> static constexpr void visit_state(F&& f, St&... s) { Conv::visit_state(f, s...); }
  template <class B> static constexpr void plan_scratch(Shape const& shape, Arena& a) {
    Scope s(a);
    for (int i = 0; i < 2; ++i) a.take_view<typename B::scalar, dyn, Width>(shape.rows());
    Conv::template plan_scratch<B>(shape, a);
  }
  static constexpr double flops(double context) { return Conv::flops(context) + 2.0 * Width; }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St& st, In<C, 3 * Width> bcx, Out<C, Width> y, Sv& saved) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    Scope s(c.scratch());
    const auto room = [&](View<S, dyn, Width> kept) {
      return c.keeps() ? kept : c.scratch().template take_view<S, dyn, Width>(bcx.rows());
    };
    const auto gated = room(saved.gated), convolved = room(saved.convolved);
    product<B>::run(c.backend, part<0>(bcx), part<2>(bcx), gated);
    Conv::forward(c.overwriting(), w, st, as_const(gated), convolved, saved.conv);
    product<B>::run(c.backend, part<1>(bcx), convolved, y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, In<C, 3 * Width> bcx, Sv& saved, In<C, Width> dy,
                       Out<C, 3 * Width> d, St& dst) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    Scope s(c.scratch());
    const auto dconvolved = c.scratch().template take_view<S, dyn, Width>(bcx.rows()),
               dgated = c.scratch().template take_view<S, dyn, Width>(bcx.rows());
    product<B>::run(c.backend, dy, saved.convolved, part<1>(d));
    product<B>::run(c.backend, dy, part<1>(bcx), dconvolved);
    Conv::backward(c.overwriting(), w, dw, as_const(saved.gated), saved.conv, as_const(dconvolved), dgated, dst);
    product<B>::run(c.backend, dgated, part<2>(bcx), part<0>(d));
    product<B>::run(c.backend, dgated, part<0>(bcx), part<2>(d));
  }

 private:
  template <int I, class V> static constexpr auto part(V v) { return v.template columns<I * Width, Width>(); }
};

/// Rows of Width columns to rows of Width.
template <int Width, int Taps = 3, bool Bias = false>
struct ShortConv : Seq<At<"in_proj", Linear<Width, 3 * Width, Bias>>, ShortConvCore<Width, Taps, Bias>,
                       At<"out_proj", Linear<Width, Width, Bias, residual_normal(0.02F)>>> {};

}  // namespace fauna::inline v0
