// Llama with Recompute around each layer.
#include <doctest/doctest.h>

#include "recompute.hpp"

namespace test_recompute_llama {

using namespace test::recompute;

TEST_CASE_TEMPLATE("Recompute around each layer of a Llama changes no bit of training", P, f32_products,
                   bf16_products) {
  // The dropout comes first: all that is recomputed depends on its mask.
  using Layer =
      Seq<Dropout<W, Rate{0.2F}>, LlamaLayer<W, RotaryAttention<W, 4, 2, 4>, GatedMlp<W, 20>, Epsilon{1e-5F}>>;
  check_checkpoint<Layer, P>();
}

}  // namespace test_recompute_llama
