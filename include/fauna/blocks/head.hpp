// LmHead: rows to logits over the vocabulary, and, without ever holding all of them, to the loss and its gradient.
// Tied to the token embedding it is Use<"embedding", LmHead<...>>: Lm brings the table into scope under that name.
#pragma once
#include <fauna/compose/share.hpp>
#include <fauna/core/block.hpp>
#include <fauna/ops/activation/op.hpp>
#include <fauna/ops/add/op.hpp>
#include <fauna/ops/cross_entropy/op.hpp>
#include <fauna/ops/gemm/op.hpp>
#include <fauna/ops/scale/op.hpp>

namespace fauna::inline v0 {

/// The bound c of logits as a template argument: c tanh(z / c) (Gemma Team 2024, "Gemma 2", section 2). 0: none.
struct LogitCap {
  float value = 0;
  constexpr bool operator==(LogitCap const&) const = default;
};

template <int Width, int Vocab, bool Bias = false, LogitCap Cap = LogitCap{}> struct LmHead : Leaf<Width, Vocab> {
  static constexpr const char* kind_name = "LmHead";
  template <class D> struct Weights {
    typename D::template storage<kind::matrix> weight;
    typename D::template storage<kind::vector> bias;
  };
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    f(Tensor{.field = "weight", .rows = Vocab, .cols = Width, .init = normal(0.02F), .at = at}, w.weight);
    if constexpr (Bias) f(Tensor{.field = "bias", .rows = 1, .cols = Vocab, .stored = kind::vector, .at = at}, w.bias);
  }
  static constexpr double flops(double) { return 2.0 * Width * Vocab; }
  template <class B> static constexpr void plan_scratch(Shape const& s, Arena& a) {
    plan_workspace(cross_entropy<B>::workspace(s.rows(), Width, Vocab, s.threads), a);
  }

  /// logits [rows, Vocab]; `logits` may be fewer rows than a batch: those of x.
  template <class C, class W>
  static void logits(C const& c, W const& w, Matrix<const typename C::scalar> x, Matrix<typename C::scalar> y) {
    Epilogue<typename C::scalar> e;
    if constexpr (Bias) e.bias = w.bias.data();
    gemm<typename C::backend_type>::nt(c.backend, x, reading(w.weight), y, e);
    if constexpr (Cap.value > 0) {
      scale<typename C::backend_type>::run(c.backend, 1 / static_cast<double>(Cap.value), y);
      activate<typename C::backend_type>::forward(c.backend, activation::tanh, reading(y), y);
      scale<typename C::backend_type>::run(c.backend, static_cast<double>(Cap.value), y);
    }
  }
  /// losses [rows], in nats; 0 where the target is ignored.
  template <class C, class W>
  static void loss(C const& c, W const& w, Matrix<const typename C::scalar> x, const int* targets,
                   typename C::scalar* losses) {
    cross_entropy<typename C::backend_type>::loss(c.backend, x, reading(w.weight), bias<typename C::scalar>(w), targets,
                                                  ignore_target, losses, static_cast<double>(Cap.value));
  }
  /// Also dx = factor · dloss/dx, and the same added to dw.
  template <class C, class W, class G>
  static void loss_and_gradient(C const& c, W const& w, G& dw, Matrix<const typename C::scalar> x, const int* targets,
                                typename C::scalar factor, typename C::scalar* losses, Matrix<typename C::scalar> dx) {
    cross_entropy<typename C::backend_type>::loss_and_gradient(
        c.backend, x, reading(w.weight), bias<typename C::scalar>(w), targets, ignore_target, factor, losses, dx,
        gradient<typename C::scalar>(dw.weight), bias_gradient<typename C::scalar>(dw), static_cast<double>(Cap.value));
  }
  /// The backward pass of `logits`, for losses of one's own, on the host: y is what it gave for x, and dy the gradient
  /// of that, which becomes the gradient before the cap. dx, and the same added to dw. The products' workspaces come
  /// from c's scratch, and are in no plan.
  template <class C, class W, class G>
  static void logits_gradient(C const& c, W const& w, G& dw, Matrix<const typename C::scalar> x,
                              Matrix<const typename C::scalar> y, Matrix<typename C::scalar> dy,
                              Matrix<typename C::scalar> dx) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    if constexpr (Cap.value > 0)
      for (int r = 0; r < y.rows(); ++r)
        for (int v = 0; v < Vocab; ++v) {
          const S t = y(r, v) / S(Cap.value);
          dy(r, v) *= S(1) - t * t;
        }
    if (const auto g = gradient<S>(dw.weight)) {
      Epilogue<S> onto;
      onto.base = g.data();
      onto.base_stride = g.stride();
      gemm<B>::tn(c.backend, reading(dy), x, g, onto);
    }
    if constexpr (Bias)
      if (const auto g = gradient<S>(dw.bias)) add<B>::column_sums(c.backend, reading(dy), g.data());
    gemm<B>::nn(c.backend, reading(dy), reading(w.weight), dx, {});
  }

 private:
  template <class S, class W> static auto bias(W& w) {
    if constexpr (Bias) return w.bias.data();
    else return static_cast<S*>(nullptr);
  }
  template <class S, class G> static S* bias_gradient(G& dw) {
    if constexpr (Bias) return gradient<S>(dw.bias).data();
    else return nullptr;
  }
};

/// A head that reads the token embedding (Press and Wolf 2017).
template <class Head> struct TiedTable : Use<"embedding", Head> {
  using composition = TiedTable;
  template <class... New> using with = TiedTable<New...>;
  template <class C, class W, class... A> static void logits(C const& c, W const&, A&&... a) {
    Head::logits(c, *c.template get<"embedding">().value, a...);
  }
  template <class C, class W, class... A> static void loss(C const& c, W const&, A&&... a) {
    Head::loss(c, *c.template get<"embedding">().value, a...);
  }
  template <class C, class W, class G, class... A> static void loss_and_gradient(C const& c, W const&, G&, A&&... a) {
    auto const& e = c.template get<"embedding">();
    Head::loss_and_gradient(c, *e.value, *e.gradient, a...);
  }
  template <class C, class W, class G, class... A> static void logits_gradient(C const& c, W const&, G&, A&&... a) {
    auto const& e = c.template get<"embedding">();
    Head::logits_gradient(c, *e.value, *e.gradient, a...);
  }
};
template <int Width, int Vocab> struct TiedHead : TiedTable<LmHead<Width, Vocab>> {};

}  // namespace fauna::inline v0
