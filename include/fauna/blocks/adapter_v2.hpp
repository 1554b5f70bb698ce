// AdapterV2<Base>: a linear layer with a factor and a shift for each of its outputs (Gao et al. 2023, "LLaMA-Adapter
// V2: Parameter-efficient visual instruction model", section 4.1).
//   y = s ∘ (W x + b + t)      dz = s ∘ dy      ds = Σ dy ∘ (W x + b + t)      dt = Σ dz
// s starts as ones and t as zeros, so that the layer starts as Base. Names are LitGPT's, under the layer's own.
#pragma once
#include <fauna/blocks/lora.hpp>
#include <fauna/ops/affine/op.hpp>

namespace fauna::inline v0 {

template <class Base> struct AdapterV2 : Leaf<Base::in, Base::out> {
  static_assert(is_linear<Base>, "fauna: AdapterV2 stands around a Linear: see Base");
  static constexpr const char* kind_name = "AdapterV2";
  static constexpr int in = Base::in, out = Base::out;
  static constexpr bool adds_dx = true;
  template <class D> struct Weights {
    typename Base::template Weights<FrozenOf<D>> base;
    typename D::template storage<kind::vector> factor, shift;
  };
  template <class S> struct Saved {
    typename Base::template Saved<S> base;
    View<S, dyn, out> z;  ///< what Base gave
  };

  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    Layout rows{};  // those of W, as the bias has them
    Base::visit(w.base, at, [&](Tensor const& t, auto& v) {
      if (t.stored == kind::matrix) rows = {.heads = t.layout.heads, .parts = t.layout.parts};
      f(t, v);
    });
    const auto vector = [&](const char* name, Init start) {
      return Tensor{
          .field = name, .rows = 1, .cols = out, .stored = kind::vector, .init = start, .layout = rows, .at = at};
    };
    f(vector("adapter_scale", ones), w.factor);
    f(vector("adapter_bias", zeros), w.shift);
  }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    Base::plan(s.base, shape, a);
    s.z = a.take_view<S, dyn, out>(shape.rows());
  }
  template <class B> static constexpr void plan_scratch(Shape const& s, Arena& a) {
    Scope scope(a);
    if (s.backward) a.take_view<typename B::scalar, dyn, out>(s.rows());
    Base::template plan_scratch<B>(s, a);
  }
  static constexpr double flops(double context) { return Base::flops(context) + 2.0 * out; }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St&, In<C, Base::in> x, Out<C, Base::out> y, Sv& saved) {
    using S = typename C::scalar;
    typename Base::template State<S> none;
    const View<S, dyn, out> z = c.keeps() ? saved.z.middle_rows(0, x.rows()) : y;
    Base::forward(c, w.base, none, x, z, saved.base);
    affine<typename C::backend_type>::forward(c.backend, as_const(z), w.factor.data(), w.shift.data(), y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, In<C, Base::in> x, Sv& saved, In<C, Base::out> dy,
                       Out<C, Base::in> dx, St&) {
    using S = typename C::scalar;
    Scope scope(c.scratch());
    const auto dz = c.scratch().template take_view<S, dyn, out>(x.rows());
    affine<typename C::backend_type>::backward(c.backend, as_const(saved.z.middle_rows(0, x.rows())), w.factor.data(),
                                               w.shift.data(), dy, dz, gradient<S>(dw.factor).data(),
                                               gradient<S>(dw.shift).data());
    typename Base::template State<S> none;
    Base::backward(c, w.base, dw.base, x, saved.base, as_const(dz), dx, none);
  }
};

}  // namespace fauna::inline v0
