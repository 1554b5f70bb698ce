// Llama: its bits do not depend on threads.
#include <doctest/doctest.h>

#include "support/model_check.hpp"
#include "support/small_llamas.hpp"

namespace test_llama_bits {

using namespace fauna;
using test::Untied;

TEST_SUITE("llama bits") {
  TEST_CASE_TEMPLATE("the same bits for any number of threads", P, f32_products, bf16_products) {
    test::check_same_bits<Untied, P>();
  }
}

}  // namespace test_llama_bits
