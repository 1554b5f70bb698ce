// Hash layers (Roller et al. 2021, "Hash layers for large sparse models", section 3): a token's expert is a fixed
// random one, drawn from its id and the layer. Nothing is learned and nothing is to be balanced: the baseline of every
// router.
//   id_r = h(token_r, layer) mod E      w_r = 1
#pragma once
#include <fauna/blocks/top_k.hpp>

namespace fauna::inline v0 {

/// Needs the batch's tokens.
template <int Width, int E> struct HashRouter {
  static constexpr int width = Width, experts = E, slots = 1;
  static constexpr double chosen = 1, flops = 0;
  static constexpr bool causal = true;
  static constexpr std::size_t parameters = 0;
  static constexpr int choices(int rows) { return rows; }
  using fault = void;
  template <class D> struct Weights {};
  template <class S> struct Saved {};
  template <class W, class F> static constexpr void visit(W&, Place const&, F&&) {}
  template <class S> static constexpr void plan(Saved<S>&, int, Arena&) {}
  template <class B> static constexpr void plan_scratch(Shape const&, Arena&) {}

  static int expert(int token, int layer) {
    return static_cast<int>(Key{0x68617368, static_cast<std::uint64_t>(layer)}.words(static_cast<unsigned>(token))[0] %
                            static_cast<unsigned>(E));
  }
  template <class C, class W, class S>
  static void forward(C const& c, W const&, View<const S, dyn, Width>, Saved<S>&, Routes<S, 1> to) {
    if (c.batch->tokens == nullptr) fail("hash_router", "rows without tokens", "tokens, whose experts are fixed");
    for (int r = 0; r < to.ids.rows(); ++r) {
      to.ids(r, 0) = expert(c.batch->tokens[r], c.layer);
      to.weights(r, 0) = S(1);
    }
  }
  template <class C, class W, class G, class S>
  static void backward(C const&, W const&, G&, View<const S, dyn, Width>, Saved<S> const&, Routes<const S, 1>,
                       View<const S, dyn, 1>, View<S, dyn, Width>) {}
};

}  // namespace fauna::inline v0
