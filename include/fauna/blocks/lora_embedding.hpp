// LoraEmbedding<Base, r, s>: a token table with a low-rank addition beside it, as PyPI's peft has it.
//   y_t = E[x_t] + s B a_t      a_t: column x_t of A [r, vocab];  B [width, r]
//   dB = s Σ dy_t a_tᵀ          da_t = s Bᵀ dy_t
// A starts as zeros, so that the block starts as Base. A head that is tied to the table reads E alone, as in peft.
#pragma once
#include <fauna/blocks/embedding.hpp>
#include <fauna/blocks/lora.hpp>

namespace fauna::inline v0 {

template <class B> inline constexpr bool is_embedding = false;
template <int Vocab, int Width> inline constexpr bool is_embedding<Embedding<Vocab, Width>> = true;

template <class Base, int Rank, LoraScale Scale = LoraScale{1}> struct LoraEmbedding : Leaf<1, Base::out> {
  static_assert(is_embedding<Base>, "fauna: LoraEmbedding stands around an Embedding: see Base");
  static constexpr const char* kind_name = "LoraEmbedding";
  static constexpr int vocab = Base::vocab, width = Base::out, rank = Rank;
  template <class C> using X = typename Base::template X<C>;
  template <class C> using DX = None;
  /// The table under its own name, by which a tied head finds it.
  template <class D> struct Weights : Base::template Weights<D> {
    typename D::template storage<kind::matrix> a, b;  ///< a [vocab, r], which files have as [r, vocab]
  };
  template <class W, class F> static constexpr void visit(W& w, Place const& at, F&& f) {
    Base::visit(w, at, f);
    f(Tensor{.field = "lora_embedding_A",
             .rows = vocab,
             .cols = Rank,
             .init = zeros,
             .layout = {.transposed = true},
             .at = at},
      w.a);
    f(Tensor{.field = "lora_embedding_B", .rows = width, .cols = Rank, .init = normal(1.0F), .at = at}, w.b);
  }
  template <class B> static constexpr void plan_scratch(Shape const& s, Arena& a) {
    using S = typename B::scalar;
    Base::template plan_scratch<B>(s, a);
    Scope scope(a);
    a.take_view<S, dyn, Rank>(s.rows());
    plan_workspace(gemm<B>::workspace(s.rows(), width, Rank, s.threads), a);
    if (!s.backward) return;
    a.take_view<S, dyn, Rank>(s.rows());
    plan_workspace(gemm<B>::workspace(width, Rank, s.rows(), s.threads), a);
    plan_workspace(gemm<B>::workspace(s.rows(), Rank, width, s.threads), a);
  }
  static constexpr double flops(double context) { return Base::flops(context) + 2.0 * width * Rank; }

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const& w, St&, X<C> x, Out<C, width> y, Sv&) {
    using B = typename C::backend_type;
    Scope scope(c.scratch());
    gemm<B>::nt(c.backend, reading(chosen(c, w, x)), reading(w.b), matrix(y));
    embedding<B>::forward(c.backend, x.data(), reading(w.weight), as_const(y), y);
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const& w, G& dw, X<C> x, Sv& saved, In<C, width> dy, None none, St& state) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    Base::backward(c, w, dw, x, saved, dy, none, state);
    Scope scope(c.scratch());
    if (const auto g = gradient<S>(dw.b)) add_product(c.backend, g, reading(dy), reading(chosen(c, w, x)));
    const auto g = gradient<S>(dw.a);
    if (!g) return;
    const auto du = c.scratch().template take_view<S, dyn, Rank>(x.rows());
    gemm<B>::nn(c.backend, reading(dy), reading(w.b), matrix(du));
    scale<B>::run(c.backend, Scale.value, du);
    embedding<B>::backward(c.backend, x.data(), as_const(du), g);
  }

 private:
  /// s a_t of each row, in scratch.
  template <class C, class W> static In<C, Rank> chosen(C const& c, W const& w, X<C> x) {
    using B = typename C::backend_type;
    const auto u = c.scratch().template take_view<typename C::scalar, dyn, Rank>(x.rows());
    embedding<B>::forward(c.backend, x.data(), reading(w.a), {}, u);
    scale<B>::run(c.backend, Scale.value, u);
    return u;
  }
};

}  // namespace fauna::inline v0
