// Gelu (Hendrycks and Gimpel 2016): x Φ(x), exact (erf) or with the tanh approximation, and its fusions with Linear:
// the activation is the epilogue of the product before it, and its derivative that of the product after it on the way
// back.
#pragma once
#include <fauna/blocks/linear.hpp>
#include <fauna/ops/gelu/op.hpp>

namespace fauna::inline v0 {

template <int Width, activation Form = activation::gelu> struct Gelu : Elementwise<Width> {
  static constexpr const char* kind_name = "Gelu";
  template <class C> using X = typename Elementwise<Width>::template X<C>;
  template <class C> using Y = typename Elementwise<Width>::template Y<C>;

  template <class C, class W, class St, class Sv> static void forward(C const& c, W const&, St&, X<C> x, Y<C> y, Sv&) {
    gelu<typename C::backend_type>::forward(c.backend, Form, x, y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, X<C> x, Sv&, X<C> dy, Y<C> dx, St&) {
    gelu<typename C::backend_type>::backward(c.backend, Form, x, dy, dx);
  }
};

template <int In, int Out, bool Bias, Init I, activation Form>
struct Fusion<Linear<In, Out, Bias, I>, Gelu<Out, Form>> {
  static constexpr bool fuses_forward = true, fuses_backward = false;
  template <class C, class W, class V, class Y> static void forward(C const& c, W const& w, V x, Y pre, Y y) {
    auto e = Linear<In, Out, Bias, I>::onto(c, w);
    e.act = Form;
    if (c.keeps()) {
      e.pre = pre.data();
      e.pre_stride = pre.stride();
    }
    gemm<typename C::backend_type>::nt(c.backend, reading(x), reading(w.weight), matrix(y), e);
  }
};

template <int In, int Out, bool Bias, Init I, activation Form> struct Fusion<Gelu<In, Form>, Linear<In, Out, Bias, I>> {
  static constexpr bool fuses_forward = false, fuses_backward = true;
  template <class C, class W, class G, class V, class DY, class DX>
  static void backward(C const& c, W const& w, G& dw, V pre, V y, DY dz, DX dpre) {
    Linear<In, Out, Bias, I>::weight_gradient(c, dw, y, dz);
    Epilogue<typename C::scalar> e;
    e.act = Form;
    e.gate = pre.data();
    e.gate_stride = pre.stride();
    gemm<typename C::backend_type>::nn(c.backend, reading(dz), reading(w.weight), matrix(dpre), e);
  }
};

}  // namespace fauna::inline v0
