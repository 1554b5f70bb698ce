// Every trainable block and combinator: backward against dual numbers.
#include <doctest/doctest.h>

#include <fauna/blocks/activation.hpp>
#include <fauna/blocks/attention.hpp>
#include <fauna/blocks/dropout.hpp>
#include <fauna/blocks/embedding.hpp>
#include <fauna/blocks/gated.hpp>
#include <fauna/blocks/linear.hpp>
#include <fauna/blocks/mlp.hpp>
#include <fauna/blocks/norm.hpp>
#include <fauna/blocks/rope.hpp>
#include <fauna/blocks/stream.hpp>
#include <fauna/compose/parallel.hpp>
#include <fauna/compose/recompute.hpp>
#include <fauna/compose/residual.hpp>
#include <fauna/compose/share.hpp>
#include <fauna/compose/stack.hpp>
#include <fauna/models/gpt.hpp>
#include <fauna/ops/ref.hpp>

#include "../support/gradients.hpp"
#include "../support/toys.hpp"

namespace test_gradients {

namespace {

using namespace fauna;
using test::check, test::W;
using Layer = GptLayer<W, 2, true, Rate{0}>;
using Dropping = GptLayer<W, 3, true, Rate{0.3F}>;
// A residual whose branch can add neither its output nor its gradient, and one that can.
using Unadding = Residual<Seq<test::Scan<W>, LayerNorm<W>>>;
using Adding = Residual<Seq<LayerNorm<W>, Linear<W, W>>>;
using Sharing = Share<"shared", Linear<W, W>, Seq<Use<"shared", Linear<W, W>>, Gelu<W>, Use<"shared", Linear<W, W>>>>;
using Carrying = Carry<"stream", W, Stack<0, 3, Seq<test::CarryMix<"stream", W>, Linear<W, W>>>>;
using Parted = Share<"parts", Seq<At<"in", Linear<W, W>>, LayerNorm<W>>,
                     Seq<UsePart<"parts", 0, At<"in", Linear<W, W>>>, UsePart<"parts", 1, LayerNorm<W>>, Silu<W>,
                         Parallel<UsePart<"parts", 0, At<"in", Linear<W, W>>>, Linear<W, W, false>>>>;
using Streaming =
    Carry<"stream", W,
          Seq<Publish<"stream", W>, Stack<0, 2, Residual<Seq<WithStream<"stream", W>, Linear<2 * W, W>>>>>>;

// A block whose backward forgets a factor.
struct Wrong : Gelu<W> {
  template <class C, class Ws, class G, class Sv, class St>
  static void backward(C const& c, Ws const& w, G& g, X<C> x, Sv& s, X<C> dy, Y<C> dx, St& st) {
    Gelu<W>::backward(c, w, g, x, s, dy, dx, st);
    dx(0, 0) *= 1.0001;
  }
};

}  // namespace

TEST_SUITE("gradients") {
  TEST_CASE_TEMPLATE("leaf blocks", Block, Linear<W, 5>, Linear<5, W, false>, LayerNorm<W>, LayerNorm<W, false>,
                     LayerNorm<W, true, Epsilon{1e-2F}>, RmsNorm<W>, RmsNorm<W, Epsilon{1e-2F}, 1>, Silu<W>,
                     ReluSquared<W>, Activation<W, activation::relu>, Activation<W, activation::none>,
                     Gated<activation::silu, W>, Gated<activation::gelu_tanh, 5>, Rope<2, 1, 4>,
                     Rope<1, 1, 7, RopeShape{.base = 100, .rotary = 4, .pairs = rope_pairs::interleaved}>, Gelu<W>,
                     Gelu<W, activation::gelu_tanh>, Dropout<W, Rate{0.4F}>, LearnedPosition<8, W>, MultiHead<W, 2>,
                     MultiHead<W, 1, Rate{0.2F}>, AttentionCore<4, 2, 3>, AttentionCore<3, 1, 2, Rate{0.2F}>) {
    check<Block>();
  }
  TEST_CASE_TEMPLATE("compositions", Block, Seq<Linear<W, 9>, Silu<9>, Linear<9, W>>, CausalAttention<W, 2>,
                     CausalAttention<W, 3, false, Rate{0.1F}>, Mlp<W, 11>,
                     Mlp<W, 8, Gelu<8, activation::gelu_tanh>, false, Rate{0.5F}>, Layer, Dropping, Unadding, Adding,
                     Sharing, Carrying, Parted, Streaming, Stack<0, 3, Layer>, Stack<2, 2, Layer, Unadding>,
                     Stack<1, 2, Adding, Unadding, Adding>, Recompute<Dropping>, Recompute<Unadding>,
                     Stack<0, 2, Recompute<Layer>>) {
    check<Block>();
  }

  TEST_CASE("a wrong gradient is seen") { CHECK(test::check_gradient<Wrong>(test::plain(2, 3)).error() > 1e-9); }
}

}  // namespace test_gradients
