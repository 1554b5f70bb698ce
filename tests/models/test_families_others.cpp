// GPT-NeoX, GPT-2 and sharded files against the library that their checkpoints come from.
#include <doctest/doctest.h>

#include "../support/families.hpp"

using namespace test;

TEST_CASE_TEMPLATE("logits, loss and every gradient are the reference library's", M, LlamaSharded, NeoX, NeoXSequential,
                   SmallGpt2) {
  check_training<M>();
}
