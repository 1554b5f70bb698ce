// Llama: its bits depend neither on threads nor on how rows were split; and it learns.
#include <doctest/doctest.h>

#include "support/model_check.hpp"
#include "support/small_llamas.hpp"

using namespace fauna;
using test::Tied, test::Untied;

TEST_SUITE("llama bits") {
  TEST_CASE_TEMPLATE("the same bits for any number of threads", P, f32_products, bf16_products) {
    test::check_same_bits<Untied, P>();
  }

  TEST_CASE_TEMPLATE("decoding with a cache gives the bits of all rows at once", P, f32_products, bf16_products) {
    test::check_cache<Tied, P>();
    test::check_cache<Untied, P>();
  }

  TEST_CASE_TEMPLATE("a batch is learnt by heart", M, Tied, Untied) { test::check_learns<M>(); }
}
