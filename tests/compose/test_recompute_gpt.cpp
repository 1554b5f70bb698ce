// GPT with Recompute around each layer.
#include <doctest/doctest.h>

#include "recompute.hpp"

namespace test_recompute_gpt {

using namespace test::recompute;

TEST_CASE_TEMPLATE("Recompute around each layer of a GPT changes no bit of training", P, f32_products, bf16_products) {
  using Layer = GptLayer<W, 2, true, Rate{0.2F}>;
  check_checkpoint<Layer, P>();
}

}  // namespace test_recompute_gpt
