// Activations as blocks (formulas and papers: ops/activation/op.hpp), and their fusions with Linear: the activation is
// the epilogue of the product before it, and its derivative that of the product after it on the way back.
#pragma once
#include <concepts>

#include <fauna/blocks/linear.hpp>
#include <fauna/ops/activation/op.hpp>

namespace fauna::inline v0 {

template <int Width, activation Form> struct Activation : SameWidth<Width> {
  static constexpr const char* kind_name = Form == activation::silu           ? "Silu"
                                           : Form == activation::relu         ? "Relu"
                                           : Form == activation::relu_squared ? "ReluSquared"
                                           : Form == activation::sigmoid      ? "Sigmoid"
                                           : Form == activation::tanh         ? "Tanh"
                                           : Form == activation::none         ? "Identity"
                                                                              : "Gelu";
  static constexpr activation form = Form;
  using plain = Activation;

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const&, St&, In<C, Width> x, Out<C, Width> y, Sv&) {
    activate<typename C::backend_type>::forward(c.backend, Form, x, y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, In<C, Width> x, Sv&, In<C, Width> dy, Out<C, Width> dx, St&) {
    activate<typename C::backend_type>::backward(c.backend, Form, x, dy, dx);
  }
};

/// Exact, or with the tanh approximation.
template <int Width, activation Form = activation::gelu> struct Gelu : Activation<Width, Form> { using plain = Gelu; };
template <int Width> struct Silu : Activation<Width, activation::silu> { using plain = Silu; };
template <int Width> struct ReluSquared : Activation<Width, activation::relu_squared> { using plain = ReluSquared; };

/// An activation as it stands above: a block derived from one may compute something else, and is not fused.
template <class A>
concept PlainActivation = requires {
  A::form;
}
&&std::same_as<A, typename A::plain>;

/// Linear, then an activation: one product, whose epilogue is the activation.
template <int In, int Out, bool Bias, Init I, PlainActivation A> struct Fusion<Linear<In, Out, Bias, I>, A> {
  static constexpr bool fuses_forward = true, fuses_backward = false;
  template <class C, class W, class V, class Y> static void forward(C const& c, W const& w, V x, Y pre, Y y) {
    auto e = Linear<In, Out, Bias, I>::onto(c, w);
    e.act = A::form;
    if (c.keeps()) {
      e.pre = pre.data();
      e.pre_stride = pre.stride();
    }
    layer_gemm<typename C::backend_type>::nt(c.backend, reading(x), reading(w.weight), matrix(y), e);
  }
};

/// An activation, then Linear: on the way back one product, which the activation's slope multiplies.
template <int In, int Out, bool Bias, Init I, PlainActivation A> struct Fusion<A, Linear<In, Out, Bias, I>> {
  static constexpr bool fuses_forward = false, fuses_backward = true;
  template <class C, class W, class G, class V, class DY, class DX>
  static void backward(C const& c, W const& w, G& dw, V pre, V y, DY dz, DX dpre) {
    Linear<In, Out, Bias, I>::weight_gradient(c, dw, y, dz);
    Epilogue<typename C::scalar> e;
    e.act = A::form;
    e.gate = pre.data();
    e.gate_stride = pre.stride();
    layer_gemm<typename C::backend_type>::nn(c.backend, reading(dz), reading(w.weight), matrix(dpre), e);
  }
};

}  // namespace fauna::inline v0
