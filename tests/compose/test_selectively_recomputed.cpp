// Models whose norms and activations run again in the backward pass train with the bits of the plain ones, and keep
// less by what those give.
#include <doctest/doctest.h>

#include <fauna/blocks/selectively_recomputed.hpp>

#include "recompute.hpp"

namespace test_selectively_recomputed {

using namespace test::recompute;

namespace {

/// `kept`: columns of what is not kept, in each layer.
template <class Layer, class P> void check(std::size_t kept) {
  using Plain = Lay<Layer>;
  using Again = selectively_recomputed<Plain>;
  static_assert(parameters<Again> == parameters<Plain>);
  for (const Batch& batch : {test::plain(3, 7), test::ragged()}) {
    CAPTURE(batch.rows);
    const auto want = steps<Plain, P>(1, batch);
    for (const int threads : {1, 3}) CHECK(steps<Again, P>(threads, batch) == want);
  }
  const Shape shape{.sequences = 4, .length = 8};
  const std::size_t columns = 2 * kept, rows = 32;
  CHECK(fauna::plan<Plain, Cpu<P>>(shape).saved - fauna::plan<Again, Cpu<P>>(shape).saved == 4 * rows * columns);
}

}  // namespace

TEST_CASE_TEMPLATE("norms and activations that run again change no bit of training", P, f32_products, bf16_products) {
  check<GptLayer<W, 2, true, Rate{0.2F}>, P>(2 * W + 4 * W);
  check<LlamaLayer<W, RotaryAttention<W, 4, 2, 4>, GatedMlp<W, 24>, Epsilon{1e-5F}>, P>(2 * W + 24);
}

}  // namespace test_selectively_recomputed
