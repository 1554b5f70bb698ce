// LmHead: rows to logits over the vocabulary, and, without ever holding all of them, to the loss and its gradient.
// Tied to the token embedding it is Use<"embedding", LmHead<...>>: Lm brings the table into scope under that name.
#pragma once
#include <fauna/compose/share.hpp>
#include <fauna/core/block.hpp>
#include <fauna/ops/cross_entropy/op.hpp>
#include <fauna/ops/gemm/op.hpp>

namespace fauna::inline v0 {

/// A target that is not counted in the loss.
inline constexpr int ignore_target = -1;

template <int Width, int Vocab, bool Bias = false> struct LmHead : Leaf<Width, Vocab> {
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
  }
  /// losses [rows], in nats; 0 where the target is ignored.
  template <class C, class W>
  static void loss(C const& c, W const& w, Matrix<const typename C::scalar> x, const int* targets,
                   typename C::scalar* losses) {
    cross_entropy<typename C::backend_type>::loss(c.backend, x, reading(w.weight), bias<typename C::scalar>(w), targets,
                                                  ignore_target, losses);
  }
  /// Also dx = scale · dloss/dx, and the same added to dw.
  template <class C, class W, class G>
  static void loss_and_gradient(C const& c, W const& w, G& dw, Matrix<const typename C::scalar> x, const int* targets,
                                typename C::scalar scale, typename C::scalar* losses, Matrix<typename C::scalar> dx) {
    cross_entropy<typename C::backend_type>::loss_and_gradient(
        c.backend, x, reading(w.weight), bias<typename C::scalar>(w), targets, ignore_target, scale, losses, dx,
        gradient<typename C::scalar>(dw.weight), bias_gradient<typename C::scalar>(dw));
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
};
template <int Width, int Vocab> struct TiedHead : TiedTable<LmHead<Width, Vocab>> {};

}  // namespace fauna::inline v0
