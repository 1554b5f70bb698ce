// Blocks side by side, and the layers that are made of them: backward against dual numbers.
#include <doctest/doctest.h>

#include <fauna/compose/recompute.hpp>
#include <fauna/models/gpt_neox.hpp>
#include <fauna/models/llama.hpp>
#include <fauna/ops/ref.hpp>

#include "../support/gradients.hpp"
#include "../support/toys.hpp"

namespace test_branches {

namespace {

using namespace fauna;
using test::check, test::W;

// Branches that can add their outputs and gradients beside branches that cannot.
using Uneven = Concat<Linear<W, 4>, Residual<Linear<W, W>>, LayerNorm<W>>;
using Adds = Parallel<Linear<W, W>, Seq<RmsNorm<W>, Linear<W, W>>>;
using Mixed = Parallel<Gelu<W>, Linear<W, W>, test::Scan<W>>;
using Keeping = Parallel<MultiHead<W, 2>, Linear<3 * W, W>>;  // backward of attention reads what it wrote
using Nested = Residual<Parallel<Seq<Concat<Adds, Mixed>, Linear<2 * W, W>>, Mixed>>;

using OneNorm = Residual<Seq<RmsNorm<W>, Parallel<Linear<W, W>, GatedMlp<W, 10>>>>;  // both read the same norm

constexpr RopeShape interleaved{.base = 100, .rotary = 4, .pairs = rope_pairs::interleaved};
using SmallLlama = LlamaLayer<W, RotaryAttention<W, 4, 2, 4, RopeShape{.base = 100}, true>, GatedMlp<W, 10>, Epsilon{}>;
template <bool Parallel>
using SmallNeoX =
    GptNeoXLayer<Parallel, 12, NeoXAttention<12, 2, RopeShape{.rotary = 2}>, NeoXMlp<12, 7>, Epsilon{1e-3F}>;

}  // namespace

TEST_SUITE("branches") {
  TEST_CASE_TEMPLATE(
      "side by side, added or not", Block, Uneven, Adds, Mixed, Keeping, Nested, OneNorm, Concat<Linear<W, 3>>,
      GatedMlp<W, 11>, GatedMlp<W, 5, activation::gelu, true>, RotaryAttention<W, 3, 1, 4, interleaved>,
      RotaryAttention<W, 4, 2, 4, RopeShape{}, false, QkNorm{qk_norm::full, 1e-3F}>, NeoXAttention<W, 1>, SmallLlama,
      SmallNeoX<true>, SmallNeoX<false>, Recompute<SmallLlama>, Stack<0, 2, SmallNeoX<true>>) {
    check<Block>();
  }
}

}  // namespace test_branches
