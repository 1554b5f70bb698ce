// Linear: y = x Wᵀ + b, W stored [out, in] as in the reference checkpoints.
//   dx = dy W      dW = dyᵀ x      db = Σ_rows dy
#pragma once
#include <fauna/compose/fuse.hpp>
#include <fauna/core/block.hpp>
#include <fauna/ops/add/op.hpp>
#include <fauna/ops/gemm/op.hpp>

namespace fauna::inline v0 {

/// dW += dyᵀ x, of a linear layer.
template <Backend B, class S> void add_product(B const& b, Matrix<S> dw, Matrix<const S> dy, Matrix<const S> x) {
  Epilogue<S> onto;
  onto.base = dw.data();
  onto.base_stride = dw.stride();
  layer_gemm<B>::tn(b, dy, x, dw, onto);
}

template <int Inputs, int Outputs, bool Bias = true, Init Start = normal(0.02F)> struct Linear : Leaf<Inputs, Outputs> {
  static constexpr const char* kind_name = "Linear";
  static constexpr bool adds_y = true, adds_dx = true;
  template <class D> struct Weights {
    typename D::template storage<kind::matrix> weight;
    typename D::template storage<kind::vector> bias;
  };
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    f(Tensor{.field = "weight", .rows = Outputs, .cols = Inputs, .init = Start, .at = at}, w.weight);
    if constexpr (Bias)
      f(Tensor{.field = "bias", .rows = 1, .cols = Outputs, .stored = kind::vector, .init = zeros, .at = at}, w.bias);
  }
  static constexpr double flops(double) { return 2.0 * Inputs * Outputs; }
  template <class B> static constexpr void plan_scratch(Shape const& s, Arena& a) {
    plan_workspace(layer_gemm<B>::workspace(s.rows(), Outputs, Inputs, s.threads), a);
    if (!s.backward) return;
    plan_workspace(layer_gemm<B>::workspace(s.rows(), Inputs, Outputs, s.threads), a);
    plan_workspace(layer_gemm<B>::workspace(Outputs, Inputs, s.rows(), s.threads), a);
  }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St&, In<C, Inputs> x, Out<C, Outputs> y, Sv&) {
    layer_gemm<typename C::backend_type>::nt(c.backend, reading(x), reading(w.weight), matrix(y), onto(c, w));
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, In<C, Inputs> x, Sv&, In<C, Outputs> dy, Out<C, Inputs> dx, St&) {
    weight_gradient(c, dw, x, dy);
    Epilogue<typename C::scalar> e;
    e.base = c.into.base;
    e.base_stride = c.into.stride;
    layer_gemm<typename C::backend_type>::nn(c.backend, reading(dy), reading(w.weight), matrix(dx), e);
  }

  template <class C, class W> static constexpr Epilogue<typename C::scalar> onto(C const& c, W const& w) {
    Epilogue<typename C::scalar> e;
    e.base = c.into.base;
    e.base_stride = c.into.stride;
    if constexpr (Bias) e.bias = w.bias.data();
    return e;
  }
  /// dW += dyᵀ x, which the call may want later, and db += Σ dy; what is frozen costs nothing.
  template <class C, class G, class V, class DY> static void weight_gradient(C const& c, G& dw, V x, DY dy) {
    using S = typename C::scalar;
    if (const auto g = gradient<S>(dw.weight)) {
      if (c.puts_off()) c.later->add(g, dy, x);
      else add_product(c.backend, g, reading(dy), reading(x));
    }
    if constexpr (Bias)
      if (const auto g = gradient<S>(dw.bias)) add<typename C::backend_type>::column_sums(c.backend, dy, g.data());
  }
};

}  // namespace fauna::inline v0
