// Normalisation of each row over the width.
//   LayerNorm (Ba, Kiros, Hinton 2016)   y = (x - mean) / √(variance + ε) · (offset + weight) + bias
//   RmsNorm (Zhang and Sennrich 2019)    y = x / √(mean of x² + ε) · (offset + weight)
#pragma once
#include <fauna/core/block.hpp>
#include <fauna/ops/add/op.hpp>
#include <fauna/ops/layer_norm/op.hpp>
#include <fauna/ops/rms_norm/op.hpp>

namespace fauna::inline v0 {

/// What is added to a variance, as a template argument: Epsilon{1e-6F}.
struct Epsilon {
  float value = 1e-5F;
  constexpr bool operator==(Epsilon const&) const = default;
};

/// Offset 1 where weights are kept around zero (Nemotron); Affine: with weights, else with neither them nor a bias.
template <int Width, bool Bias = true, Epsilon E = Epsilon{}, int Offset = 0, bool Affine = true>
struct LayerNorm : SameWidth<Width> {
  static constexpr const char* kind_name = "LayerNorm";
  static constexpr bool adds_dx = true;
  template <class D> struct Weights { typename D::template storage<kind::vector> weight, bias; };
  template <class S> struct Saved {
    View<S, dyn, 1> mean, rstd;  ///< rstd: 1 / sqrt(variance + ε)
  };
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    if constexpr (Affine)
      f(Tensor{.field = "weight",
               .rows = 1,
               .cols = Width,
               .stored = kind::vector,
               .init = Offset == 0 ? ones : zeros,
               .at = at},
        w.weight);
    if constexpr (Bias && Affine)
      f(Tensor{.field = "bias", .rows = 1, .cols = Width, .stored = kind::vector, .init = zeros, .at = at}, w.bias);
  }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    s.mean = a.take_view<S, dyn, 1>(shape.rows());
    s.rstd = a.take_view<S, dyn, 1>(shape.rows());
  }
  template <class B> static constexpr void plan_scratch(Shape const& s, Arena& a) {
    if (s.backward) plan_workspace(layer_norm<B>::workspace(s.rows(), Width, s.threads), a);
  }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St&, In<C, Width> x, Out<C, Width> y, Sv& saved) {
    layer_norm<typename C::backend_type>::forward(c.backend, x, w.weight.data(), w.bias.data(), y, saved.mean.data(),
                                                  saved.rstd.data(), E.value, Affine ? Offset : 1);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, In<C, Width> x, Sv& saved, In<C, Width> dy, Out<C, Width> dx,
                       St&) {
    layer_norm<typename C::backend_type>::backward(c.backend, x, w.weight.data(), saved.mean.data(), saved.rstd.data(),
                                                   dy, dx, c.into.template view<Width>(x.rows()),
                                                   gradient<typename C::scalar>(dw.weight).data(),
                                                   gradient<typename C::scalar>(dw.bias).data(), Affine ? Offset : 1);
  }
};

/// Offset 0, or 1 where weights are kept around zero (Gemma).
template <int Width, Epsilon E = Epsilon{}, int Offset = 0> struct RmsNorm : SameWidth<Width> {
  static constexpr const char* kind_name = "RmsNorm";
  static constexpr bool adds_dx = true;
  template <class D> struct Weights { typename D::template storage<kind::vector> weight; };
  template <class S> struct Saved {
    View<S, dyn, 1> rstd;  ///< 1 / √(mean of x² + ε)
  };
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    f(Tensor{.field = "weight",
             .rows = 1,
             .cols = Width,
             .stored = kind::vector,
             .init = Offset == 0 ? ones : zeros,
             .at = at},
      w.weight);
  }
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    s.rstd = a.take_view<S, dyn, 1>(shape.rows());
  }
  template <class B> static constexpr void plan_scratch(Shape const& s, Arena& a) {
    if (s.backward) plan_workspace(rms_norm<B>::workspace(s.rows(), Width, s.threads), a);
  }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St&, In<C, Width> x, Out<C, Width> y, Sv& saved) {
    rms_norm<typename C::backend_type>::forward(c.backend, x, w.weight.data(), Offset, y, saved.rstd.data(), E.value);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, In<C, Width> x, Sv& saved, In<C, Width> dy, Out<C, Width> dx,
                       St&) {
    rms_norm<typename C::backend_type>::backward(c.backend, x, w.weight.data(), Offset, saved.rstd.data(), dy, dx,
                                                 c.into.template view<Width>(x.rows()),
                                                 gradient<typename C::scalar>(dw.weight).data());
  }
};

/// Neighbouring parts of a row, each divided by its own root mean square: RmsNorm without weights.
template <Epsilon E, int... Widths> struct PartNorms : SameWidth<(Widths + ...)> {
  static constexpr const char* kind_name = "PartNorms";
  static constexpr int parts = sizeof...(Widths), widths[] = {Widths...}, wide = (Widths + ...);
  template <class S> struct Saved { View<S, dyn, 1> rstd[parts]; };
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    for (int i = 0; i < parts; ++i) s.rstd[i] = a.take_view<S, dyn, 1>(shape.rows());
  }
  template <class B> static constexpr void plan_scratch(Shape const& s, Arena& a) {
    Scope scope(a);
    a.take_view<typename B::scalar, 1, wide>();
    if (s.backward) plan_workspace(rms_norm<B>::workspace(s.rows(), wide, s.threads), a);
  }

  /// y may be x.
  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const&, St&, In<C, wide> x, Out<C, wide> y, Sv& saved) {
    Scope s(c.scratch());
    const auto zeros = no_weight(c);
    for (int i = 0, at = 0; i < parts; at += widths[i++])
      rms_norm<typename C::backend_type>::forward(c.backend, part(x, at, widths[i]), zeros, 1, part(y, at, widths[i]),
                                                  saved.rstd[i].data(), E.value);
  }
  /// dx may be dy.
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, In<C, wide> x, Sv& saved, In<C, wide> dy, Out<C, wide> dx, St&) {
    Scope s(c.scratch());
    const auto zeros = no_weight(c);
    for (int i = 0, at = 0; i < parts; at += widths[i++])
      rms_norm<typename C::backend_type>::backward(c.backend, part(x, at, widths[i]), zeros, 1, saved.rstd[i].data(),
                                                   part(dy, at, widths[i]), part(dx, at, widths[i]), {}, nullptr);
  }

 private:
  /// Weights of 1, as the op has them: zeros and an offset of 1.
  template <class C> static const typename C::scalar* no_weight(C const& c) {
    const auto zeros = c.scratch().template take_view<typename C::scalar, 1, wide>();
    add<typename C::backend_type>::clear(c.backend, zeros);
    return zeros.data();
  }
  template <class V> static constexpr Matrix<typename V::element> part(V v, int from, int count) {
    return Matrix<typename V::element>(v.data() + from, v.rows(), count, v.stride());
  }
};

}  // namespace fauna::inline v0
