// What a language model is tested for on the reference policy, and with bf16 products. Compiled as golden.cpp is.
#include <doctest/doctest.h>

#include "../support/model_check.hpp"

#include <model.hpp>

using namespace test;
using namespace fauna;

TEST_CASE("the loss's gradient equals the derivative of dual numbers") {
  check_loss_gradient<Model>(plain(2, 5));
  check_loss_gradient<Model>(ragged());
}

TEST_CASE("bf16 products give the reference policy's gradients, but for what operands lose") {
  check_gradients_on_cpu<Model, bf16_products>(3e-2);  // 2^-9 of each operand of every product
}

TEST_CASE("bf16 products: the same bits for any number of threads") { check_same_bits<Model, bf16_products>(24); }
