// CausalAttention: multi-head self-attention of GPT-2 (Vaswani et al. 2017; Radford et al. 2019).
//   q, k, v = x W_qkvᵀ split in three; heads of Width / Heads columns; y = attention(q, k, v) W_projᵀ
#pragma once
#include <fauna/blocks/dropout.hpp>
#include <fauna/blocks/linear.hpp>
#include <fauna/compose/at.hpp>
#include <fauna/compose/seq.hpp>
#include <fauna/ops/attention/op.hpp>

namespace fauna::inline v0 {

/// Attention itself, between the projections: rows of [q | k | v], each Width wide, to rows of Width.
/// y must stay as it is until backward, which reads it.
template <int Width, int NHeads, Rate Drop = Rate{}> struct AttentionCore : Leaf<3 * Width, Width> {
  static constexpr const char* kind_name = "AttentionCore";
  static constexpr int head_size = Width / NHeads;
  using fault = std::conditional_t<Width % NHeads == 0, void, heads_do_not_divide_width<AttentionCore, Width, NHeads>>;
  template <class S> struct Saved {
    View<S, dyn, NHeads> lse;     ///< log of each row's softmax denominator
    View<const S, dyn, Width> y;  ///< the output, kept by whoever owns it
  };
  template <class S> static constexpr void plan(Saved<S>& s, Shape const& shape, Arena& a) {
    s.lse = a.take_view<S, dyn, NHeads>(shape.rows());
  }
  template <class B> static constexpr void plan_scratch(Shape const& s, Arena& a) {
    plan_workspace(attention<B>::template workspace<head_size>(s.sequences, s.length, how(Key{}), s.threads), a);
  }
  /// q·k and the weighted sum of v, 2 multiplications and additions each (the causal half is not subtracted, as is
  /// usual).
  static constexpr double flops(double context) { return 4.0 * Width * context; }

  template <class C> using X = typename Leaf<3 * Width, Width>::template X<C>;
  template <class C> using Y = typename Leaf<3 * Width, Width>::template Y<C>;
  template <class C> using DX = typename Leaf<3 * Width, Width>::template DX<C>;
  template <class C> using DY = typename Leaf<3 * Width, Width>::template DY<C>;

  template <class C, class W, class St, class Sv>
  static void forward(C const& c, W const&, St&, X<C> x, Y<C> y, Sv& saved) {
    auto a = how(c.key);
    if (c.mode == mode::eval) a.dropout = 0;
    attention<typename C::backend_type>::template forward<head_size>(c.backend, *c.batch, a, third<0>(x), third<1>(x),
                                                                     third<2>(x), heads(y), saved.lse.data());
    saved.y = y;
  }
  template <class C, class W, class G, class Sv, class St>
  static void backward(C const& c, W const&, G&, X<C> x, Sv& saved, DY<C> dy, DX<C> dx, St&) {
    attention<typename C::backend_type>::template backward<head_size>(
        c.backend, *c.batch, how(c.key), third<0>(x), third<1>(x), third<2>(x), heads(saved.y), saved.lse.data(),
        heads(dy), third<0>(dx), third<1>(dx), third<2>(dx));
  }

 private:
  static constexpr AttentionShape how(Key key) {
    // 1/sqrt(head size): std::sqrt is not constexpr; Newton's iteration is, and exact enough in double
    double root = head_size;
    for (int i = 0; i < 60; ++i) root = 0.5 * (root + head_size / root);
    return {.heads = NHeads, .kv_heads = NHeads, .scale = 1 / root, .dropout = Drop.value, .key = key};
  }
  template <class V> static constexpr auto heads(V v) {
    return Heads<typename V::element>{v.data(), v.stride(), head_size};
  }
  template <int I, class V> static constexpr auto third(V v) { return heads(v.template columns<I * Width, Width>()); }
};

template <int Width, int NHeads, bool Bias = true, Rate Drop = Rate{}>
struct CausalAttention
    : with_dropout<Seq<At<"c_attn", Linear<Width, 3 * Width, Bias>>, AttentionCore<Width, NHeads, Drop>,
                       At<"c_proj", Linear<Width, Width, Bias, residual_normal(0.02F)>>>,
                   Drop> {};

}  // namespace fauna::inline v0
