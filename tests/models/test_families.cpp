// Llama against the library that its checkpoints come from.
#include <doctest/doctest.h>

#include "../support/families.hpp"

using namespace test;

TEST_CASE_TEMPLATE("logits, loss and every gradient are the reference library's", M, LlamaUntied, LlamaTied,
                   LlamaBf16) {
  check_training<M>();
}
