// LoraHead<Base, r, s>: a head with a low-rank addition to its matrix (blocks/lora.hpp has the equations). The loss's
// kernels read one matrix, so that the sum W + s B A [vocab, width] is made once a call, in scratch, and in training
// its gradient stands beside it:  dB = s dW Aᵀ,  dA = s Bᵀ dW.
#pragma once
#include <fauna/blocks/head.hpp>
#include <fauna/blocks/lora.hpp>

namespace fauna::inline v0 {

template <class B> inline constexpr bool is_head = false;
template <int Width, int Vocab, bool Bias, LogitCap Cap>
inline constexpr bool is_head<LmHead<Width, Vocab, Bias, Cap>> = true;

template <class Base, int Rank, LoraScale Scale = LoraScale{1}> struct LoraHead : Leaf<Base::in, Base::out> {
  static_assert(is_head<Base>, "fauna: LoraHead stands around an LmHead: see Base");
  static constexpr const char* kind_name = "LoraHead";
  static constexpr int width = Base::in, vocab = Base::out, rank = Rank;
  template <class D> struct Weights {
    typename Base::template Weights<D> base;
    typename D::template storage<kind::matrix> a, b;
  };
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    Base::visit(w.base, at, f);
    const float bound = static_cast<float>(1 / square_root(static_cast<double>(width)));
    f(Tensor{.field = "lora_A.weight", .rows = Rank, .cols = width, .init = uniform(-bound, bound), .at = at}, w.a);
    f(Tensor{.field = "lora_B.weight", .rows = vocab, .cols = Rank, .init = zeros, .at = at}, w.b);
  }
  static constexpr double flops(double context) { return Base::flops(context); }
  template <class B> static constexpr void plan_scratch(Shape const& s, Arena& a) {
    using S = typename B::scalar;
    Scope scope(a);
    a.take_view<S, dyn, width>(vocab);
    plan_workspace(gemm<B>::workspace(vocab, width, Rank, s.threads), a);
    if (s.backward) {
      a.take_view<S, dyn, width>(vocab);
      plan_workspace(gemm<B>::workspace(vocab, Rank, width, s.threads), a);
      plan_workspace(gemm<B>::workspace(Rank, width, vocab, s.threads), a);
    }
    Base::template plan_scratch<B>(s, a);
  }

  template <class C, class W>
  static void logits(C const& c, W const& w, Matrix<const typename C::scalar> x, Matrix<typename C::scalar> y) {
    Scope scope(c.scratch());
    Base::logits(c, sum(c, w), x, y);
  }
  template <class C, class W>
  static void loss(C const& c, W const& w, Matrix<const typename C::scalar> x, const int* targets,
                   typename C::scalar* losses) {
    Scope scope(c.scratch());
    Base::loss(c, sum(c, w), x, targets, losses);
  }
  template <class C, class W, class G>
  static void loss_and_gradient(C const& c, W const& w, G& dw, Matrix<const typename C::scalar> x, const int* targets,
                                typename C::scalar factor, typename C::scalar* losses, Matrix<typename C::scalar> dx) {
    with_gradient(c, w, dw, [&](auto const& both, auto& dboth) {
      Base::loss_and_gradient(c, both, dboth, x, targets, factor, losses, dx);
    });
  }
  template <class C, class W, class G>
  static void logits_gradient(C const& c, W const& w, G& dw, Matrix<const typename C::scalar> x,
                              Matrix<const typename C::scalar> y, Matrix<typename C::scalar> dy,
                              Matrix<typename C::scalar> dx) {
    with_gradient(c, w, dw,
                  [&](auto const& both, auto& dboth) { Base::logits_gradient(c, both, dboth, x, y, dy, dx); });
  }

 private:
  template <class S> using Sum = typename Base::template Weights<All<S>>;

  /// W + s B A and the bias. The matrix is in scratch.
  template <class C, class W> static Sum<typename C::scalar> sum(C const& c, W const& w) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    static_assert(std::is_same_v<std::remove_cvref_t<decltype(w.base.weight)>, Matrix<S>>,
                  "fauna: an adapter beside a head is for training; Adapter::merge_into adds it for inference");
    const auto both = c.scratch().template take_view<S, dyn, width>(vocab);
    gemm<B>::nn(c.backend, reading(as_const(w.b)), reading(as_const(w.a)), matrix(both));
    scale<B>::run(c.backend, Scale.value, both);
    add<B>::run(c.backend, as_const(w.base.weight), as_const(both), both);
    Sum<S> all{};
    all.weight = both;
    all.bias = w.base.bias;
    return all;
  }
  /// f(the sum, its gradient), which then is that of the parts.
  template <class C, class W, class G, class F> static void with_gradient(C const& c, W const& w, G& dw, F&& f) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    Scope scope(c.scratch());
    const auto both = sum(c, w);
    Sum<S> dboth{};
    const auto d = c.scratch().template take_view<S, dyn, width>(vocab);
    add<B>::clear(c.backend, d);
    dboth.weight = d;
    dboth.bias = gradient<S>(dw.base.bias);
    f(both, dboth);
    if (const auto g = gradient<S>(dw.base.weight)) add<B>::run(c.backend, as_const(g), as_const(d), g);
    scale<B>::run(c.backend, Scale.value, d);
    Epilogue<S> onto;
    if (const auto g = gradient<S>(dw.b)) {
      onto.base = g.data();
      onto.base_stride = g.stride();
      gemm<B>::nt(c.backend, reading(as_const(d)), reading(as_const(w.a)), g, onto);
    }
    if (const auto g = gradient<S>(dw.a)) add_product(c.backend, g, reading(as_const(w.b)), reading(as_const(d)));
  }
};

}  // namespace fauna::inline v0
